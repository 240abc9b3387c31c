"""Whether a link is at rest: nothing follows from it whatever its mapping's rules say, until an event moves it.

A worker that takes over a partition reads all links. Nearly all of them are at rest, and it may pass them by.
"""

from __future__ import annotations

from connector.core.link_state import Hold, Life, Link


def at_rest(link: Link) -> bool:
    """No call, no wait, no time that moves it, nothing to read or to write: ``outputs`` has neither todo nor due nor
    asks under any rules. Cautious: a link that is merely quiet under today's rules is not at rest."""
    if link.attempt is not None or link.refs or link.hold is Hold.LATER:
        return False
    if any(end.asked is not None for end in (link.salesforce, link.xero)):
        return False
    if link.life is Life.ENDED or link.hold is not Hold.NONE or link.refused:
        return True
    return link.life is Life.LIVE and not _wants(link)


def _wants(link: Link) -> bool:
    """Rules could see a change, a farewell or a missing approval in it."""
    return bool(link.salesforce.drift or link.xero.drift or link.left or link.status == "draft")
