"""Every field of the parts of accounting objects that we type. From deploy/generate/xero_fields.py: do not edit.

Facts from Xero's published OpenAPI file, with corrections that the generator names. Not listed: marks of an answer
(HasErrors, ValidationErrors, ...), and what Xero adds without telling, which is kept as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.xero.field import BOOLEAN, DATE, LIST, NUMBER, OBJECT, REFERENCE, TEXT, WHOLE, Field

PARTS: Mapping[str, Mapping[str, Field]] = {
    "AddressForOrganisation": {
        "AddressType": Field(TEXT, values="POBOX STREET DELIVERY"),
        "AddressLine1": Field(TEXT, max_length=500),
        "AddressLine2": Field(TEXT, max_length=500),
        "AddressLine3": Field(TEXT, max_length=500),
        "AddressLine4": Field(TEXT, max_length=500),
        "City": Field(TEXT, max_length=255),
        "Region": Field(TEXT, max_length=255),
        "PostalCode": Field(TEXT, max_length=50),
        "Country": Field(TEXT, max_length=50),
        "AttentionTo": Field(TEXT, max_length=255),
    },
    "Phone": {
        "PhoneType": Field(TEXT, values="DEFAULT DDI MOBILE FAX OFFICE"),
        "PhoneNumber": Field(TEXT, max_length=50),
        "PhoneAreaCode": Field(TEXT, max_length=10),
        "PhoneCountryCode": Field(TEXT, max_length=20),
    },
    "ExternalLink": {
        "LinkType": Field(TEXT, values="Facebook GooglePlus LinkedIn Twitter Website"),
        "Url": Field(TEXT),
        "Description": Field(TEXT),
    },
    "PaymentTerm": {
        "Bills": Field(OBJECT, "Bill"),
        "Sales": Field(OBJECT, "Bill"),
    },
    "TaxComponent": {
        "Name": Field(TEXT),
        "Rate": Field(NUMBER, scale=10),
        "IsCompound": Field(BOOLEAN),
        "IsNonRecoverable": Field(BOOLEAN),
    },
    "ContactPerson": {
        "FirstName": Field(TEXT),
        "LastName": Field(TEXT),
        "EmailAddress": Field(TEXT),
        "IncludeInEmails": Field(BOOLEAN),
    },
    "Address": {
        "AddressType": Field(TEXT, values="POBOX STREET"),
        "AddressLine1": Field(TEXT, max_length=500),
        "AddressLine2": Field(TEXT, max_length=500),
        "AddressLine3": Field(TEXT, max_length=500),
        "AddressLine4": Field(TEXT, max_length=500),
        "City": Field(TEXT, max_length=255),
        "Region": Field(TEXT, max_length=255),
        "PostalCode": Field(TEXT, max_length=50),
        "Country": Field(TEXT, max_length=50),
        "AttentionTo": Field(TEXT, max_length=255),
    },
    "SalesTrackingCategory": {
        "TrackingCategoryName": Field(TEXT),
        "TrackingOptionName": Field(TEXT),
    },
    "BatchPaymentDetails": {
        "BankAccountNumber": Field(TEXT),
        "BankAccountName": Field(TEXT),
        "Details": Field(TEXT),
        "Code": Field(TEXT, max_length=12),
        "Reference": Field(TEXT, max_length=12),
    },
    "Balances": {
        "AccountsReceivable": Field(OBJECT, "AccountsReceivable"),
        "AccountsPayable": Field(OBJECT, "AccountsPayable"),
    },
    "Purchase": {
        "UnitPrice": Field(NUMBER, scale=4),
        "AccountCode": Field(TEXT),
        "COGSAccountCode": Field(TEXT),
        "TaxType": Field(TEXT),
    },
    "LineItem": {
        "LineItemID": Field(TEXT),
        "Description": Field(TEXT, max_length=4000),
        "Quantity": Field(NUMBER, scale=4),
        "UnitAmount": Field(NUMBER, scale=4),
        "ItemCode": Field(TEXT, max_length=30),
        "AccountCode": Field(TEXT, max_length=10),
        "AccountID": Field(TEXT),
        "TaxType": Field(TEXT),
        "TaxAmount": Field(NUMBER, scale=2),
        "Item": Field(REFERENCE, "LineItemItem", read_only=True),
        "LineAmount": Field(NUMBER, scale=2),
        "Tracking": Field(LIST, "LineItemTracking"),
        "DiscountRate": Field(NUMBER, scale=10),
        "DiscountAmount": Field(NUMBER, scale=2),
        "RepeatingInvoiceID": Field(TEXT),
        "Taxability": Field(TEXT, values="TAXABLE NON_TAXABLE EXEMPT PART_TAXABLE NOT_APPLICABLE"),
        "SalesTaxCodeId": Field(NUMBER),
        "TaxBreakdown": Field(LIST, "TaxBreakdownComponent"),
    },
    "InvoiceAddress": {
        "InvoiceAddressType": Field(TEXT, values="FROM TO"),
        "AddressLine1": Field(TEXT),
        "AddressLine2": Field(TEXT),
        "AddressLine3": Field(TEXT),
        "AddressLine4": Field(TEXT),
        "City": Field(TEXT),
        "Region": Field(TEXT),
        "PostalCode": Field(TEXT),
        "Country": Field(TEXT),
    },
    "Allocation": {
        "AllocationID": Field(TEXT, read_only=True),
        "Invoice": Field(REFERENCE, "Invoice"),
        "Overpayment": Field(REFERENCE, "Overpayment"),
        "Prepayment": Field(REFERENCE, "Prepayment"),
        "CreditNote": Field(REFERENCE, "CreditNote"),
        "Amount": Field(NUMBER, scale=2),
        "Date": Field(DATE),
        "IsDeleted": Field(BOOLEAN, read_only=True),
    },
    "TrackingReference": {
        "TrackingCategoryID": Field(TEXT),
        "TrackingOptionID": Field(TEXT),
        "Name": Field(TEXT, max_length=100, read_only=True),
        "Option": Field(TEXT, read_only=True),
    },
    "ManualJournalLine": {
        "LineAmount": Field(NUMBER, scale=2),
        "AccountCode": Field(TEXT, max_length=10),
        "AccountID": Field(TEXT),
        "Description": Field(TEXT, max_length=4000),
        "TaxType": Field(TEXT),
        "Tracking": Field(LIST, "TrackingCategory"),
        "TaxAmount": Field(NUMBER, scale=2),
        "IsBlank": Field(BOOLEAN),
    },
    "TrackingOption": {
        "TrackingOptionID": Field(TEXT),
        "Name": Field(TEXT, max_length=100),
        "Status": Field(TEXT, values="ACTIVE ARCHIVED DELETED"),
        "TrackingCategoryID": Field(TEXT),
    },
    "Bill": {
        "Day": Field(WHOLE),
        "Type": Field(TEXT, values="DAYSAFTERBILLDATE DAYSAFTERBILLMONTH OFCURRENTMONTH OFFOLLOWINGMONTH"),
    },
    "AccountsReceivable": {
        "Outstanding": Field(NUMBER, scale=2),
        "Overdue": Field(NUMBER, scale=2),
    },
    "AccountsPayable": {
        "Outstanding": Field(NUMBER, scale=2),
        "Overdue": Field(NUMBER, scale=2),
    },
    "LineItemTracking": {
        "TrackingCategoryID": Field(TEXT),
        "TrackingOptionID": Field(TEXT),
        "Name": Field(TEXT, max_length=100),
        "Option": Field(TEXT),
    },
    "TaxBreakdownComponent": {
        "TaxComponentId": Field(TEXT),
        "Type": Field(TEXT, values="SYSGST/USCOUNTRY SYSGST/USSTATE SYSGST/USCOUNTY SYSGST/USCITY SYSGST/USSPECIAL"),
        "Name": Field(TEXT),
        "TaxPercentage": Field(NUMBER),
        "TaxAmount": Field(NUMBER),
        "TaxableAmount": Field(NUMBER),
        "NonTaxableAmount": Field(NUMBER),
        "ExemptAmount": Field(NUMBER),
        "StateAssignedNo": Field(TEXT),
        "JurisdictionRegion": Field(TEXT),
    },
}
