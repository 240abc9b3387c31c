"""One simulated organisation: its objects in memory, by entity and id, and the moments they changed."""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.simulators.xero.doubts import Doubts

Stored = dict[str, Any]
# operation is create, update or delete
Committed = Callable[[str, str, str, Mapping[str, Any]], None]

ID_FIELDS = {
    "Organisation": "OrganisationID",
    "Account": "AccountID",
    "TaxRate": "TaxType",
    "Contact": "ContactID",
    "Item": "ItemID",
    "Invoice": "InvoiceID",
    "Payment": "PaymentID",
    "CreditNote": "CreditNoteID",
    "Prepayment": "PrepaymentID",
    "Overpayment": "OverpaymentID",
    "BankTransaction": "BankTransactionID",
    "BankTransfer": "BankTransferID",
    "PurchaseOrder": "PurchaseOrderID",
    "Quote": "QuoteID",
    "ManualJournal": "ManualJournalID",
    "TrackingCategory": "TrackingCategoryID",
    "Currency": "Code",
    "BrandingTheme": "BrandingThemeID",
    "BatchPayment": "BatchPaymentID",
}
PLURALS = {name: f"{name}s" for name in ID_FIELDS} | {
    "TrackingCategory": "TrackingCategories",
    "Currency": "Currencies",
}
WITHOUT_TIMES = frozenset({"TaxRate", "Organisation", "BankTransfer", "TrackingCategory", "Currency", "BrandingTheme"})


UNORDERED = WITHOUT_TIMES | {"Account", "Item"}  # their lists come as they were made


@dataclass
class Changes:
    """The order of change of one list, by (UpdatedDateUTC, id): a list of a hundred thousand is asked all day."""

    rows: list[tuple[datetime, str]] = field(default_factory=list)
    stamps: dict[str, datetime] = field(default_factory=dict)

    def note(self, record_id: str, stamp: datetime) -> None:
        before = self.stamps.get(record_id)
        if before == stamp:
            return
        if before is not None:
            del self.rows[bisect_left(self.rows, (before, record_id))]
        self.stamps[record_id] = stamp
        insort(self.rows, (stamp, record_id))

    def drop(self, record_id: str) -> None:
        before = self.stamps.pop(record_id, None)
        if before is not None:
            del self.rows[bisect_left(self.rows, (before, record_id))]

    def since(self, moment: datetime | None) -> list[str]:
        """Ids in the order of change, from a moment on."""
        at = 0 if moment is None else bisect_left(self.rows, (moment, ""))
        return [record_id for _, record_id in self.rows[at:]]


@dataclass
class OfContacts:
    """Whose each invoice is: what a contact owes is reckoned whenever one is shown, and a list shows a thousand."""

    contacts: dict[str, str] = field(default_factory=dict)  # by the id of the invoice
    invoices: dict[str, dict[str, None]] = field(default_factory=dict)  # ids, by the contact's

    def note(self, invoice: Stored) -> None:
        invoice_id, contact = invoice["InvoiceID"], invoice["Contact"]["ContactID"]
        if self.contacts.get(invoice_id) != contact:
            self.drop(invoice_id)
            self.contacts[invoice_id] = contact
            self.invoices.setdefault(contact, {})[invoice_id] = None

    def drop(self, invoice_id: str) -> None:
        before = self.contacts.pop(invoice_id, None)
        if before is not None:
            del self.invoices[before][invoice_id]


@dataclass
class Tenant:
    """The store. ``committed`` is told of every change, ``now`` gives the simulator's time."""

    id: str
    name: str
    now: Callable[[], datetime]
    committed: Committed = lambda *_: None
    doubts: Doubts = field(default_factory=Doubts)
    backorders: bool = False  # of the request under way: allowBackorders
    tables: dict[str, dict[str, Stored]] = field(default_factory=lambda: {name: {} for name in ID_FIELDS})
    changes: dict[str, Changes] = field(default_factory=lambda: {n: Changes() for n in ID_FIELDS if n not in UNORDERED})
    owners: OfContacts = field(default_factory=OfContacts)
    allocations: dict[str, Stored] = field(default_factory=dict)  # by id; of credits to invoices
    files: dict[str, list[Stored]] = field(default_factory=dict)  # by the id of what they are attached to
    notes: dict[str, list[Stored]] = field(default_factory=dict)

    @property
    def currencies(self) -> frozenset[str]:
        return frozenset(self.tables["Currency"])

    @property
    def organisation(self) -> Stored:
        return self.tables["Organisation"][self.id]

    def get(self, entity: str, record_id: str) -> Stored | None:
        return self.tables[entity].get(record_id)

    def all(self, entity: str) -> Iterator[Stored]:
        return iter(list(self.tables[entity].values()))

    def changed(self, entity: str, since: datetime | None) -> list[Stored]:
        """What a list holds that changed since a moment (None: all of it), in its own order. Bank transfers know only
        when they were made."""
        table = self.tables[entity]
        if entity in self.changes:
            return [table[record_id] for record_id in self.changes[entity].since(since)]
        found = table.values()
        if since is None:
            return list(found)
        return [one for one in found if (one.get("UpdatedDateUTC") or one["CreatedDateUTC"]) >= since]

    def invoices_of(self, contact_id: str) -> Iterator[Stored]:
        """All invoices and bills of a contact."""
        return (self.tables["Invoice"][invoice_id] for invoice_id in self.owners.invoices.get(contact_id, ()))

    def first(self, entity: str, matches: Callable[[Stored], bool]) -> Stored | None:
        return next((record for record in self.tables[entity].values() if matches(record)), None)

    def stamp(self) -> datetime:
        """The present, to the millisecond."""
        now = self.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def save(self, entity: str, record: Stored, changed: Mapping[str, Any], *, bump: bool = True) -> Stored:
        """Put a record in its place. ``changed`` goes to the log of writes."""
        record_id = str(record[ID_FIELDS[entity]])
        known = record_id in self.tables[entity]
        if bump and entity not in WITHOUT_TIMES:
            record["UpdatedDateUTC"] = self.stamp()
        self.tables[entity][record_id] = record
        if entity in self.changes:
            self.changes[entity].note(record_id, record["UpdatedDateUTC"])
        if entity == "Invoice":
            self.owners.note(record)
        self.committed(entity, record_id, "update" if known else "create", copy.deepcopy(dict(changed)))
        return record

    def put_back(self, tables: dict[str, dict[str, Stored]], allocations: dict[str, Stored]) -> None:
        """As it was at some moment before."""
        self.tables, self.allocations = tables, allocations
        for entity in self.changes:
            stamps = {record_id: record["UpdatedDateUTC"] for record_id, record in tables[entity].items()}
            rows = sorted((stamp, record_id) for record_id, stamp in stamps.items())
            self.changes[entity] = Changes(rows, stamps)
        self.owners = OfContacts()
        for invoice in tables["Invoice"].values():
            self.owners.note(invoice)

    def remove(self, entity: str, record_id: str) -> None:
        """A hard delete: no tombstone stays."""
        del self.tables[entity][record_id]
        if entity in self.changes:
            self.changes[entity].drop(record_id)
        if entity == "Invoice":
            self.owners.drop(record_id)
        self.committed(entity, record_id, "delete", {})
