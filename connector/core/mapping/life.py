"""What happens to an object when its source moves on: decided by what has become of the object meanwhile.

Pure tables. ``reissue`` is remove and make again under a new generation, ``credit`` the same with a credit note in
the place of the removal, ``tell`` a review.
Sources: Xero's status machines (facts/xero.md §5.4): a draft is deleted, an approved document without payments is
voided, one with payments cannot be removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from connector.core.below import PARENTS, STAYS, TAKEN_AWAY
from connector.core.records import Side
from connector.core.values import Fields


class Group(StrEnum):
    """What has become of the target, as far as it decides what may be done with it."""

    DRAFT = "draft"
    APPROVED = "approved"
    PAID = "paid"
    GONE = "gone"


class Action(StrEnum):
    UPDATE = "update"
    REISSUE = "reissue"
    CREDIT = "credit"
    TELL = "tell"
    KEEP = "keep"
    DELETE = "delete"
    VOID = "void"
    RECREATE = "recreate"
    NEW = "new"


class Happening(StrEnum):
    """What moved: the source's values, its match with `when`, its existence; a comeback; the target's end."""

    CHANGED = "changed"
    LEFT = "left"
    DELETED = "deleted"
    AGAIN = "again"
    TARGET_GONE = "target_gone"


_D, _A, _P = Group.DRAFT, Group.APPROVED, Group.PAID

ALLOWED: Mapping[Happening, Mapping[Group, tuple[Action, ...]]] = {
    Happening.CHANGED: {
        _D: (Action.UPDATE, Action.TELL),
        _A: (Action.UPDATE, Action.REISSUE, Action.CREDIT, Action.TELL),
        _P: (Action.TELL,),
    },
    Happening.LEFT: {
        _D: (Action.DELETE, Action.TELL, Action.KEEP),
        _A: (Action.VOID, Action.TELL, Action.KEEP),
        _P: (Action.TELL, Action.KEEP),
    },
    Happening.DELETED: {
        _D: (Action.DELETE, Action.TELL, Action.KEEP),
        _A: (Action.VOID, Action.TELL, Action.KEEP),
        _P: (Action.TELL, Action.KEEP),
    },
}
ALLOWED_ONCE: Mapping[Happening, tuple[Action, ...]] = {
    Happening.AGAIN: (Action.NEW, Action.TELL),
    Happening.TARGET_GONE: (Action.TELL, Action.RECREATE),
}


@dataclass(frozen=True, slots=True)
class Life:
    """``life:`` of a mapping. What is not said is the careful choice: a draft follows, anything later asks a person."""

    changed: Mapping[Group, Action] = field(
        default_factory=lambda: {_D: Action.UPDATE, _A: Action.TELL, _P: Action.TELL}
    )
    left: Mapping[Group, Action] = field(default_factory=lambda: {_D: Action.TELL, _A: Action.TELL, _P: Action.TELL})
    deleted: Mapping[Group, Action] = field(default_factory=lambda: {_D: Action.TELL, _A: Action.TELL, _P: Action.TELL})
    again: Action = Action.TELL
    target_gone: Action = Action.TELL


_KEPT: Mapping[Group, Action] = dict.fromkeys((_D, _A, _P), Action.KEEP)


def usual(side: Side, entity: str) -> Life:
    """The life of a target whose mapping says nothing: a note and a file stay, whatever becomes of their record."""
    return Life(left=_KEPT, deleted=_KEPT) if side is Side.XERO and entity in STAYS else Life()


# Xero's own words for where a document stands. What is not listed here has no draft: it can always be changed.
_STATUS: Mapping[str, Group] = {
    "DRAFT": Group.DRAFT,
    "SUBMITTED": Group.DRAFT,
    "SENT": Group.APPROVED,  # a quote: the customer has it
    "AUTHORISED": Group.APPROVED,
    "ACCEPTED": Group.APPROVED,
    "BILLED": Group.APPROVED,
    "INVOICED": Group.APPROVED,
    "POSTED": Group.APPROVED,
    "PAID": Group.PAID,
    "VOIDED": Group.GONE,
    "DELETED": Group.GONE,
    "DECLINED": Group.GONE,
}
_SETTLED = ("AmountPaid", "AmountCredited")  # anything settled on it: Xero refuses to void or edit its lines


def group(side: Side, entity: str, fields: Fields) -> Group:
    """Where an object stands, by its own fields. A Salesforce object and a contact are always ``draft``."""
    if side is Side.SALESFORCE:
        return Group.DRAFT
    if entity in PARENTS:
        return Group.GONE if fields.get("IsDeleted") is True else Group.APPROVED
    if entity == "Contact":
        return Group.GONE if fields.get("ContactStatus") in ("ARCHIVED", "GDPRREQUEST") else Group.DRAFT
    found = _STATUS.get(str(fields.get("Status") or ""), Group.DRAFT)
    if found is Group.APPROVED:
        amounts = (fields.get(name) for name in _SETTLED)
        if any(isinstance(amount, Decimal) and amount > 0 for amount in amounts):
            return Group.PAID
    return found


def decide(life: Life, happening: Happening, where: Group) -> Action:
    """What to do. A target that is gone is never written: it is told or made again, as ``target_gone`` says."""
    if happening is Happening.AGAIN:
        return life.again
    if where is Group.GONE or happening is Happening.TARGET_GONE:
        return life.target_gone
    table = {Happening.CHANGED: life.changed, Happening.LEFT: life.left, Happening.DELETED: life.deleted}[happening]
    return table.get(where, Action.TELL)


def removal(side: Side, entity: str, where: Group) -> Fields | None:
    """The fields that take an object out of the books; None where no write of ours can."""
    if side is Side.SALESFORCE or where in (Group.PAID, Group.GONE):
        return None
    if entity == "Contact":
        return {"ContactStatus": "ARCHIVED"}
    if entity in PARENTS:
        return TAKEN_AWAY.get(entity)
    return _REMOVALS.get(entity, {}).get(where)


BORN_FINAL = frozenset({"BankTransaction", "BankTransfer", "Payment"})  # in the books at once: they have no draft
_DELETED: Fields = {"Status": "DELETED"}
_VOIDED: Fields = {"Status": "VOIDED"}
_DOCUMENT: Mapping[Group, Fields] = {Group.DRAFT: _DELETED, Group.APPROVED: _VOIDED}
_REMOVALS: Mapping[str, Mapping[Group, Fields]] = {
    "Invoice": _DOCUMENT,
    "CreditNote": _DOCUMENT,
    "ManualJournal": _DOCUMENT,
    "PurchaseOrder": {Group.DRAFT: _DELETED, Group.APPROVED: _DELETED},
    "Quote": {Group.DRAFT: _DELETED, Group.APPROVED: _DELETED},
    "BankTransaction": {Group.DRAFT: _DELETED, Group.APPROVED: _DELETED},
    "Payment": {Group.APPROVED: _DELETED},
    "BankTransfer": {Group.APPROVED: _DELETED},
    "Account": {Group.DRAFT: {"Status": "ARCHIVED"}},
}


def remade(side: Side, entity: str, life: Life) -> bool:
    """Whether an object is never updated in place: it has no draft, and a change removes it first or asks a person.
    What Xero takes at birth only may then change too: a payment, a transfer."""
    never = life.changed.get(Group.APPROVED) in (Action.REISSUE, Action.TELL)
    return never and side is Side.XERO and entity in BORN_FINAL
