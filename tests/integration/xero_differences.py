"""Where the real wire is known to differ from Xero's published files, and how we know.

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
_TAKEN_AWAY = "an allocation that is taken away: the file's own example shows it so"
_INTENT = "intent to receive has no events: Xero's pages on webhooks show both numbers as 0"
_LATER = "webhooks of deposits came after the file: Xero's list of changes, August and September 2026"
KNOWN: Mapping[str, str] = {
    **{words: reason for one in DIFFERENCES for words, reason in one.words().items()},
    "Allocation.Invoice is list, not object": _TAKEN_AWAY,
    "DELETE /CreditNotes/{CreditNoteID}/Allocations/{AllocationID}: got Allocation lacks Amount": _TAKEN_AWAY,
    "DELETE /Prepayments/{PrepaymentID}/Allocations/{AllocationID}: got Allocation lacks Amount": _TAKEN_AWAY,
    "DELETE /Overpayments/{OverpaymentID}/Allocations/{AllocationID}: got Allocation lacks Amount": _TAKEN_AWAY,
    "AccessToken.scope is not in the file": "what was granted: RFC 6749 §5.1, and Xero's pages on tokens",
    "WebhookEvent.firstEventSequence is 0, not from 1 to 2147483647": _INTENT,
    "WebhookEvent.lastEventSequence is 0, not from 1 to 2147483647": _INTENT,
    "WebhookEvent.events.eventCategory is 'PREPAYMENT', which the file does not list": _LATER,
    "WebhookEvent.events.eventCategory is 'OVERPAYMENT', which the file does not list": _LATER,
}
