"""An ordinary sales org, with the fields that the connector's package adds, as tables. And the little that stands in
it from the start."""

from __future__ import annotations

from connector.simulators.salesforce.schema import Table

PICKLISTS: dict[str, tuple[str, ...]] = {
    "AccountType": (
        "Prospect", "Customer", "Customer - Direct", "Customer - Channel", "Channel Partner / Reseller",
        "Installation Partner", "Technology Partner", "Supplier", "Other",
    ),
    "Industry": ("Agriculture", "Banking", "Biotechnology", "Construction", "Consulting", "Education", "Energy",
                 "Manufacturing", "Retail", "Technology", "Other"),
    "StageName": (
        "Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Id. Decision Makers",
        "Perception Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost",
    ),
    "OpportunityType": ("Existing Business", "New Business"),
    "LeadSource": ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    "ForecastCategory": ("Omitted", "Pipeline", "BestCase", "Forecast", "Closed"),
    "ForecastCategoryName": ("Omitted", "Pipeline", "Best Case", "Commit", "Closed"),
    "ExpenseStatus": ("Draft", "Submitted", "Approved"),
    "SyncState": ("Clean", "Waiting", "Failed", "Conflict", "Paused", "Unknown", "Ended"),
    "PaymentKind": ("Payment", "Credit note", "Prepayment", "Overpayment"),
    "Salutation": ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."),
    "CurrencyIsoCode": ("GBP", "USD", "EUR", "NZD", "AUD"),
    "OrganizationType": ("Enterprise Edition", "Developer Edition", "Unlimited Edition"),
}  # fmt: skip

_ADDRESS = """
{p}Street     textarea(255)  in={p}Address
{p}City       string(40)     in={p}Address
{p}State      string(80)     in={p}Address
{p}PostalCode string(20)     in={p}Address
{p}Country    string(80)     in={p}Address
{p}Address    address
"""
_NAMED = "Name string(80) required defaulted\nOwnerId reference required defaulted ->User=Owner\n"
_LOCKED = frozenset({"readonly", "untracked"})

TABLES: tuple[Table, ...] = (
    Table("Organization", "00D", """
Name                string(80)   required readonly
OrganizationType    picklist(40) values=OrganizationType readonly
IsSandbox           boolean      readonly
InstanceName        string(5)    readonly
TrialExpirationDate datetime     readonly
NamespacePrefix     string(15)   readonly
DefaultLocaleSidKey string(40)   readonly
""", _LOCKED),
    Table("CurrencyType", "01L", """
IsoCode        picklist(255) required values=CurrencyIsoCode restricted
ConversionRate double(18.6)  required
DecimalPlaces  int(1)        required
IsActive       boolean
IsCorporate    boolean
""", frozenset({"untracked", "currencies"})),
    Table("User", "005", """
Username  string(80)  required
LastName  string(80)  required
FirstName string(40)
Name      string(121) readonly defaulted
Email     email(128)  required
IsActive  boolean
"""),
    Table("Account", "001", """
MasterRecordId      reference readonly ->Account=MasterRecord
Name                string(255) required
Type                picklist(40) values=AccountType
ParentId            reference ->Account=Parent/ChildAccounts
""" + _ADDRESS.format(p="Billing") + _ADDRESS.format(p="Shipping") + """
Phone               phone(40)
Fax                 phone(40)
AccountNumber       string(40)
Website             url(255)
Industry            picklist(40) values=Industry
AnnualRevenue       currency(18.0)
NumberOfEmployees   int(8)
Description         textarea(32000)
OwnerId             reference required defaulted ->User=Owner
Email__c            email(80)
Region__c           string(80)
Terms__c            double(4.0)
Tax_Number__c       string(50)
Xero_Contact_Id__c  string(36) external
Xero_Balance__c     currency(16.2)
Xero_Currency__c    string(3)
Xero_Account__c     string(10)
Xero_Tax__c         string(50)
Xero_Region__c      string(100)
Xero_Persons__c     string(255)
"""),
    Table("Contact", "003", """
AccountId   reference ->Account=Account/Contacts!
LastName    string(80) required
FirstName   string(40)
Salutation  picklist(40) values=Salutation
Name        string(121) readonly defaulted
""" + _ADDRESS.format(p="Mailing") + """
Phone       phone(40)
MobilePhone phone(40)
Email       email(80)
Title       string(128)
Description textarea(32000)
OwnerId     reference required defaulted ->User=Owner
Xero_Person__c boolean
"""),
    Table("Pricebook2", "01s", """
Name        string(255) required
IsActive    boolean
IsStandard  boolean readonly
IsArchived  boolean readonly
Description string(255)
"""),
    Table("Product2", "01t", """
Name            string(255) required
ProductCode     string(255)
Description     textarea(4000)
IsActive        boolean
Family          picklist(40)
StockKeepingUnit string(180)
IsArchived      boolean readonly
Xero_Account__c string(10)
Xero_Tax__c     string(50)
Xero_Region__c  string(100)
Xero_Purchase_Account__c string(10)
Xero_Purchase_Tax__c string(50)
Xero_Purchase_Price__c currency(16.4)
Xero_Asset_Account__c string(10)
Xero_Cogs_Account__c string(10)
Xero_Item_Id__c string(36) external
Xero_Quantity__c double(16.4)
Xero_Stock_Cost__c currency(16.2)
Xero_Average_Cost__c currency(16.4) calculated
"""),
    Table("PricebookEntry", "01u", """
Name             string(255) readonly
Pricebook2Id     reference required createonly ->Pricebook2=Pricebook2/PricebookEntries!
Product2Id       reference required createonly ->Product2=Product2/PricebookEntries!
UnitPrice        currency(18.2) required
IsActive         boolean
UseStandardPrice boolean
ProductCode      string(255) readonly
IsArchived       boolean readonly
Xero_Item_Id__c  string(36) external
"""),
    Table("OpportunityStage", "01J", """
MasterLabel        string(255) readonly
ApiName            string(255) readonly
IsActive           boolean readonly
SortOrder          int(8) readonly
IsClosed           boolean readonly
IsWon              boolean readonly
ForecastCategory   picklist(40) values=ForecastCategory readonly
DefaultProbability percent(3.0) readonly
""", _LOCKED),
    Table("Opportunity", "006", """
AccountId              reference ->Account=Account/Opportunities!
IsPrivate              boolean
Name                   string(120) required
Description            textarea(32000)
StageName              picklist(255) required values=StageName
Amount                 currency(18.2)
Probability            percent(3.0) defaulted
TotalOpportunityQuantity double(18.2)
CloseDate              date required
Type                   picklist(255) values=OpportunityType
NextStep               string(255)
LeadSource             picklist(255) values=LeadSource
IsClosed               boolean readonly
IsWon                  boolean readonly
ForecastCategory       picklist(40) readonly values=ForecastCategory
ForecastCategoryName   picklist(255) defaulted values=ForecastCategoryName
HasOpportunityLineItem boolean readonly
Pricebook2Id           reference ->Pricebook2=Pricebook2/Opportunities
ContactId              reference createonly ->Contact=Contact
OwnerId                reference required defaulted ->User=Owner
LastStageChangeDate    datetime readonly
FiscalYear             int(8) calculated
Number__c              string(40)
PO_Number__c           string(255)
Shipping__c            currency(16.2)
Region__c              string(80)
Invoice_Status__c      string(40)
Invoice_Payment__c     string(40)
Invoice_Due_Date__c    date
Invoice_Rate__c        double(18.8)
Amount_Due__c          currency(16.2)
Invoice_Overdue__c     boolean calculated
Invoice_Number__c      string(255)
Paid_On__c             date
Amount_Paid__c         currency(16.2)
Xero_Invoice_Id__c     string(36)
Xero_Order_Id__c       string(36) external
"""),
    Table("OpportunityLineItem", "00k", """
OpportunityId    reference required createonly ->Opportunity=Opportunity/OpportunityLineItems!
SortOrder        int(9)
PricebookEntryId reference createonly ->PricebookEntry=PricebookEntry/OpportunityLineItems
Product2Id       reference readonly ->Product2=Product2/OpportunityLineItems
ProductCode      string(255) readonly
Name             string(376) readonly
Quantity         double(12.2) required
TotalPrice       currency(18.2)
UnitPrice        currency(18.2)
ListPrice        currency(18.2) readonly
Discount         percent(5.2)
ServiceDate      date
Description      string(255)
Xero_Account__c  string(10)
Xero_Tax__c      string(50)
Xero_Region__c   string(100)
Xero_Line_Id__c  string(80) external
"""),
    Table("Xero_Invoice__c", "a01", _NAMED + """
Xero_Id__c       string(36) external
Number__c        string(255)
Type__c          string(20)
Status__c        string(20)
Payment_Status__c string(40)
Overdue__c       boolean calculated
Date__c          date
Due_Date__c      date
Sub_Total__c     currency(16.2)
Total_Tax__c     currency(16.2)
Total__c         currency(16.2)
Amount_Due__c    currency(16.2)
Amount_Paid__c   currency(16.2)
Currency__c      string(3)
Currency_Rate__c double(18.8)
Reference__c     string(255)
Account__c       reference ->Account=Account__r/Xero_Invoices__r
Payments__c      double(6.0)
Amount_Credited__c currency(16.2)
Xero_Page__c     url(255)
Opportunity__c   reference ->Opportunity=Opportunity__r/Xero_Invoices__r
"""),
    Table("Xero_Invoice_Line__c", "a05", """
Name             string(80) readonly defaulted
Invoice__c       reference required ->Xero_Invoice__c=Invoice__r/Lines__r!
Xero_Id__c       string(80) external
Description__c   textarea(4000)
Item_Code__c     string(30)
Quantity__c      double(16.4)
Unit_Amount__c   currency(16.4)
Discount_Rate__c double(10.4)
Account_Code__c  string(10)
Tax_Type__c      string(50)
Tax_Amount__c    currency(16.2)
Line_Amount__c   currency(16.2)
Tracking__c      string(255)
"""),
    Table("Xero_Invoice_Payment__c", "a0C", """
Name             string(80) readonly defaulted
Invoice__c       reference required ->Xero_Invoice__c=Invoice__r/Payments__r!
Xero_Id__c       string(80) external
Kind__c          picklist(255) values=PaymentKind restricted
Date__c          date
Amount__c        currency(16.2)
Reference__c     string(255)
Number__c        string(255)
"""),
    Table("Xero_Account__c", "a02", _NAMED + """
Xero_Id__c   string(36) external
Code__c      string(10)
Type__c      string(40)
Class__c     string(40)
Tax_Type__c  string(50)
Status__c    string(20)
Payments__c  boolean
"""),
    Table("Xero_Tax_Rate__c", "a03", _NAMED + """
Tax_Type__c  string(50) external
Rate__c      double(10.4)
Status__c    string(20)
"""),
    Table("Xero_Tracking_Category__c", "a08", _NAMED + """
Full_Name__c string(100)
Xero_Id__c   string(36) external
Status__c    string(20)
"""),
    Table("Xero_Tracking_Option__c", "a09", """
Name         string(80) required defaulted
Category__c  reference required ->Xero_Tracking_Category__c=Category__r/Options__r!
Full_Name__c string(100)
Xero_Id__c   string(80) external
Status__c    string(20)
"""),
    Table("Xero_Currency__c", "a0A", _NAMED + """
Code__c      string(3) external
"""),
    Table("Xero_Branding_Theme__c", "a0B", _NAMED + """
Xero_Id__c    string(36) external
Sort_Order__c double(6.0)
"""),
    Table("Expense__c", "a04", _NAMED + """
Number__c       string(40)
Amount__c       currency(16.2)
Date__c         date
Vendor__c       reference ->Account=Vendor__r/Expenses__r
Description__c  textarea(32768)
Xero_Account__c string(10)
Xero_Tax__c     string(50)
Status__c       picklist(255) values=ExpenseStatus restricted
Xero_Bill_Id__c string(36)
"""),
    Table("Credit__c", "a07", _NAMED + """
Number__c       string(40)
Amount__c       currency(16.2)
Allocated__c    currency(16.2)
Date__c         date
Account__c      reference ->Account=Account__r/Credits__r
Opportunity__c  reference ->Opportunity=Opportunity__r/Credits__r
Description__c  textarea(32768)
Xero_Tax__c     string(50)
Status__c       picklist(255) values=ExpenseStatus restricted
"""),
    Table("Twinledger_Sync__c", "a06", _NAMED + """
Key__c          string(255) external
Mapping__c      string(80)
Object__c       string(80)
Record_Id__c    string(18)
Record__c       string(1300) calculated
State__c        picklist(255) values=SyncState restricted
Code__c         string(80)
Reason__c       textarea(2000)
Remedy__c       textarea(1000)
Xero_Id__c      string(50)
Xero_Link__c    url(255)
Last_Success__c datetime
Retry__c        boolean
"""),
)  # fmt: skip

# What person accounts add: a table's name and its lines. A person account is an account and a contact in one.
PERSON_ACCOUNTS: dict[str, str] = {
    "Account": """
IsPersonAccount    boolean   readonly
FirstName          string(40)
LastName           string(80)
Salutation         picklist(40) values=Salutation
PersonContactId    reference readonly ->Contact=PersonContact
PersonEmail        email(80)
PersonMobilePhone  phone(40)
PersonTitle        string(80)
""",
    "Contact": "IsPersonAccount boolean readonly\n",
}
RATES = {"GBP": "1", "USD": "1.25", "EUR": "1.15", "NZD": "2.1", "AUD": "1.95"}  # of one unit of the corporate currency

CHANNEL = "TwinledgerSync__chn"
SELECTED = ("Account", "Opportunity", "OpportunityLineItem", "Product2", "Expense__c")  # five: what an edition allows

# Name of the stage, probability, closed, won, forecast category: the standard set.
STAGES: tuple[tuple[str, int, bool, bool, str], ...] = (
    ("Prospecting", 10, False, False, "Pipeline"),
    ("Qualification", 10, False, False, "Pipeline"),
    ("Needs Analysis", 20, False, False, "Pipeline"),
    ("Value Proposition", 50, False, False, "Pipeline"),
    ("Id. Decision Makers", 60, False, False, "Pipeline"),
    ("Perception Analysis", 70, False, False, "Pipeline"),
    ("Proposal/Price Quote", 75, False, False, "Pipeline"),
    ("Negotiation/Review", 90, False, False, "Pipeline"),
    ("Closed Won", 100, True, True, "Closed"),
    ("Closed Lost", 0, True, False, "Omitted"),
)

# Name, code, price, Xero account, Xero tax type.
PRODUCTS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Annual licence", "LIC-1", "1200.00", "200", "OUTPUT2"),
    ("Support, standard", "SUP-1", "240.00", "200", "OUTPUT2"),
    ("Onboarding day", "SVC-1", "850.00", "200", "OUTPUT2"),
    ("Training seat", "TRN-1", "99.95", "200", "OUTPUT2"),
    ("Handbook, printed", "BOOK-1", "24.50", "200", "ZERORATEDOUTPUT"),
)
