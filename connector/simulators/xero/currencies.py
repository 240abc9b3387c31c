"""Currencies of the organisation (added, never taken away) and branding themes (made by people alone)."""

from __future__ import annotations

from typing import Any

from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, day, guid, number, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

NAMES = {
    "AUD": "Australian Dollar", "CAD": "Canadian Dollar", "CHF": "Swiss Franc", "EUR": "Euro", "GBP": "British Pound",
    "JPY": "Japanese Yen", "NZD": "New Zealand Dollar", "SGD": "Singapore Dollar", "USD": "United States Dollar",
    "ZAR": "South African Rand",
}  # fmt: skip
TABLE: Table = {"Code": text(3), "Description": text(100)}
THEME: Table = {
    "BrandingThemeID": guid, "Name": text(100), "SortOrder": number, "LogoUrl": text(2000), "Type": text(20),
    "CreatedDateUTC": day,
}  # fmt: skip


def write_currency(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Add one. Raises Invalid for a code that is none or is there already."""
    code = str(given.get("Code") or "").upper()
    if code not in NAMES:
        raise Invalid(f"{code or 'Nothing'} is no currency code that this organisation can add")
    if known is not None or code in tenant.currencies:
        raise Invalid(f"Currency {code} already exists")  # the exact words of Xero are not known to us
    return tenant.save("Currency", {"Code": code, "Description": NAMES[code]}, given)


def write_theme(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """By hand only: the API shows themes."""
    blank = {"BrandingThemeID": new_id(), "SortOrder": len(tenant.tables["BrandingTheme"]),
             "CreatedDateUTC": tenant.stamp()}  # fmt: skip
    theme = {**(known or blank), **given}
    if not theme.get("Name"):
        raise Invalid("Please enter a unique Name.")
    return tenant.save("BrandingTheme", theme, given)
