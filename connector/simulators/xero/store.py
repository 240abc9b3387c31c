"""One simulated organisation: its objects in memory, by entity and id, and the moments they changed."""

from __future__ import annotations

import copy
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
        self.committed(entity, record_id, "update" if known else "create", copy.deepcopy(dict(changed)))
        return record

    def remove(self, entity: str, record_id: str) -> None:
        """A hard delete: no tombstone stays."""
        del self.tables[entity][record_id]
        self.committed(entity, record_id, "delete", {})
