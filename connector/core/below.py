"""What stands below an object of Xero: written, read and looked for through it, never in a list of its own. Pure.

Facts: Xero's OpenAPI file (which objects take which), facts on allocations, attachments and history.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.core.values import Fields, Value

_WITH_NOTES = frozenset(
    {"Contact", "Item", "Invoice", "Payment", "CreditNote", "Prepayment", "Overpayment", "BankTransaction",
     "BankTransfer", "PurchaseOrder", "Quote", "ManualJournal"}
)  # fmt: skip
# entity → the objects that it can stand below; a write names one of them, by its entity
PARENTS: Mapping[str, frozenset[str]] = {
    "Allocation": frozenset({"CreditNote", "Prepayment", "Overpayment"}),
    "Attachment": _WITH_NOTES - {"Item", "Payment", "Prepayment", "Overpayment"} | {"Account"},
    "HistoryRecord": _WITH_NOTES,
}
# by what one is told from its siblings below the same object
IDENTITY: Mapping[str, tuple[str, ...]] = {
    "Allocation": ("Invoice", "Amount", "Date"),
    "Attachment": ("FileName",),
    "HistoryRecord": ("Details",),
}
# looked for before the first create: a file of the same name would be replaced, an allocation shows no mark of ours
LOOKED_FOR = frozenset({"Allocation", "Attachment"})
STAYS = frozenset({"Attachment", "HistoryRecord"})  # no call of the API changes one or takes it away
TAKEN_AWAY: Mapping[str, Fields] = {"Allocation": {"IsDeleted": True}}  # the fields of a removal
FILE, CONTENT = "File", "Content"  # of an attachment: the id of a Salesforce file version, or a text of our own
UNSHOWN: Mapping[str, frozenset[str]] = {"Attachment": frozenset({FILE, CONTENT})}  # what no answer shows


def located(entity: str, wanted: Mapping[str, Value]) -> dict[str, Value]:
    """The criteria that find one of these: what it stands below, and what tells it from its siblings."""
    names = {*PARENTS.get(entity, ()), *IDENTITY.get(entity, ())}
    return {name: value for name, value in wanted.items() if name in names and value is not None}
