"""Tracking categories with their options: two active ones, names that are unique, options that are archived or gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, guid, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

STATUS = choice("TrackingCategoryStatus", "ACTIVE", "ARCHIVED", "DELETED")
TABLE: Table = {
    "TrackingCategoryID": guid, "Name": text(100), "Status": STATUS, "Option": None, "TrackingOptionID": None,
    "Options": None,
}  # fmt: skip
OPTION: Table = {
    "TrackingOptionID": guid, "TrackingCategoryID": None, "Name": text(100), "Status": STATUS, "IsDeleted": None,
    "IsArchived": None, "IsActive": None, "HasValidationErrors": None,
}  # fmt: skip
MOST_ACTIVE = 2


def find_option(tenant: Tenant, asked: Mapping[str, Any]) -> Stored | None:
    """A line's tracking as it is kept: category and option by ids or by names; None where there is none such."""
    for category in tenant.all("TrackingCategory"):
        if not _named(category, asked.get("TrackingCategoryID"), asked.get("Name"), "TrackingCategoryID"):
            continue
        for option in category["Options"]:
            if option["Status"] == "ACTIVE" and _named(
                option, asked.get("TrackingOptionID"), asked.get("Option"), "TrackingOptionID"
            ):
                return {
                    "Name": category["Name"], "Option": option["Name"],
                    "TrackingCategoryID": category["TrackingCategoryID"],
                    "TrackingOptionID": option["TrackingOptionID"], "Options": [],
                }  # fmt: skip
    return None


def _named(record: Stored, wanted_id: Any, name: Any, id_field: str) -> bool:
    if wanted_id:
        return bool(record[id_field] == wanted_id)
    return str(record["Name"]).casefold() == str(name or "").casefold()


def write_category(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one category."""
    category = {**(known or {"TrackingCategoryID": new_id(), "Status": "ACTIVE", "Options": []}), **given}
    others = [one for one in tenant.all("TrackingCategory") if one is not known and one["Status"] != "DELETED"]
    if not category.get("Name"):
        raise Invalid("Please enter a unique Name.")
    if any(one["Name"].casefold() == category["Name"].casefold() for one in others):
        raise Invalid("Please enter a unique Name.")
    active = [one for one in others if one["Status"] == "ACTIVE"]
    if category["Status"] == "ACTIVE" and len(active) >= MOST_ACTIVE:
        raise Invalid(f"An organisation can have at most {MOST_ACTIVE} active tracking categories")
    return tenant.save("TrackingCategory", category, given)


def write_option(tenant: Tenant, category: Stored, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one option of a category."""
    option = {**(known or {"TrackingOptionID": new_id(), "Status": "ACTIVE"}), **given}
    others = [one for one in category["Options"] if one is not known and one["Status"] != "DELETED"]
    name = str(option.get("Name") or "")
    if not name or any(one["Name"].casefold() == name.casefold() for one in others):
        raise Invalid("Please enter a unique Name.")
    rows = [one for one in category["Options"] if one is not known]
    tenant.save("TrackingCategory", {**category, "Options": [*rows, option]}, {"Options": [given]})
    return option


def show_option(option: Stored) -> dict[str, Any]:
    """As recorded: the status also as three flags."""
    status = option["Status"]
    return {
        "TrackingOptionID": option["TrackingOptionID"], "Name": option["Name"], "Status": status,
        "HasValidationErrors": False, "IsDeleted": status == "DELETED", "IsArchived": status == "ARCHIVED",
        "IsActive": status == "ACTIVE",
    }  # fmt: skip


def show_category(category: Stored) -> dict[str, Any]:
    shown = [show_option(option) for option in category["Options"] if option["Status"] != "DELETED"]
    return {
        "Name": category["Name"], "Status": category["Status"], "TrackingCategoryID": category["TrackingCategoryID"],
        "Options": shown,
    }  # fmt: skip
