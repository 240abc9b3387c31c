"""The demo company: a chart of accounts, the tax rates of its edition, a few items and contacts.

Account numbers and names follow Xero's demo companies, tax types those of its UK edition.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import CLASSES
from connector.simulators.xero.contacts import write_contact
from connector.simulators.xero.currencies import NAMES
from connector.simulators.xero.editions import UK, Edition, Rate
from connector.simulators.xero.items import write_item
from connector.simulators.xero.store import Tenant

DEMO_TENANT = "3f0c5f5c-6f0e-4c5e-9d0a-2b8b6d1f7a01"
OTHER_TENANT = "3f0c5f5c-6f0e-4c5e-9d0a-2b8b6d1f7a02"
_NAMESPACE = uuid.UUID("6b1c2a44-52a7-4f3b-9a11-0e6b1e7d9c55")
# code, name, type, tax type, system account, payments to it
ACCOUNTS = (
    ("090", "Business Bank Account", "BANK", "NONE", "", False),
    ("091", "Business Savings Account", "BANK", "NONE", "", False),
    ("200", "Sales", "REVENUE", "OUTPUT2", "", False),
    ("260", "Other Revenue", "REVENUE", "OUTPUT2", "", False),
    ("270", "Interest Income", "REVENUE", "NONE", "", False),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "INPUT2", "", False),
    ("320", "Direct Wages", "DIRECTCOSTS", "NONE", "", False),
    ("325", "Direct Expenses", "DIRECTCOSTS", "INPUT2", "", False),
    ("400", "Advertising & Marketing", "OVERHEADS", "INPUT2", "", False),
    ("401", "Audit & Accountancy fees", "OVERHEADS", "INPUT2", "", False),
    ("404", "Bank Fees", "OVERHEADS", "NONE", "", False),
    ("408", "Cleaning", "OVERHEADS", "INPUT2", "", False),
    ("412", "Consulting", "OVERHEADS", "INPUT2", "", False),
    ("416", "Depreciation Expense", "OVERHEADS", "NONE", "", False),
    ("420", "Entertainment", "OVERHEADS", "NONE", "", False),
    ("425", "Postage, Freight & Courier", "OVERHEADS", "INPUT2", "", False),
    ("429", "General Expenses", "OVERHEADS", "INPUT2", "", False),
    ("433", "Insurance", "OVERHEADS", "EXEMPTINPUT", "", False),
    ("441", "Legal Expenses", "OVERHEADS", "INPUT2", "", False),
    ("445", "Light, Power, Heating", "OVERHEADS", "RRINPUT", "", False),
    ("449", "Motor Vehicle Expenses", "OVERHEADS", "INPUT2", "", False),
    ("453", "Office Equipment", "OVERHEADS", "INPUT2", "", False),
    ("461", "Printing & Stationery", "OVERHEADS", "INPUT2", "", False),
    ("469", "Rent", "OVERHEADS", "NONE", "", False),
    ("473", "Repairs & Maintenance", "OVERHEADS", "INPUT2", "", False),
    ("477", "Salaries", "OVERHEADS", "NONE", "", False),
    ("485", "Subscriptions", "OVERHEADS", "INPUT2", "", False),
    ("489", "Telephone & Internet", "OVERHEADS", "INPUT2", "", False),
    ("493", "Travel - National", "OVERHEADS", "INPUT2", "", False),
    ("497", "Bank Revaluations", "OVERHEADS", "NONE", "BANKCURRENCYGAIN", False),
    ("610", "Accounts Receivable", "CURRENT", "NONE", "DEBTORS", False),
    ("620", "Prepayments", "CURRENT", "NONE", "", True),
    ("630", "Inventory", "INVENTORY", "NONE", "", False),
    ("710", "Office Equipment at cost", "FIXED", "INPUT2", "", False),
    ("800", "Accounts Payable", "CURRLIAB", "NONE", "CREDITORS", False),
    ("801", "Unpaid Expense Claims", "CURRLIAB", "NONE", "UNPAIDEXPCLM", False),
    ("820", "VAT", "CURRLIAB", "NONE", "GST", False),
    ("835", "Directors' Loan Account", "CURRLIAB", "NONE", "", True),
    ("840", "Historical Adjustment", "CURRLIAB", "NONE", "HISTORICAL", False),
    ("850", "Suspense", "CURRLIAB", "NONE", "", True),
    ("860", "Rounding", "CURRLIAB", "NONE", "ROUNDING", False),
    ("900", "Loan", "TERMLIAB", "NONE", "", False),
    ("960", "Retained Earnings", "EQUITY", "NONE", "RETAINEDEARNINGS", False),
    ("970", "Capital Introduced", "EQUITY", "NONE", "", True),
)
ITEMS = (
    ("DevD", "Development work - developer onsite per day", "650.00"),
    ("DevH", "Development work - developer onsite per hour", "90.00"),
    ("PMD", "Project management - onsite per day", "800.00"),
    ("Support-M", "Desktop/network support via email & phone", "500.00"),
    ("Train-MS", "Half day training - Microsoft Office", "500.00"),
    ("GB1-White", "Golf balls - white single", "5.60"),
)
REGIONS = ("Eastside", "North", "South", "West Coast")
CONTACTS = ("Hamilton Smith Ltd", "Ridgeway University", "City Limousines", "Boom FM", "Bayside Club", "PowerDirect")


def demo_company(tenant_id: str, name: str, now: Callable[[], datetime], edition: Edition = UK) -> Tenant:
    """A tenant with everything in it. Ids are the same in every run."""
    tenant = Tenant(tenant_id, name, now)
    stamp = tenant.stamp()
    for code in edition.currencies:
        tenant.tables["Currency"][code] = {"Code": code, "Description": NAMES[code]}
    _settings(tenant, stamp)
    tenant.tables["Organisation"][tenant_id] = _organisation(tenant_id, name, stamp, edition)
    for code, title, kind, tax, system, pays in ACCOUNTS:
        code, tax = edition.codes.get(code, code), edition.tax.get(tax, tax)
        account = _account(code, title, kind, tax, edition.currency) | {
            "EnablePaymentsToAccount": pays,
            "SystemAccount": system or None,
        }
        account |= {"AccountID": _id(tenant_id, f"account {code}"), "UpdatedDateUTC": stamp}
        tenant.tables["Account"][account["AccountID"]] = account
    for rate in edition.rates:
        tenant.tables["TaxRate"][rate.type] = _tax_rate(rate)
    for code, title, price in ITEMS:
        details = {"UnitPrice": Decimal(price), "AccountCode": "200", "TaxType": edition.tax.get("OUTPUT2", "OUTPUT2")}
        fields = {"ItemID": _id(tenant_id, f"item {code}"), "Code": code, "Name": title[:50], "Description": title}
        write_item(tenant, {**fields, "SalesDetails": details}, None)
    for title in CONTACTS:
        write_contact(tenant, {"ContactID": _id(tenant_id, f"contact {title}"), "Name": title}, None)
    return tenant


def _settings(tenant: Tenant, stamp: datetime) -> None:
    """A tracking category and a branding theme, as every demo company has."""
    options = [
        {"TrackingOptionID": _id(tenant.id, f"region {name}"), "Name": name, "Status": "ACTIVE"} for name in REGIONS
    ]
    category = {"TrackingCategoryID": _id(tenant.id, "Region"), "Name": "Region", "Status": "ACTIVE"}
    tenant.tables["TrackingCategory"][category["TrackingCategoryID"]] = {**category, "Options": options}
    theme = {"BrandingThemeID": _id(tenant.id, "Standard"), "Name": "Standard", "SortOrder": 0, "CreatedDateUTC": stamp}
    tenant.tables["BrandingTheme"][str(theme["BrandingThemeID"])] = theme


def _id(tenant_id: str, what: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{tenant_id} {what}"))


def _organisation(tenant_id: str, name: str, stamp: datetime, edition: Edition) -> dict[str, Any]:
    return {
        "OrganisationID": tenant_id, "Name": name, "LegalName": name, "PaysTax": True, "Version": edition.version,
        "OrganisationType": "COMPANY", "BaseCurrency": edition.currency, "CountryCode": edition.country,
        "IsDemoCompany": True,
        "OrganisationStatus": "ACTIVE", "TaxNumber": "GB 123 4567 89", "FinancialYearEndDay": edition.year_end[0],
        "FinancialYearEndMonth": edition.year_end[1], "SalesTaxBasis": "ACCRUALS", "SalesTaxPeriod": "QUARTERLY",
        "DefaultSalesTax": "Tax Exclusive", "DefaultPurchasesTax": "Tax Exclusive", "PeriodLockDate": edition.locked,
        "CreatedDateUTC": stamp, "OrganisationEntityType": "COMPANY", "Timezone": edition.timezone,
        "ShortCode": "!Tw1n1",
        "Edition": "BUSINESS", "Class": "DEMO", "Addresses": [], "Phones": [], "ExternalLinks": [], "PaymentTerms": {},
    }  # fmt: skip


def _account(code: str, title: str, kind: str, tax: str, currency: str) -> dict[str, Any]:
    bank = {"BankAccountNumber": f"0908007006{code}", "BankAccountType": "BANK", "CurrencyCode": currency}
    return {
        "Code": code, "Name": title, "Status": "ACTIVE", "Type": kind, "TaxType": tax, "Class": CLASSES[kind],
        "ShowInExpenseClaims": False, "HasAttachments": False, "AddToWatchlist": False,
        **(bank if kind == "BANK" else {}),
    }  # fmt: skip


def _tax_rate(rate: Rate) -> dict[str, Any]:
    flags = {
        "CanApplyToAssets": "ASSET", "CanApplyToEquity": "EQUITY", "CanApplyToExpenses": "EXPENSE",
        "CanApplyToLiabilities": "LIABILITY", "CanApplyToRevenue": "REVENUE",
    }  # fmt: skip
    percent = Decimal(rate.percent)
    return {
        "Name": rate.name, "TaxType": rate.type,
        "ReportTaxType": None if rate.type.startswith("RR") else rate.type,  # Xero lists none for reduced rates
        **{flag: kind in rate.classes for flag, kind in flags.items()}, "DisplayTaxRate": percent,
        "EffectiveRate": percent, "Status": rate.status, "TaxComponents": rate.parts,
    }  # fmt: skip
