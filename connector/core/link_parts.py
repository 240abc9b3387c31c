"""The parts that every move of a link is made of: judge what a side shows, hold, free, aim, claim, end."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime

from connector.core import link_failures as failures
from connector.core.failure import Failure
from connector.core.link_events import GONE, Texts
from connector.core.link_explain import explained
from connector.core.link_state import CLOSED, Attempt, End, Hold, Life, Link, Observation, Rules
from connector.core.records import Side, Version

RETURNS = ("left", "deleted")  # why a record can leave a link: everything else is an end
UNDONE = "undone"  # a draft that was taken back because another document of its record failed
#  Ended for these reasons, the source is read again: its next generation is due.
REBORN = ("reissued", "target-gone", "credited", UNDONE)
MOOT = frozenset(
    failure.code for failure in (failures.TAKEN, failures.FOUND, failures.AMBIGUOUS)
)  # questions that end when the object with our mark is seen


def judge(link: Link, side: Side, seen: Observation) -> Link:
    """What a side shows becomes what we know of it: where it differs from what was agreed, it has moved."""
    link = _read_back(link, side, seen.flat)
    end = link.end(side)
    silent = link.refs if side is link.id.side else ()
    drift = end.drift if seen.gone else moved(seen.flat, link.base(side), silent)
    asked = None if _answers(end, seen) else end.asked
    link = link.with_end(side, End(end.id or seen.object_id, seen.version, seen.stamp, drift, None, asked))
    if side is not link.id.side or seen.status:
        link = replace(link, status="gone" if seen.gone else seen.status or link.status)
    return link


def moved(flat: Texts, base: Mapping[str, str], silent: Container[str] = ()) -> dict[str, str]:
    """Where a side differs from what it held at the agreement. A scalar that is not mentioned says nothing, a line
    that is not mentioned is gone, unless it is ``silent`` (its reference is not known yet)."""
    drift = {path: text for path, text in flat.items() if base.get(path, GONE) != text}
    lines = (path for path, text in base.items() if "/" in path and text != GONE)
    return drift | {path: GONE for path in lines if path not in flat and path not in silent}


def _read_back(link: Link, side: Side, flat: Texts) -> Link:
    """The first read after an answer without fields: what the type explains is what our write became."""
    index, agreed = (0 if side is Side.SALESFORCE else 1), dict(link.agreed)
    for path, text in link.end(side).sent.items():
        shown = flat.get(path, text)
        if path in agreed and agreed[path][index] == text and shown != text and explained(text, shown):
            agreed[path] = (shown, agreed[path][1]) if index == 0 else (agreed[path][0], shown)
    return replace(link, agreed=agreed)


def newer(end: End, version: Version, stamp: datetime | None) -> bool:
    """Newer is a source stamp that is not older and, on equal or missing stamps, a higher version."""
    known = [(end.version, end.stamp)] + ([(end.held.version, end.held.stamp)] if end.held is not None else [])
    return all(_replaces(version, stamp, *other) for other in known)


def _replaces(version: Version, stamp: datetime | None, than: Version, than_stamp: datetime | None) -> bool:
    if stamp is None or than_stamp is None or stamp == than_stamp:
        return version > than
    return stamp > than_stamp


def late(link: Link, side: Side, seen: Observation) -> Link:
    """An observation that is not newer. It may be the read that was asked for; and where only the counter says that
    it is old, but it shows something else, it may be an edit in the moment of our own write: read again."""
    end = link.end(side)
    if _answers(end, seen):
        return link.with_end(side, replace(end, asked=None))
    older = end.stamp is not None and seen.stamp is not None and seen.stamp < end.stamp
    if older or end.held is not None or end.asked is not None or seen.version == end.version or seen.gone:
        return link
    if not moved(seen.flat, link.seen(side), link.refs):
        return link
    return link.with_end(side, replace(end, asked=end.version))


def _answers(end: End, seen: Observation) -> bool:
    """Whether this is the read that was asked for, or one that was sent after it."""
    return end.asked is not None and seen.version > end.asked


def busy(link: Link, side: Side) -> bool:
    """Whether a call to that side is under way, or lost: what it shows meanwhile is only kept."""
    return link.attempt is not None and link.attempt.side is side


def note(link: Link, side: Side, observation: Observation) -> Link:
    if busy(link, side):
        end = link.end(side)
        asked = None if _answers(end, observation) else end.asked
        return link.with_end(side, replace(end, held=observation, asked=asked))
    return judge(link, side, observation)


def aimed(link: Link, side: Side, target: str) -> Link:
    """Another object becomes this link's end: it exists, so it is read before anything is written to it."""
    end, other = link.end(side), link.end(side.other)
    live = replace(link, life=Life.LIVE, looked=True)
    if end.id == target:
        return live.with_end(side, replace(end, asked=end.version))
    drift = moved(link.seen(side.other), {})
    live = live.with_end(side.other, replace(other, drift=drift)).with_end(side, End(target, asked=end.version))
    return replace(live, agreed={}, line_ids={}, flips={}, status="", born=None)


def claimed(link: Link, side: Side, seen: Observation) -> Link:
    """An object that carries our mark although no call of ours is open: the target of this link."""
    if link.hold is Hold.LATER or (link.hold is Hold.FAILED and link.code in MOOT):
        link = free(link)
    live = replace(link, life=Life.LIVE, looked=True)
    return judge(live.with_end(side, End(seen.object_id)), side, seen)


def line_ids(known: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """Ids of lines by our keys, with what an answer told: an id belongs to one key, the one that it was told of last.
    Where places stand for ids, a line that goes hands its place on."""
    handed = set(told.values())
    return {**{key: line for key, line in known.items() if line not in handed}, **told}


def farewell(link: Link, rules: Rules) -> str:
    """What is to become of the target of a record that left: delete, void or tell."""
    if link.left == UNDONE:
        return "delete" if link.status == "draft" else "tell"
    return (rules.deleted if link.left == "deleted" else rules.left).get(link.status, "tell")


def over(link: Link, attempt: Attempt) -> Link:
    """A call is over. What was to be read of an object that never came to be is not to be read any more."""
    end = link.end(attempt.side)
    end = replace(end, held=None, asked=end.asked if end.id else None)
    return replace(link.with_end(attempt.side, end), attempt=None, closed=closed(link, attempt.call))


def closed(link: Link, call: str) -> tuple[str, ...]:
    return (*link.closed, call)[-CLOSED:]


def hold(link: Link, hold: Hold, failure: Failure, paths: tuple[str, ...] = ()) -> Link:
    """Stop a link. What only a person can end is not covered by anything else."""
    if sticky(link) and failure.code not in failures.STICKY:
        return link
    return replace(link, hold=hold, code=failure.code, message=failure.message, remedy=failure.remedy, hold_paths=paths)


def sticky(link: Link) -> bool:
    return link.hold is Hold.FAILED and link.code in failures.STICKY


def free(link: Link) -> Link:
    return replace(link, hold=Hold.NONE, code="", message="", remedy="", hold_paths=(), not_before=None, tries=0)


def ended(link: Link, reason: str, message: str = "") -> Link:
    """Over. A source whose target was taken away, or went, is read again: its next generation is planned then."""
    again = reason in REBORN and link.left not in RETURNS
    for side in Side:
        end = link.end(side)
        asked = end.version if again and side is link.id.side else None
        link = link.with_end(side, replace(end, held=None, asked=asked, sent={}))
    return replace(free(link), life=Life.ENDED, reason=reason, message=message, attempt=None, refs={})
