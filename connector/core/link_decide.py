"""What a person's decision does to a link that a review shows (``twinledger review decide``)."""

from __future__ import annotations

from dataclasses import replace

from connector.core import link_failures as failures
from connector.core.failure import Failure
from connector.core.link_events import FOREIGN, GONE, Settled
from connector.core.link_parts import UNDONE, aimed, ended, free, hold, sticky
from connector.core.link_rest import rest
from connector.core.link_state import End, Hold, Life, Link, Rules
from connector.core.records import Side

DECISIONS = ("retry", "salesforce", "xero", "link", "create", "end")
ANSWERED = (failures.UNCLAIMED.code, failures.MEANWHILE.code)  # by a retry: its object is to be made
UNCERTAIN = (failures.STRANGER.code, failures.TWINS.code)  # a birth might be the second: to retry decides nothing


def settle(link: Link, event: Settled, rules: Rules) -> Link:
    """Carry out a decision on a link with no call under way. What does not fit the link changes nothing."""
    if event.decision in ("yield", "lead"):
        return _asked(link, event)
    if event.decision == "undo":
        return _undone(link, event.value, rules)
    if event.decision == "end":
        return ended(link, "person")
    if event.decision in ("salesforce", "xero") and link.hold is Hold.CONFLICT:
        return rest(_won(link, Side(event.decision), rules), rules)
    if event.decision == "link" and event.value:
        return rest(aimed(free(link), link.id.side.other, event.value), rules)
    if event.decision == "follow" and event.value and link.life is Life.LIVE:  # not a person's: Xero merged a contact
        return rest(aimed(free(link), Side.XERO, event.value), rules)
    if event.decision == "create" and link.life is Life.NEW:
        return rest(replace(_read_again(free(link)), looked=True), rules)
    if event.decision == "retry" or (event.decision == "create" and link.status == "gone"):
        return rest(_retried(link), rules)
    return link


def _asked(link: Link, event: Settled) -> Link:
    """Another mapping's link joins the same two objects and is in conflict too: a person is asked once, here (lead) or
    there (yield). ``value`` names what is in question there."""
    if link.hold is not Hold.CONFLICT or link.code not in failures.CONFLICTS:
        return link
    failure = failures.CONFLICT if event.decision == "lead" else failures.ELSEWHERE
    return hold(link, Hold.CONFLICT, replace(failure, message=told(failure, event.value)), link.hold_paths)


def told(failure: Failure, beside: str) -> str:
    """The words of a conflict, with what is in question in the other mapping."""
    return f"{failure.message} {beside}" if beside else failure.message


def _undone(link: Link, message: str, rules: Rules) -> Link:
    """Another document of the same record failed: a draft goes, what was not born yet is not. What came further, was
    there before us, or has failed itself, stays."""
    if link.hold is Hold.FAILED or link.left:
        return link
    if link.life is Life.NEW:
        return ended(link, UNDONE, message)
    ours = link.status == "draft" and link.born is not None
    return rest(replace(free(link), left=UNDONE, message=message), rules) if ours else link


def revive(link: Link, event: Settled, rules: Rules) -> Link:
    """What a person says of an ended link whose record matches again."""
    if link.code != failures.AGAIN.code:
        return link
    if event.decision == "end":
        return ended(link, "person")
    return ended(replace(link, left=""), "reissued") if event.decision in ("create", "retry") else link


def _won(link: Link, winner: Side, rules: Rules) -> Link:
    """What the loser holds counts as agreed, so that only the winner has moved. A line is won as a whole."""
    loser, agreed, paths = winner.other, dict(link.agreed), _whole(link)
    drift = dict(link.end(winner).drift)
    for path in paths:
        theirs = link.seen(loser).get(path, GONE)
        ours = link.base(winner).get(path, GONE)
        now = link.seen(winner).get(path, GONE)
        if now != theirs and (rules.two_way or winner is rules.source):
            drift[path], ours = now, GONE if now != GONE else theirs  # whatever it says next is to be written too
        agreed[path] = (ours, theirs) if winner is Side.SALESFORCE else (theirs, ours)
        if ours == theirs == GONE:
            del agreed[path]
    kept = {path: text for path, text in link.end(loser).drift.items() if path not in paths}
    link = link.with_end(winner, replace(link.end(winner), drift=drift))
    return free(replace(link.with_end(loser, replace(link.end(loser), drift=kept)), agreed=agreed, flips={}))


def _whole(link: Link) -> set[str]:
    """The paths in conflict, and the other fields of a line that one side took out."""
    paths = set(link.hold_paths)
    out = {
        path.rsplit("/", 1)[0] for path in paths if "/" in path and GONE in (end.drift.get(path) for end in _ends(link))
    }
    known = {*link.agreed, *link.salesforce.drift, *link.xero.drift}
    if any("/" in path for path in paths):
        paths |= known & {FOREIGN}
    return paths | {path for path in known if "/" in path and path.rsplit("/", 1)[0] in out}


def _ends(link: Link) -> tuple[End, End]:
    return link.salesforce, link.xero


def _retried(link: Link) -> Link:
    """Look again, read again: what failed may have been mended on either side."""
    if link.status == "gone" and link.life is Life.LIVE:
        return ended(link, "target-gone")
    if link.life is Life.NEW and sticky(link) and link.code in UNCERTAIN:
        return link
    unfound = "" if link.code in ANSWERED else link.unfound
    return _read_again(replace(free(link), looked=link.looked and link.life is Life.LIVE, unfound=unfound, flips={}))


def _read_again(link: Link) -> Link:
    for side in Side:
        end = link.end(side)
        if end.id:
            link = link.with_end(side, replace(end, asked=end.version))
    return link
