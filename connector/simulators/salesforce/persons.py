"""Person accounts: an account that is a person, and the contact behind it, which the platform keeps in step.

Source: Object Reference, Account ("Person Account Fields"). A person account has no name of its own: ``Name`` is made
of its parts and cannot be written; another account takes none of a person's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from connector.simulators.salesforce.sales_org import PERSON_ACCOUNTS
from connector.simulators.salesforce.schema import Entity, Table
from connector.simulators.salesforce.store import Row, Transaction
from connector.simulators.salesforce.values import Refusal, Stored

PARTS = ("Salutation", "FirstName", "LastName")
#  Field of the account → the same field of its contact.
MIRRORED: Mapping[str, str] = {
    **{name: name for name in PARTS},
    "PersonEmail": "Email", "PersonMobilePhone": "MobilePhone", "PersonTitle": "Title", "Phone": "Phone",
}  # fmt: skip
OF_PERSONS = frozenset(name for name in MIRRORED if name != "Phone")


def with_persons(tables: Iterable[Table]) -> tuple[Table, ...]:
    """The tables of an org in which person accounts are on."""
    return tuple(replace(table, fields=table.fields + PERSON_ACCOUNTS.get(table.name, "")) for table in tables)


def has_persons(entity: Entity) -> bool:
    return entity.name == "Account" and "IsPersonAccount" in entity.fields


def before_insert(row: Row) -> Row:
    """An account that comes with a last name and no name is a person."""
    if not row.get("LastName"):
        _refuse_of_persons(row)
        return row
    if row.get("Name"):
        raise _unwritable("Name")
    return row | {"IsPersonAccount": True, "Name": full_name(row)}


def before_update(before: Row, values: dict[str, Stored]) -> dict[str, Stored]:
    """The name follows its parts; what belongs to the other kind of account is refused."""
    if not before["IsPersonAccount"]:
        _refuse_of_persons(values)
        return values
    if "Name" in values:
        raise _unwritable("Name")
    if "LastName" in values and not values["LastName"]:
        raise Refusal("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ("LastName",))
    return values | {"Name": full_name({**before, **values})}


def mirror(tx: Transaction, account: str, contact: str) -> None:
    """The contact holds what the account holds."""
    row = tx.store.tables["Account"][account]
    values = {theirs: row.get(ours) for ours, theirs in MIRRORED.items()}
    there = tx.store.tables["Contact"][contact]
    if any(there.get(name) != value for name, value in values.items()):
        tx.change("Contact", contact, {**values, "Name": row["Name"]})


def full_name(row: Mapping[str, Stored]) -> str:
    return " ".join(str(row[part]) for part in ("FirstName", "LastName") if row.get(part))


def _refuse_of_persons(values: Mapping[str, Stored]) -> None:
    named = sorted(name for name in OF_PERSONS if values.get(name) is not None)
    if named:
        raise _unwritable(*named)


def _unwritable(*names: str) -> Refusal:
    message = f"Account: bad field names on insert/update call: {', '.join(names)}"
    return Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", message, names)
