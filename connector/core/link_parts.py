"""The parts that every move of a link is made of: judge what a side shows, hold, free, end, bring to rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from connector.core import link_failures as failures
from connector.core.failure import Failure
from connector.core.link_events import (
    GONE,
    Texts,
)
from connector.core.link_state import (
    End,
    Hold,
    Life,
    Link,
    Observation,
    Phase,
    Rules,
)
from connector.core.merge import merge
from connector.core.records import Side


def judge(link: Link, side: Side, seen: Observation) -> Link:
    end = link.end(side)
    drift = _drift(seen.flat, link.base(side))
    asked = None if end.asked is not None and seen.version > end.asked else end.asked
    fresh = End(end.id or seen.object_id, seen.version, seen.stamp, drift, None, asked)
    link = link.with_end(side, fresh)
    if side is not link.id.side or seen.status:
        link = replace(link, status="gone" if seen.gone else seen.status or link.status)
    return link


def _drift(flat: Texts, base: Mapping[str, str]) -> dict[str, str]:
    """Where a side differs from what it held at the agreement. A scalar that is not mentioned says nothing."""
    moved = {path: text for path, text in flat.items() if base.get(path) != text}
    return moved | {path: GONE for path in base if "/" in path and path not in flat}


def rest(link: Link, rules: Rules) -> Link:
    """Bring what is derived into line: values both sides hold are agreed, conflicts and waiting are held."""
    verdict = merge(link, rules)
    if verdict.quiet:
        link = replace(link, agreed={**link.agreed, **verdict.quiet})
        for side in Side:
            link = link.with_end(side, _without(link.end(side), verdict.quiet))
    if link.hold is Hold.CONFLICT and link.code == failures.CONFLICT.code and not verdict.conflicts:
        link = free(link)
    if verdict.conflicts and link.hold in (Hold.NONE, Hold.CONFLICT, Hold.WAITS):
        link = replace(hold(link, Hold.CONFLICT, failures.CONFLICT), hold_paths=verdict.conflicts)
    missing = tuple(sorted(path for path, ref in link.refs.items() if not ref.optional))
    if link.hold is Hold.WAITS and not missing:
        link = free(link)
    if missing and link.hold is Hold.NONE:
        link = replace(hold(link, Hold.WAITS, failures.WAITS), hold_paths=missing)
    return _unwelcome(_farewell(link, rules), rules, bool(verdict.to[rules.target]))


def _unwelcome(link: Link, rules: Rules, changed: bool) -> Link:
    """A change that ``life.changed`` leaves to a person, because the target has come too far (approved, paid)."""
    if not changed or rules.two_way or link.phase is not Phase.LIVE or link.hold is not Hold.NONE or link.left:
        return link
    if rules.changed.get(link.status, "update") not in ("tell", "credit"):
        return link
    return hold(link, Hold.FAILED, replace(failures.CHANGED, code=f"link.changed-{link.status}"))


def _farewell(link: Link, rules: Rules) -> Link:
    """A live link whose record left, or whose target is gone, ends or asks, as ``life`` says."""
    if link.phase is not Phase.LIVE:
        return link
    if link.status == "gone":
        if link.left or rules.target_gone == "recreate":
            return ended(link, link.left or "target-gone")
        return link if link.hold is Hold.FAILED else hold(link, Hold.FAILED, failures.TARGET_GONE)
    policy = (rules.deleted if link.left == "deleted" else rules.left).get(link.status, "tell")
    if link.left and policy == "tell" and not rules.two_way and link.hold is not Hold.FAILED:
        return hold(link, Hold.FAILED, replace(failures.LEFT, code=f"link.{link.left}-{link.status or 'unknown'}"))
    return link


def _without(end: End, paths: Iterable[str]) -> End:
    return replace(end, drift={path: text for path, text in end.drift.items() if path not in set(paths)})


def hold(link: Link, hold: Hold, failure: Failure) -> Link:
    return replace(link, hold=hold, code=failure.code, message=failure.message, remedy=failure.remedy, hold_paths=())


def free(link: Link) -> Link:
    return replace(link, hold=Hold.NONE, code="", message="", remedy="", hold_paths=(), not_before=None, tries=0)


def ended(link: Link, reason: str) -> Link:
    return replace(free(link), life=Life.ENDED, reason=reason, attempt=None, refs={})
