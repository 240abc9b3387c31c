"""Whether a link is at rest: nothing follows from it, whatever its mapping's rules say, until an event moves it.

A worker that takes over a partition reads all links. Nearly all of them are at rest, and it may pass them by.
"""

from __future__ import annotations

from enum import IntEnum

from connector.core.link_state import Hold, Life, Link


class Rest(IntEnum):
    """What a scan may make of a link without decoding it."""

    MOVES = 0  # something may follow from it: look
    DRAFT = 1  # nothing follows but an approval, where the rules approve drafts themselves
    RESTS = 2  # ``outputs`` has neither todo nor due nor asks, under any rules


def rest_of(link: Link) -> Rest:
    """Cautious: a link that is merely quiet under today's rules moves."""
    if link.attempt is not None or link.refs or link.hold is Hold.LATER:
        return Rest.MOVES
    if any(end.asked is not None for end in (link.salesforce, link.xero)):
        return Rest.MOVES
    if link.life is Life.ENDED or link.hold is not Hold.NONE or link.refused:
        return Rest.RESTS
    if link.life is Life.NEW or link.left or link.salesforce.drift or link.xero.drift:
        return Rest.MOVES
    return Rest.DRAFT if link.status == "draft" and link.born is not None else Rest.RESTS
