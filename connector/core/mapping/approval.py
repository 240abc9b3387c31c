"""How a document of Xero is approved: which status it is born in, and by which it becomes final. Pure tables.

Source: Xero's status machines (facts/xero.md §5.4). Bank transactions, transfers, payments and allocations have no
draft: they stand in the books at once, are compared with what was computed when the answer comes, and a difference is
a review.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass

from connector.core.mapping.model import Kind, Mapping
from connector.core.records import Side

AT_ONCE, DRAFT, CHECKED = "at-once", "draft", "checked"


@dataclass(frozen=True, slots=True)
class Approval:
    """``usual`` is what a mapping means that does not say ``approve``; ``at_once`` whether it may be born final."""

    final: str
    usual: str = CHECKED
    at_once: bool = True
    draft: str = "DRAFT"


APPROVALS: Table[str, Approval] = {
    "Invoice": Approval("AUTHORISED"),
    "CreditNote": Approval("AUTHORISED"),
    "PurchaseOrder": Approval("AUTHORISED"),
    "ManualJournal": Approval("POSTED"),
    "Quote": Approval("SENT", usual=DRAFT, at_once=False),  # sending one is a word to the customer: only when asked
}
OURS_ALONE = ("Invoice", "CreditNote")  # `approve:` decides their Status; of the others a mapping may name it itself


def approve_of(mapping: Mapping) -> str:
    """How the documents of a mapping are approved: checked, draft or at-once, which is also where nothing is."""
    approval = APPROVALS.get(mapping.target.entity)
    if approval is None or mapping.kind is not Kind.DOCUMENT or mapping.target.side is not Side.XERO:
        return AT_ONCE
    if any(setting.path == "Status" for setting in mapping.settings):
        return AT_ONCE
    return mapping.approve


def born_as(mapping: Mapping) -> str:
    """The status of a document at its birth; empty where its mapping or Xero decides."""
    approval = APPROVALS.get(mapping.target.entity)
    if approval is None or any(setting.path == "Status" for setting in mapping.settings):
        return ""
    return approval.final if approve_of(mapping) == AT_ONCE else approval.draft


def final_status(entity: str) -> str:
    return APPROVALS[entity].final if entity in APPROVALS else "AUTHORISED"
