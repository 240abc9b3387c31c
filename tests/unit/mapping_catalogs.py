"""Small catalogs of both sides for the tests of the mapping language: tables of `field type(length.scale) flags`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connector.core.catalog import FieldInfo, FieldType
from connector.core.mapping.bind import bind
from connector.core.mapping.model import Mapping as Rules
from connector.core.mapping.parse import parse
from connector.core.records import Side

FOLDER = Path(__file__).parents[2] / "mappings"

SALESFORCE = {
    "Account": """
        Id id readonly; Name text(255) required; Phone text(40); Type text(40); Terms__c number(.0); Region__c text(80)
        BillingStreet text(255); BillingCity text(40); BillingState text(80); BillingPostalCode text(20)
        BillingCountry text(80); BillingAddress object readonly; Xero_Contact_Id__c text(36); Xero_Tax__c text(50)
        Xero_Account__c text(10); Xero_Region__c text(100)
        Xero_Balance__c number(.2); Xero_Currency__c text(3); Email__c text(80); Tax_Number__c text(50); Fax text(40)
        ShippingStreet text(255); ShippingCity text(40); ShippingState text(80); ShippingPostalCode text(20)
        ShippingCountry text(80); ShippingAddress object readonly
    """,
    "Opportunity": """
        Id id readonly; AccountId id ->Account; Account object ->Account; Name text(120) required
        IsWon boolean readonly; CurrencyIsoCode text(3) readonly
        Amount number(.2); CloseDate date required; Number__c text(40); PO_Number__c text(255); Shipping__c number(.2)
        Xero_Order_Id__c text(36); Invoice_Number__c text(255); StageName text(255) required
        Invoice_Payment__c text(40); Invoice_Due_Date__c date; Amount_Due__c number(.2)
        Invoice_Rate__c number(.8)
        Invoice_Status__c text(40); Paid_On__c date; Amount_Paid__c number(.2); Description text(32000)
        OpportunityLineItems list ->OpportunityLineItem
    """,
    "OpportunityLineItem": """
        Id id readonly; Product2 object ->Product2; Quantity number(.2); UnitPrice number(.2); Discount number(.2)
        Description text(255); SortOrder number(.0); Xero_Account__c text(10)
        Xero_Tax__c text(50); Xero_Region__c text(100)
    """,
    "Product2": """
        Id id readonly; Name text(255); ProductCode text(255); Xero_Account__c text(10); Xero_Tax__c text(50)
        Xero_Region__c text(100)
    """,
    "Expense__c": """
        CurrencyIsoCode text(3) readonly
        Id id readonly; Name text(80) required; Number__c text(40); Amount__c number(.2); Date__c date
        Vendor__c id ->Account; Vendor__r object ->Account; Description__c text(32768); Xero_Account__c text(10)
        Xero_Tax__c text(50); Status__c text(20)
    """,
    "Xero_Invoice__c": """
        Id id readonly; Name text(80) required; Xero_Id__c text(36); Number__c text(255); Type__c text(20); Date__c date
        Payment_Status__c text(40)
        Status__c text(20); Due_Date__c date; Sub_Total__c number(.2); Total_Tax__c number(.2); Total__c number(.2)
        Amount_Due__c number(.2); Amount_Paid__c number(.2); Currency__c text(3); Reference__c text(255)
        Currency_Rate__c number(.8)
        Account__c id ->Account; Opportunity__c id ->Opportunity; Payments__c number(.0); Amount_Credited__c number(.2)
        Xero_Page__c text(255); Lines__r list ->Xero_Invoice_Line__c
        Payments__r list ->Xero_Invoice_Payment__c
    """,
    "Xero_Invoice_Line__c": """
        Id id readonly; Invoice__c id ->Xero_Invoice__c required; Xero_Id__c text(80); Description__c text(4000)
        Item_Code__c text(30); Quantity__c number(.4); Unit_Amount__c number(.4); Discount_Rate__c number(.4)
        Account_Code__c text(10); Tax_Type__c text(50); Tax_Amount__c number(.2); Line_Amount__c number(.2)
        Tracking__c text(255)
    """,
    "Xero_Invoice_Payment__c": """
        Id id readonly; Invoice__c id ->Xero_Invoice__c required; Xero_Id__c text(80); Kind__c text(40); Date__c date
        Amount__c number(.2); Reference__c text(255); Number__c text(255)
    """,
    "Xero_Account__c": """
        Id id readonly; Name text(80) required; Xero_Id__c text(36); Code__c text(10); Type__c text(40)
        Class__c text(40);         Tax_Type__c text(50); Status__c text(20); Payments__c boolean
    """,
    "Xero_Tax_Rate__c": """
        Id id readonly; Name text(80) required; Tax_Type__c text(50); Rate__c number(.4); Status__c text(20)
    """,
}
XERO = {
    "Contact": """
        ContactID id readonly; ContactNumber text(50); Name text(255) required; ContactStatus text
        EmailAddress text(255); IsCustomer boolean readonly; Phones list ->Phone; Addresses list ->Address
        Balances object ->Balances; TaxNumber text(50); CompanyNumber text(50)
        DefaultCurrency text; PaymentTerms object ->PaymentTerm
    """,
    "PaymentTerm": "Bills object ->Term; Sales object ->Term",
    "Term": "Day number(.0); Type text",
    "Balances": "AccountsReceivable object ->Balance",
    "Balance": "Outstanding number(.2) readonly; Overdue number(.2) readonly",
    "Phone": "PhoneType text; PhoneNumber text(50); PhoneAreaCode text(10); PhoneCountryCode text(20)",
    "Address": "AddressType text; AddressLine1 text(500); City text(255); AttentionTo text(255)",
    "Invoice": """
        InvoiceID id readonly; Type text required values=ACCREC|ACCPAY; InvoiceNumber text(255); Reference text(255)
        Contact object required ->Contact; Date date; DueDate date; CurrencyCode text; Url text(2000); Status text
        LineAmountTypes text values=Exclusive|Inclusive|NoTax; LineItems list ->LineItem; SubTotal number(.2) readonly
        TotalTax number(.2) readonly; Total number(.2) readonly; AmountDue number(.2) readonly
        AmountPaid number(.2) readonly; FullyPaidOnDate date readonly; AmountCredited number(.2) readonly
        CurrencyRate number(.10)
        Payments list ->Payment; CreditNotes list ->CreditNote; Prepayments list ->Prepayment
        Overpayments list ->Overpayment
    """,
    "LineItem": """
        LineItemID id; Description text(4000); Quantity number(.4); UnitAmount number(.4); ItemCode text(30)
        AccountCode text(10); TaxType text(50); DiscountRate number(.4); Tracking list ->TrackingEntry
        LineAmount number(.2); NetAmount number(.2); TaxAmount number(.2)
    """,
    "Payment": "PaymentID id readonly; Amount number(.2); Date date; Reference text(255)",
    "CreditNote": "CreditNoteID id readonly; CreditNoteNumber text(255); AppliedAmount number(.2); Date date",
    "Prepayment": "PrepaymentID id readonly; AppliedAmount number(.2); Date date",
    "Overpayment": "OverpaymentID id readonly; AppliedAmount number(.2); Date date",
    "TrackingEntry": "Name text(100); Option text(100)",
    "Account": """
        AccountID id readonly; Code text(10); Name text(150); Type text; Class text readonly; TaxType text; Status text
        EnablePaymentsToAccount boolean
    """,
    "TaxRate": "Name text(50); TaxType text(50); EffectiveRate number(.4) readonly; Status text",
}
_FIELD = re.compile(r"(\w+) (\w+)(?:\((\d*)(?:\.(\d+))?\))?(.*)")


@dataclass(frozen=True, slots=True)
class Tables:
    """A catalog out of the tables above."""

    entities: Mapping[str, Mapping[str, FieldInfo]]

    def field(self, entity: str, path: str) -> FieldInfo | None:
        name, _, rest = path.partition(".")
        info = self.entities.get(entity, {}).get(name)
        if info is None or not rest:
            return info
        return self.field(info.references[0], rest) if info.type is FieldType.OBJECT and info.references else None

    def children(self, entity: str, name: str) -> str | None:
        info = self.entities.get(entity, {}).get(name)
        return info.references[0] if info is not None and info.type is FieldType.LIST else None

    def parent(self, entity: str, name: str) -> str | None:
        """The first field of the rows that names the object."""
        rows = self.entities.get(self.children(entity, name) or "", {})
        named = (field for field, info in rows.items() if info.type is FieldType.ID and entity in info.references)
        return next(named, None)

    def has(self, entity: str) -> bool:
        return entity in self.entities


def _table(text: str) -> dict[str, FieldInfo]:
    out = {}
    for spec in re.split(r"[;\n]", text):
        found = _FIELD.fullmatch(spec.strip())
        if found is None:
            continue
        name, kind, length, scale, flags = found.groups()
        words = {word.partition("=")[0]: word.partition("=")[2] for word in flags.split()}
        target = next((word[2:] for word in words if word.startswith("->")), None)
        out[name] = FieldInfo(
            FieldType(kind),
            max_length=int(length) if length else None,
            creatable="readonly" not in words,
            updatable="readonly" not in words,
            required="required" in words,
            scale=int(scale) if scale else None,
            values=frozenset(words["values"].split("|")) if "values" in words else None,
            references=(target,) if target else (),
        )
    return out


CATALOGS = {
    Side.SALESFORCE: Tables({name: _table(text) for name, text in SALESFORCE.items()}),
    Side.XERO: Tables({name: _table(text) for name, text in XERO.items()}),
}


def ready(name: str) -> Rules:
    """A ready-made mapping, bound."""
    path = FOLDER / f"{name}.yaml"
    return bind(parse(path.read_text(), path.name), CATALOGS)


def mapping(text: str) -> Rules:
    """A mapping of a test, bound."""
    return bind(parse(text, "test.yaml"), CATALOGS)
