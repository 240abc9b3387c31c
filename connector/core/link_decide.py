"""What a person's decision does to a link that a review shows (``twinledger review decide``)."""

from __future__ import annotations

from dataclasses import replace

from connector.core.link_events import GONE, Settled
from connector.core.link_parts import ended, free, rest
from connector.core.link_state import Life, Link, Rules
from connector.core.records import Side

DECISIONS = ("retry", "salesforce", "xero", "link", "create", "end")


def settle(link: Link, event: Settled, rules: Rules) -> Link:
    """Carry out a decision on a link with no call under way. Unknown words change nothing."""
    if event.decision == "end":
        return ended(link, "person")
    if event.decision in ("salesforce", "xero"):
        return rest(_won(link, Side(event.decision)), rules)
    if event.decision == "link" and event.value:
        return rest(_linked(link, rules, event.value), rules)
    if event.decision == "create":
        return rest(replace(free(link), looked=True), rules)
    if event.decision == "retry":
        return rest(_retried(link, rules), rules)
    return link


def _won(link: Link, winner: Side) -> Link:
    """The loser's values count as agreed, so that only the winner has moved."""
    loser, agreed = winner.other, dict(link.agreed)
    for path in link.hold_paths:
        theirs = {**link.base(loser), **link.end(loser).drift}.get(path, GONE)
        ours = link.base(winner).get(path, GONE)
        agreed[path] = (ours, theirs) if winner is Side.SALESFORCE else (theirs, ours)
    end = link.end(loser)
    kept = {path: text for path, text in end.drift.items() if path not in link.hold_paths}
    return free(replace(link.with_end(loser, replace(end, drift=kept)), agreed=agreed, flips={}))


def _linked(link: Link, rules: Rules, target: str) -> Link:
    side = link.id.side.other if rules.two_way else rules.target
    end = replace(link.end(side), id=target, asked=link.end(side).version)
    return replace(free(link).with_end(side, end), life=Life.LIVE, looked=True)


def _retried(link: Link, rules: Rules) -> Link:
    """Look again, read again: what failed may have been mended on either side."""
    link = replace(free(link), looked=link.looked and link.life is Life.LIVE, flips={})
    if link.status == "gone" and link.life is Life.LIVE:
        return ended(link, "target-gone")
    for side in Side:
        end = link.end(side)
        if end.id:
            link = link.with_end(side, replace(end, asked=end.version))
    return link
