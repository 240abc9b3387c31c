"""Moves of a link that a record, a look-up or time makes. ``link_table`` says which one runs when.

Every move takes (link, event, rules) and returns the link, brought to rest: what is derived (conflicts, waiting) is in
line with what the ends now hold.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from connector.core import link_failures as failures
from connector.core.link_calls import confirmed
from connector.core.link_events import (
    GONE,
    TARGET,
    Applied,
    Asked,
    Due,
    Found,
    Observed,
    Texts,
    Wanted,
)
from connector.core.link_parts import ended, free, hold, judge, rest
from connector.core.link_state import (
    PROBE_TWICE,
    QUIET,
    Attempt,
    End,
    Hold,
    Life,
    Link,
    Observation,
    Phase,
    Rules,
)
from connector.core.records import Side, Version

AGAIN = ("left", "deleted", "reissued", "target-gone")  # ended for these reasons, a record may be born anew


def take(link: Link, event: Wanted, rules: Rules) -> Link:
    """A record of a side that this link follows. Stale ones change nothing."""
    end = link.end(event.side)
    if not _newer(end, event.version, event.stamp):
        return link
    if event.before and link.phase is Phase.NEW:
        return ended(link.with_end(event.side, _known(end, event)), event.before)
    if event.refusal is not None:
        seen = link.with_end(event.side, replace(_known(end, event), asked=None))
        return hold(seen, Hold.FAILED, event.refusal)
    if event.flat is None:
        return _leave(link.with_end(event.side, replace(_known(end, event), asked=None)), event, rules)
    link = replace(
        link,
        left="",
        mapping_version=event.mapping_version,
        refs=dict(event.refs) if event.side is link.id.side else link.refs,
        once=event.once or link.once,
        order=event.order or link.order,
        entity=event.entity or link.entity,
        find=event.find or link.find,
        mark=event.mark or link.mark,
        money=event.money or link.money,
    )
    link = _aimed(link, event.flat.get(TARGET, ""))
    flat = {path: text for path, text in event.flat.items() if path != TARGET}
    seen = note(link, event.side, Observation(event.object_id, event.version, event.stamp, flat))
    if seen.end(event.side).drift != link.end(event.side).drift and seen.hold is Hold.FAILED:
        seen = free(seen)  # its data changed: whatever was wrong with it may be mended
    return rest(seen, rules)


def see(link: Link, event: Observed, rules: Rules) -> Link:
    """The target end as somebody read it."""
    end = link.end(event.side)
    if end.id and event.object_id != end.id:
        return hold(link, Hold.FAILED, failures.COPIED_MARK)
    if not _newer(end, event.version, event.stamp):
        return link
    observation = Observation(event.object_id, event.version, event.stamp, event.flat, event.status, event.gone)
    return rest(note(link, event.side, observation), rules)


def adopt(link: Link, event: Observed, rules: Rules) -> Link:
    """An object that carries our mark, although no call of ours is known: the link's own target."""
    if event.gone:
        return link
    live = replace(link, life=Life.LIVE, looked=True)
    return see(live.with_end(event.side, replace(link.end(event.side), id=event.object_id)), event, rules)


def again(link: Link, event: Wanted, rules: Rules) -> Link:
    """The record of an ended link matches again: its source is read once more and planned as the next generation."""
    born_again = link.reason in AGAIN and rules.again == "new" and event.flat is not None
    if not born_again or event.side is not link.id.side:
        return link
    return link.with_end(event.side, replace(link.end(event.side), asked=event.version))


def note(link: Link, side: Side, observation: Observation) -> Link:
    if link.attempt is not None and link.attempt.side is side:
        return link.with_end(side, replace(link.end(side), held=observation))
    return judge(link, side, observation)


def _newer(end: End, version: Version, stamp: datetime | None) -> bool:
    """Newer is a source stamp that is not older and, on equal or missing stamps, a higher version."""
    held = end.held
    if held is not None and (held.version > version) and held.stamp == stamp:
        return False
    if end.stamp is None or stamp is None or end.stamp == stamp:
        return version > end.version
    return stamp > end.stamp


def _known(end: End, event: Wanted) -> End:
    return replace(end, id=end.id or event.object_id, version=event.version, stamp=event.stamp)


def _leave(link: Link, event: Wanted, rules: Rules) -> Link:
    """The record no longer matches, or is gone. What was never born ends here; the rest follows ``life``."""
    if link.phase is Phase.NEW:
        return ended(link, event.left)
    return rest(replace(link, left=event.left), rules)


def look(link: Link, event: Found, rules: Rules) -> Link:
    """The look-up before a birth came back."""
    if not event.hits:
        return rest(replace(link, looked=True), rules)
    if len(event.hits) > 1:
        return replace(hold(link, Hold.FAILED, failures.AMBIGUOUS), hold_paths=event.hits)
    if event.policy != "link":
        return replace(
            hold(link, Hold.FAILED, failures.TAKEN if event.policy == "stop" else failures.FOUND), hold_paths=event.hits
        )
    return _joined(link, event, rules)


def _joined(link: Link, event: Found, rules: Rules) -> Link:
    live = replace(link, life=Life.LIVE, looked=True, hold=Hold.NONE, line_ids=event.line_ids or link.line_ids)
    end = replace(link.end(event.side), id=event.hits[0])
    if event.version is None:
        return rest(live.with_end(event.side, replace(end, asked=end.version)), rules)
    seen = Observation(event.hits[0], event.version, event.stamp, event.flat, event.status)
    return rest(judge(live.with_end(event.side, end), event.side, seen), rules)


def probe_create(link: Link, event: Found, rules: Rules) -> Link:
    """The probe of a create whose outcome nobody knew. "Not there" is believed when seen twice, 30 s apart."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return link
    if len(event.hits) > 1:
        return replace(hold(replace(link, attempt=None), Hold.FAILED, failures.AMBIGUOUS), hold_paths=event.hits)
    if event.hits and not event.ours:
        return replace(hold(replace(link, attempt=None), Hold.FAILED, failures.STRANGER), hold_paths=event.hits)
    if event.hits:
        return confirmed(link, _as_applied(event, attempt), rules)
    if attempt.absent_at is None or event.at - attempt.absent_at < PROBE_TWICE:
        first = attempt.absent_at or event.at
        return replace(link, attempt=replace(attempt, absent_at=first))
    return rest(replace(link, attempt=None, looked=True, born=None), rules)


def probe_update(link: Link, event: Found, rules: Rules) -> Link:
    """The target as it stands after an update of unknown outcome: applied if it shows all that was sent."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call or event.version is None:
        return link
    if not event.hits:
        return hold(replace(link, attempt=None), Hold.FAILED, failures.TARGET_MISSING)
    if _shows(event, attempt):
        return confirmed(link, _as_applied(event, attempt), rules)
    seen = Observation(event.hits[0], event.version, event.stamp, event.flat, event.status)
    return rest(judge(replace(link, attempt=None), attempt.side, seen), rules)


def _shows(event: Found, attempt: Attempt) -> bool:
    if attempt.operation == "remove":
        return event.status == "gone"
    if attempt.operation == "approve":
        return event.status not in ("draft", "")
    return all(event.flat.get(path, GONE) == text for path, text in attempt.sent.items())


def _as_applied(event: Found, attempt: Attempt) -> Applied:
    return Applied(
        attempt.call,
        event.hits[0],
        event.version or Version(0, 0),
        event.stamp,
        event.flat or None,
        event.status,
        event.line_ids,
    )


def wake(link: Link, event: Due, rules: Rules) -> Link:
    """Time passed, a reference became known, or another link turned out to own this record."""
    if event.merged_into and link.life is Life.NEW:
        return ended(replace(link, message=f"The same record as {event.merged_into}."), "merged")
    link = _resolved(link, event.resolved)
    if link.hold is Hold.LATER and link.not_before is not None and event.at >= link.not_before:
        link = replace(free(link), tries=link.tries)
    return rest(link, rules)


def expire(link: Link, event: Due, rules: Rules) -> Link:
    """A call past its deadline that nobody reported: its sender is gone."""
    link = _resolved(link, event.resolved)
    if link.attempt is None or event.at < link.attempt.deadline + QUIET:
        return link
    return replace(link, attempt=replace(link.attempt, unknown=True))


def keep_resolved(link: Link, event: Due, rules: Rules) -> Link:
    return _resolved(link, event.resolved)


def _resolved(link: Link, known: Texts) -> Link:
    fresh = {path: text for path, text in known.items() if path in link.refs}
    if not fresh:
        return link
    side = link.id.side
    link = _aimed(link, fresh.get(TARGET, ""))
    end, base = link.end(side), link.base(side)
    moved = {path: text for path, text in fresh.items() if path != TARGET and base.get(path) != text}
    drift = {**end.drift, **moved}
    refs = {path: ref for path, ref in link.refs.items() if path not in fresh}
    return replace(link.with_end(side, replace(end, drift=drift)), refs=refs)


def _aimed(link: Link, target: str) -> Link:
    """A back-write's target is another link's end: it exists, so it is read before anything is written to it."""
    side = link.id.side.other
    if not target or link.end(side).id == target or link.attempt is not None:
        return link
    end = replace(link.end(side), id=target, asked=link.end(side).version)
    return replace(link.with_end(side, end), life=Life.LIVE, looked=True)


def ask(link: Link, event: Asked, rules: Rules) -> Link:
    """An end must be read again; a record with a higher version clears it."""
    end = link.end(event.side)
    return link.with_end(event.side, replace(end, asked=end.version))
