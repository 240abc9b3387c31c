"""Where the real wire is known to differ from Xero's published API file, and how we know.

Each must be met by ``test_xero_contract``: what the simulator does not do any more is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Fields of schemas that the file lacks."""

    schemas: str
    fields: str
    reason: str

    def words(self) -> dict[str, str]:
        pairs = ((schema, name) for schema in self.schemas.split() for name in self.fields.split())
        return {f"{schema}.{name} is not in the file": self.reason for schema, name in pairs}


_BESIDE = "every date of these has its ISO spelling beside it: the file's own examples, and recorded answers"
DIFFERENCES = (
    Difference("envelope", "Id Status ProviderName DateTimeUTC", "around every answer: the file's own examples"),
    Difference("Invoice CreditNote BankTransaction PurchaseOrder BankTransfer Prepayment Overpayment", "DateString",
               _BESIDE),
    Difference("Invoice", "DueDateString", _BESIDE),
    Difference("PurchaseOrder", "DeliveryDateString", _BESIDE),
    Difference("BankTransfer", "CreatedDateUTCString", _BESIDE),
    Difference("HistoryRecord", "DateUTCString", _BESIDE),
    Difference("CreditNote Prepayment Overpayment", "ID", "the id once more: the file's own examples"),
    Difference("PurchaseOrder", "Type IsDiscounted HasErrors", "the file's own examples"),
    Difference("LineItem HistoryRecord", "ValidationErrors", "an empty list: the file's own examples"),
    Difference("LineItemTracking", "Options", "an empty list: a recorded answer"),
    Difference("TrackingOption", "IsActive IsArchived IsDeleted HasValidationErrors", "the file's own examples"),
    Difference("Allocation", "AllocationId", "an allocation that is taken away: the file's own example spells it so"),
)  # fmt: skip
KNOWN: Mapping[str, str] = {
    **{words: reason for one in DIFFERENCES for words, reason in one.words().items()},
    "Allocation.Invoice is list, not object": "an allocation that is taken away: the file's own example shows a list",
}
