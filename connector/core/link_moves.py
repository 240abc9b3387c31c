"""Moves of a link that a record or time makes. ``link_table`` says which one runs when.

Every move takes (link, event, rules) and returns the link, brought to rest: what is derived (conflicts, waiting) is in
line with what the ends now hold.
"""

from __future__ import annotations

from dataclasses import replace

from connector.core import link_failures as failures
from connector.core.link_events import TARGET, Asked, Due, Observed, Texts, Wanted, content
from connector.core.link_parts import (
    REBORN,
    RETURNS,
    aimed,
    busy,
    claimed,
    ended,
    free,
    hold,
    judge,
    late,
    newer,
    note,
    sticky,
)
from connector.core.link_rest import rest
from connector.core.link_state import QUIET, End, Hold, Life, Link, Observation, Phase, Rules
from connector.core.records import Side

AGAIN = (*RETURNS, *REBORN)  # ended for these reasons, a record may be born anew


def take(link: Link, event: Wanted, rules: Rules) -> Link:
    """A record of a side that this link follows. Stale ones change nothing."""
    side, end = event.side, link.end(event.side)
    flat = content(event.flat or {})
    seen = Observation(event.object_id, event.version, event.stamp, flat, gone=event.flat is None)
    own = side is link.id.side
    if not own and end.id and event.object_id != end.id:
        return _copied(link, seen)
    if not newer(end, event.version, event.stamp):
        return late(link, side, seen)
    if event.before and link.phase is Phase.NEW:
        return ended(link.with_end(side, _known(end, event)), event.before)
    if event.unfound and link.phase is Phase.NEW and not link.looked:
        link = replace(link, unfound=event.unfound)
    if event.refusal is None and event.flat is not None:
        return _wants(link, event, seen, rules)
    if not own and link.life is Life.NEW:  # it is being born: read again when the call is over
        return link.with_end(side, replace(end, asked=event.version)) if busy(link, side) else link
    link = link.with_end(side, _known(end, event))
    if event.refusal is not None:  # it matches, and cannot be written as it is
        return rest(replace(hold(_back(link, side), Hold.FAILED, event.refusal), refused=True), rules)
    return _leave(link, event, rules)


def _known(end: End, event: Wanted) -> End:
    asked = None if end.asked is not None and event.version > end.asked else end.asked
    return replace(end, id=end.id or event.object_id, version=event.version, stamp=event.stamp, held=None, asked=asked)


def _wants(link: Link, event: Wanted, seen: Observation, rules: Rules) -> Link:
    """The record matches, and says what it wants."""
    side, own = event.side, event.side is link.id.side
    if not own and link.phase is Phase.NEW:
        return link if sticky(link) else rest(claimed(link, side, seen), rules)
    before = link
    link = _back(link, side)
    link = replace(
        link,
        refused=False,
        mapping_version=event.mapping_version,
        refs=dict(event.refs) if own else link.refs,
        once=event.once or link.once,
        order=event.order or link.order,
        entity=(event.entity if own else "") or link.entity,
        find=(event.find if own else {}) or link.find,
        mark=event.mark or link.mark,
        money=event.money or link.money,
    )
    link = note(_aimed(link, (event.flat or {}).get(TARGET, "")), side, seen)
    if link.hold is Hold.FAILED and not sticky(link) and _says_else(before, link, side):
        link = free(link)  # whatever was wrong with it may be mended
    return rest(link, rules)


def _says_else(before: Link, link: Link, side: Side) -> bool:
    return before.refused or before.left != link.left or before.end(side).drift != link.end(side).drift


def _back(link: Link, side: Side) -> Link:
    """The end matches; the link is back when no end is away."""
    link = link.with_end(side, replace(link.end(side), left=""))
    away = link.left if link.left not in RETURNS else link.end(side.other).left
    return replace(link, left=away)


def _leave(link: Link, event: Wanted, rules: Rules) -> Link:
    """The record no longer matches, or is gone: what was made of it follows ``life``, what was never born rests. What
    was wrong with its data is so no more."""
    if link.hold is Hold.FAILED and not sticky(link):
        link = free(link)
    link = link.with_end(event.side, replace(link.end(event.side), left=event.left or RETURNS[0]))
    return rest(replace(link, left=event.left or RETURNS[0], refused=False), rules)


def see(link: Link, event: Observed, rules: Rules) -> Link:
    """The target end as somebody read it."""
    end = link.end(event.side)
    seen = _observation(event)
    if end.id and event.object_id != end.id:
        return _copied(link, seen)
    if not newer(end, event.version, event.stamp):
        return late(link, event.side, seen)
    link = note(link, event.side, seen)
    if link.code == failures.TARGET_MISSING.code and not busy(link, event.side):
        link = free(link)
    return rest(link, rules)


def _observation(event: Observed) -> Observation:
    return Observation(event.object_id, event.version, event.stamp, event.flat, event.status, event.gone)


def _copied(link: Link, seen: Observation) -> Link:
    """Another object carries the mark of this link's end. It is never adopted."""
    return link if seen.gone else hold(link, Hold.FAILED, failures.COPIED_MARK, (seen.object_id,))


def adopt(link: Link, event: Observed, rules: Rules) -> Link:
    """An object that carries our mark, although no call of ours is known: the link's own target."""
    if event.side is link.id.side:
        return see(link, event, rules)
    if event.gone or sticky(link):
        return link
    return rest(claimed(link, event.side, _observation(event)), rules)


def again(link: Link, event: Wanted, rules: Rules) -> Link:
    """The record of an ended link matches again: its source is read once more and planned as the next generation,
    or a person is asked."""
    end, own = link.end(event.side), event.side is link.id.side
    if not own or link.reason not in AGAIN or not newer(replace(end, held=None), event.version, event.stamp):
        return link
    if link.reason in RETURNS and rules.again != "new":
        seen = link.with_end(event.side, _known(end, event))
        return free(seen) if event.left else hold(seen, Hold.FAILED, failures.AGAIN)
    if event.flat is None or (end.asked is not None and end.asked >= event.version):
        return link
    return link.with_end(event.side, replace(end, id=end.id or event.object_id, asked=event.version))


def wake(link: Link, event: Due, rules: Rules) -> Link:
    """Time passed, a reference became known, or another link turned out to own this record."""
    if event.merged_into and link.life is Life.NEW:
        return ended(link, "merged", f"The same record as {event.merged_into}.")
    link = _resolved(link, event.resolved)
    if link.hold is Hold.LATER and link.not_before is not None and event.at >= link.not_before:
        link = replace(free(link), tries=link.tries)
    return rest(link, rules)


def expire(link: Link, event: Due, rules: Rules) -> Link:
    """A call past its deadline that nobody reported: its sender is gone."""
    link = keep(link, event, rules)
    if link.attempt is None or event.at < link.attempt.deadline + QUIET:
        return link
    return replace(link, attempt=replace(link.attempt, unknown=True))


def keep(link: Link, event: Due, rules: Rules) -> Link:
    """What became known during a call. A link that turns out to be another's twin ends when its birth failed; if it
    did not, a person must join the two."""
    link = _resolved(link, event.resolved)
    return replace(link, left="merged") if event.merged_into and link.life is Life.NEW else link


def _resolved(link: Link, known: Texts) -> Link:
    fresh = {path: text for path, text in known.items() if path in link.refs}
    if not fresh:
        return link
    side = link.id.side
    link = _aimed(link, fresh.get(TARGET, ""))
    end, base = link.end(side), link.base(side)
    drift = {**end.drift, **{path: text for path, text in content(fresh).items() if base.get(path) != text}}
    refs = {path: ref for path, ref in link.refs.items() if path not in fresh}
    return replace(link.with_end(side, replace(end, drift=drift)), refs=refs)


def _aimed(link: Link, target: str) -> Link:
    """A back-write's target is another link's end."""
    side = link.id.side.other
    if not target or link.end(side).id == target or link.attempt is not None:
        return link
    return aimed(link, side, target)


def ask(link: Link, event: Asked, rules: Rules) -> Link:
    """An end must be read again; a record with a higher version clears it."""
    end = link.end(event.side)
    own = link.id.source if event.side is link.id.side else ""
    if not (end.id or own):
        return link
    return link.with_end(event.side, replace(end, id=end.id or own, asked=end.version))


__all__ = [
    "AGAIN", "adopt", "again", "ask", "expire", "judge", "keep", "see", "take", "wake",
]  # fmt: skip
