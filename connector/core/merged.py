"""A contact that Xero merged into another: its pair follows the one that stayed, or a person is told. Pure.

Xero archives the one that goes, names the one that stays in MergedToContactID, and gives it the documents of both
(facts: xero.md, contacts). A merge can be made in Xero's screens alone, and cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link_events import Settled
from connector.core.link_state import Life, Link
from connector.core.records import Record, Side

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def winner_of(record: Record) -> str:
    """Id of the contact that stayed; empty for one that was not merged away."""
    found = record.fields.get("MergedToContactID") if (record.side, record.entity) == (Side.XERO, "Contact") else None
    return found if isinstance(found, str) and found != record.id else ""


def follow(record: Record, link: Link, winner: str, tied_to: LinkId | None) -> Iterator[Settled | Failure]:
    """What a merge means for the link of the contact that went; ``tied_to`` has the one that stayed already.

    Nothing once the link has followed, or its record in Salesforce is gone too. A link that began in Xero keeps its
    name, that of the contact that went: ends are found by their own ids.
    """
    if link.life is not Life.LIVE or link.xero.id != record.id or link.left or link.salesforce.left:
        return
    if tied_to is None:
        yield Settled("follow", "merged in Xero", record.stamp or LONG_AGO, winner)
        return
    remedy = "Merge the two in Salesforce too: what goes there takes this link along. Or end this link."
    yield Failure(
        "link.merged",
        Kind.FIX,
        f"Xero merged contact {record.id} into {winner}, which {tied_to.document} is tied to.",
        remedy,
    )
