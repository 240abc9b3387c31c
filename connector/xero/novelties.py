"""Fields that Xero sends and the table of fields does not know: kept in the record's map, and said once. Pure.

Xero adds fields every few months. A new one is no error; who maintains a deployment should hear of it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from connector.xero.fields import FIELDS
from connector.xero.records import OF_THE_ANSWER

# on the wire and not in the published file, or newer than it: the known differences
ALSO_SEEN: Mapping[str, frozenset[str]] = {
    "": frozenset({"DateString", "DueDateString", "CreatedDateUTCString", "UpdatedDateUTCString", "ID", "Attachments"}),
    "Invoice": frozenset({"InvoicePaymentServices", "RoundingAmount", "EnteredTotal"}),
    "Item": frozenset({"QuantityAvailable", "QuantityOnBackOrder"}),
    "BankTransaction": frozenset({"BatchPayment"}),
    "PurchaseOrder": frozenset(
        {"Type", "IsDiscounted", "DeliveryDateString", "ExpectedArrivalDateString", "HasErrors"}
    ),
    "Quote": frozenset({"ExpiryDateString"}),
    "LineItem": frozenset({"DiscountEnteredAsPercent"}),
    "LineItemTracking": frozenset({"Options"}),
    "TrackingOption": frozenset({"IsActive", "IsArchived", "IsDeleted"}),
}
MOST = 1000  # names that are remembered
_DEEPEST = 10


@dataclass(slots=True)
class Novelties:
    """What was said already."""

    said: set[str] = field(default_factory=set)

    def fresh(self, raw: Mapping[str, object], entity: str) -> tuple[str, ...]:
        """``Invoice.Novelty`` for each field that is seen for the first time."""
        found = tuple(name for name in dict.fromkeys(_strange(raw, entity, 0)) if name not in self.said)
        if found and len(self.said) < MOST:
            self.said.update(found)
            return found
        return ()


@cache
def _known(entity: str) -> frozenset[str]:
    return frozenset(FIELDS[entity]) | OF_THE_ANSWER | ALSO_SEEN[""] | ALSO_SEEN.get(entity, frozenset())


def _strange(raw: Mapping[str, object], entity: str, depth: int) -> Iterator[str]:
    table = FIELDS.get(entity)
    if table is None or depth > _DEEPEST:
        return
    yield from (f"{entity}.{name[:100]}" for name in raw.keys() - _known(entity))
    for name, value in raw.items():
        inside = table[name].of if name in table else ""
        if inside and isinstance(value, Mapping):
            yield from _strange(value, inside, depth + 1)
        elif inside and isinstance(value, list):
            for row in value:
                if isinstance(row, Mapping):
                    yield from _strange(row, inside, depth + 1)
