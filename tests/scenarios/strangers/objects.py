"""What strangers made in Setup for the mappings beside: their custom objects, as tables of the simulated org."""

from __future__ import annotations

from connector.simulators.salesforce.schema import Table

_NAMED = """
Name       string(80) required
OwnerId    reference required defaulted ->User=Owner
"""


def _table(name: str, prefix: str, fields: str) -> Table:
    return Table(name, prefix, _NAMED + fields)


OBJECTS = (
    _table("Cost_Centre_Group__c", "a10", """
Xero_Id__c string(36) external
Open__c    boolean
"""),
    _table("Cost_Centre__c", "a11", """
Group__c   reference ->Cost_Centre_Group__c=Group__r/Cost_Centres__r
Xero_Id__c string(80) external
Open__c    boolean
"""),
    _table("Asset__c", "a12", """
Tag__c            string(30)
Day_Rate__c       currency(16.2)
Income_Account__c string(10)
Income_Tax__c     string(50)
Repair_Account__c string(10)
Retired__c        boolean
Xero_Item_Id__c   string(36) external
"""),
    _table("Vendor__c", "a13", """
Active__c             boolean
Contact_First_Name__c string(80)
Contact_Last_Name__c  string(80)
Email__c              email(80)
Phone__c              phone(40)
VAT__c                string(50)
City__c               string(80)
Terms_Days__c         double(3.0)
Terms_Type__c         string(40)
Currency__c           string(3)
Owed__c               currency(16.2)
Xero_Contact_Id__c    string(36) external
"""),
    _table("Vendor_Bill__c", "a14", """
Xero_Id__c string(36) external
Vendor__c  reference ->Vendor__c=Vendor__r/Bills__r
State__c   string(40)
Due__c     date
Net__c     currency(16.2)
Tax__c     currency(16.2)
Gross__c   currency(16.2)
Settled__c currency(16.2)
Open__c    currency(16.2)
Link__c    url(255)
"""),
    _table("Vendor_Bill_Line__c", "a15", """
Bill__c         reference ->Vendor_Bill__c=Bill__r/Bill_Lines__r
Xero_Id__c      string(80) external
Account_Code__c string(10)
Net__c          currency(16.2)
"""),
    _table("Subscription__c", "a16", """
Account__c reference ->Account=Account__r/Subscriptions__r
Plan__c    string(80)
Yearly__c  currency(16.2)
Active__c  boolean
Paid__c    currency(16.2)
Open__c    currency(16.2)
"""),
    _table("Instalment__c", "a17", """
Subscription__c reference ->Subscription__c=Subscription__r/Instalments__r
Due__c          date
Share__c        double(16.4)
Cost_Centre__c  reference ->Cost_Centre__c=Cost_Centre__r/Instalments__r
"""),
    _table("Donation__c", "a18", """
Xero_Id__c    string(36) external
Giver__c      reference ->Account=Giver__r/Donations__r
Given_On__c   date
Total__c      currency(16.2)
Received__c   currency(16.2)
Taken_Back__c boolean
Campaign__c   string(80)
"""),
    _table("Gift__c", "a19", """
Donation__c reference ->Donation__c=Donation__r/Gifts__r
Xero_Id__c  string(80) external
Amount__c   currency(16.2)
Purpose__c  string(80)
"""),
    _table("Branch__c", "a1A", """
Code__c    string(20)
Country__c string(2)
"""),
    _table("Visit__c", "a1B", """
Number__c   string(20)
Branch__c   reference ->Branch__c=Branch__r/Visits__r
Day__c      date
Hours__c    double(16.2)
Rate__c     currency(16.2)
Currency__c string(3)
Done__c     boolean
"""),
)  # fmt: skip
