"""What a person in Salesforce sees of one link: its state, why, what to do, and when it last went well. Pure.

A function of the link as it stands, as everything that follows from a link: shown twice it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connector.core.identity import split_key
from connector.core.link import state
from connector.core.link_state import Hold, Link, Rules, State
from connector.core.records import Side

KEY_MOST, NAME_MOST, CODE_MOST, REASON_MOST, REMEDY_MOST, ID_MOST = 255, 80, 80, 2000, 1000, 18
BEFORE = "before"  # links of the closed past: nobody asked for them


class Shown(StrEnum):
    """The values of ``State__c`` in Salesforce."""

    CLEAN = "Clean"
    WAITING = "Waiting"
    FAILED = "Failed"
    CONFLICT = "Conflict"
    PAUSED = "Paused"
    UNKNOWN = "Unknown"
    ENDED = "Ended"


STATES: Mapping[State, Shown] = {
    State.CLEAN: Shown.CLEAN,
    State.DIRTY: Shown.WAITING,
    State.IN_FLIGHT: Shown.WAITING,
    State.BLOCKED: Shown.WAITING,
    State.UNKNOWN: Shown.UNKNOWN,
    State.FAILED: Shown.FAILED,
    State.CONFLICT: Shown.CONFLICT,
    State.ENDED: Shown.ENDED,
}
PASSING = frozenset({Shown.WAITING, Shown.UNKNOWN})  # nearly always over before anybody could read it
TROUBLE = frozenset({Shown.FAILED, Shown.CONFLICT})  # needs a person, who may ask for another try

REASONS: Mapping[str, str] = {
    "person": "A person ended it.",
    "target-gone": "The object on the other side was removed there.",
    "reissued": "Replaced by a newer one.",
    "merged": "The same thing as another record, whose link goes on.",
    "left": "The record no longer matches, and its object was taken back.",
    "deleted": "The record was deleted, and its object was taken back.",
}


@dataclass(frozen=True, slots=True)
class SyncState:
    """One row in Salesforce. ``agreed`` changes with every write that went well; it is never shown."""

    key: str
    mapping: str
    entity: str
    record: str
    state: Shown
    code: str = ""
    reason: str = ""
    remedy: str = ""
    xero_entity: str = ""
    xero_id: str = ""
    xero_type: str = ""
    agreed: str = ""

    @property
    def name(self) -> str:
        """What stands first in a list: cut, never refused."""
        return f"{self.mapping} {self.record or self.xero_id}".strip()[:NAME_MOST]

    @property
    def digest(self) -> bytes:
        """Equal digests: Salesforce shows this already."""
        parts = (self.record, self.state, self.code, self.reason, self.remedy, self.xero_id, self.agreed)
        return hashlib.sha256("\0".join(parts).encode()).digest()[:12]


def shown(link: Link, rules: Rules, entities: Mapping[Side, str], *, paused: bool = False) -> SyncState | None:
    """How a link is shown; None for one that nobody should see: of the closed past, or with a key beyond any field.

    ``entities`` are the object names of its mapping's two ends.
    """
    key = link.id.key.decode()
    if link.reason == BEFORE or len(key) > KEY_MOST:
        return None
    now = STATES[state(link, rules)]
    if now is Shown.ENDED and link.hold in (Hold.FAILED, Hold.CONFLICT):
        now = Shown.FAILED  # over, and yet a person is asked: it matches again
    if paused and now is Shown.WAITING and link.hold is not Hold.CONFLICT:
        now = Shown.PAUSED
    code, reason, remedy = _words(link, now)
    ids = {side: link.end(side).id or (link.id.source if link.id.side is side else "") for side in Side}
    kind = link.seen(Side.XERO).get("Type", "").strip('"')
    return SyncState(
        key, link.id.mapping, entities[Side.SALESFORCE], ids[Side.SALESFORCE][:ID_MOST], now, code[:CODE_MOST],
        reason[:REASON_MOST], remedy[:REMEDY_MOST], entities[Side.XERO], ids[Side.XERO], kind, _agreed(link),
    )  # fmt: skip


def _words(link: Link, now: Shown) -> tuple[str, str, str]:
    if now is Shown.ENDED:
        return "", REASONS.get(link.reason, link.reason), ""
    if now is Shown.PAUSED:
        return (
            "mapping.paused",
            f"The mapping {link.id.mapping} is paused.",
            "Nothing is lost: it goes on when resumed.",
        )
    if now is Shown.UNKNOWN:
        return "link.unknown", "A call got no answer; whether it was carried out is being found out.", "Wait."
    if now is Shown.CLEAN:
        return "", "", ""
    reason = link.message
    if link.refs and now is Shown.WAITING:
        reason = "Waits for " + ", ".join(sorted({f"{one.mapping} of {one.document}" for one in link.refs.values()}))
    return link.code, reason, link.remedy


def _agreed(link: Link) -> str:
    """A digest of what both sides last held together."""
    told = "\0".join(f"{path}={here}={there}" for path, (here, there) in sorted(link.agreed.items()))
    return hashlib.sha256(f"{link.status}\0{told}".encode()).hexdigest()[:16]


def shown_letter(key: str, letter: Mapping[str, Any]) -> SyncState | None:
    """How a dead letter (a value of ``deadletters.v1``) is shown: a message that never became part of any link."""
    if len(key) > KEY_MOST:
        return None
    entity, record = _about(letter["key"] or b"")
    closed = letter["closed"]
    return SyncState(
        key, f"({letter['stage']})", entity[:NAME_MOST], record if len(record) <= ID_MOST else "",
        Shown.ENDED if closed else Shown.FAILED, "" if closed else letter["code"][:CODE_MOST],
        (f"Closed: {closed}." if closed else letter["message"])[:REASON_MOST],
        "" if closed else letter["remedy"][:REMEDY_MOST],
    )  # fmt: skip


def _about(key: bytes) -> tuple[str, str]:
    """Object and id from a record's key, where it is one. The key of a poisoned message may be anything."""
    try:
        parts = split_key(key)
    except UnicodeDecodeError:
        return "", ""
    return (parts[2], parts[3]) if len(parts) == 4 else ("", "")
