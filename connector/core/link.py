"""The link's one fold, and what follows from it.

``step(link, event, rules)`` looks up the cell of ``link_table.TABLE`` for the link's phase and the event's kind and
runs the move that stands there. What follows from a link (a write, a read, a review) is ``outputs(link, rules)``: a
function of its present state, never of the move. A crash between the fold and its effects loses nothing, because the
next look at the link gives the same outputs again, and whoever carries them out is idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from connector.core import link_failures as failures
from connector.core.identity import LinkId
from connector.core.link_events import GONE, WITH, LinkEvent, Texts, Wanted
from connector.core.link_parts import farewell
from connector.core.link_state import (
    PROBE_TWICE,
    QUIET,
    Attempt,
    Hold,
    Life,
    Link,
    Phase,
    Rules,
    State,
)
from connector.core.link_table import TABLE
from connector.core.merge import merge
from connector.core.records import Side


class Act(StrEnum):
    """What the write loop can do for a link."""

    LOOK = "look"
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    APPROVE = "approve"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Todo:
    """The next thing that this link needs from the write loop.

    ``changed`` are the paths to write; ``whole`` the full wanted state where lines must be sent together. ``how`` names
    a removal (delete, void). ``call`` is the lost call that a probe is for; ``not_before`` its earliest time.
    """

    act: Act
    side: Side
    target: str = ""
    changed: Texts = field(default_factory=dict)
    whole: Texts = field(default_factory=dict)
    how: str = ""
    call: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What a person sees of a link that needs one."""

    code: str
    message: str
    remedy: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outputs:
    """All that follows from a link's state."""

    todo: Todo | None
    asks: tuple[tuple[Side, str], ...]
    review: Review | None
    targets: Mapping[Side, str]
    due: datetime | None


def new_link(link_id: LinkId) -> Link:
    return Link(link_id)


def version_of(event: LinkEvent, link: Link | None) -> str:
    """The version of the mapping by which an event is folded: its own, or the one that the link keeps."""
    if isinstance(event, Wanted):
        return event.mapping_version
    return link.mapping_version if link is not None else ""


def step(link: Link, event: LinkEvent, rules: Rules, offset: int = -1) -> Link:
    """Fold one event into a link. Pure and total: every phase takes every event.

    A redelivered event (``offset`` at or before the one that last moved the link) does not move it.
    """
    if 0 <= offset <= link.offset:
        return link
    moved = TABLE[link.phase][type(event)](link, event, rules)
    return replace(moved, offset=max(offset, link.offset))


def outputs(link: Link, rules: Rules) -> Outputs:
    """What must happen because the link is as it is."""
    task = todo(link, rules)
    return Outputs(
        todo=task,
        asks=asks(link),
        review=_review(link),
        targets={side: link.end(side).id for side in Side if link.end(side).id and link.life is not Life.NEW},
        due=_due(link, task),
    )


def asks(link: Link) -> tuple[tuple[Side, str], ...]:
    """Ends of the link that must be read again: side and id."""
    return tuple((side, link.end(side).id) for side in Side if link.end(side).asked is not None and link.end(side).id)


def state(link: Link, rules: Rules) -> State:
    """The state that people see."""
    if link.phase is Phase.ENDED:
        return State.ENDED
    if link.attempt is not None:
        return State.UNKNOWN if link.attempt.unknown else State.IN_FLIGHT
    held = {
        Hold.WAITS: State.BLOCKED,
        Hold.LATER: State.BLOCKED,
        Hold.FAILED: State.FAILED,
        Hold.CONFLICT: State.CONFLICT,
    }
    if link.hold in held:
        return State.BLOCKED if link.code == failures.ELSEWHERE.code else held[link.hold]
    return State.DIRTY if _next(link, rules) is not None else State.CLEAN


def todo(link: Link, rules: Rules) -> Todo | None:
    """The next act for this link, None where there is none now."""
    if link.attempt is not None:
        return _after_loss(link.attempt, link) if link.attempt.unknown else None
    if any(link.end(side).asked is not None for side in Side):
        return None  # judged after the read that was asked for
    return _next(link, rules)


def _next(link: Link, rules: Rules) -> Todo | None:
    """The act that the present knowledge calls for, if nothing is to be read first."""
    if link.hold is not Hold.NONE or link.life is Life.ENDED or link.refused:
        return None
    if link.left:
        return _removal(link, rules)
    return _birth(link, rules) if link.life is Life.NEW else _change(link, rules)


def _birth(link: Link, rules: Rules) -> Todo | None:
    """One of two equal ends may have nothing to say yet (an item without a price): its pair is looked for too."""
    side, whole = link.id.side.other, link.seen(link.id.side)
    if rules.never_creates or not (whole or (rules.two_way and link.find)):
        return None
    if not link.looked and (link.find or rules.two_way):
        return Todo(Act.LOOK, side)
    return Todo(Act.CREATE, side, changed=whole, whole=whole) if whole and side in rules.creates else None


def _change(link: Link, rules: Rules) -> Todo | None:
    verdict = merge(link, rules)
    for side in (Side.XERO, Side.SALESFORCE):
        changed = verdict.to[side]
        if changed and link.end(side).id:
            return _update(link, rules, side, changed)
    alone = not any(path.startswith(WITH) for path in link.refs)
    if rules.approve == "checked" and link.status == "draft" and link.born is not None and alone:
        return Todo(Act.APPROVE, rules.target, link.end(rules.target).id)
    return None


def _update(link: Link, rules: Rules, side: Side, changed: Mapping[str, str]) -> Todo:
    target = link.end(side).id
    policy = rules.changed.get(link.status, "update") if side is rules.target else "update"
    if policy == "reissue":
        return Todo(Act.REMOVE, side, target, how="void" if link.status == "approved" else "delete")
    sent = _with_lines(link, side, changed)
    whole = {path: text for path, text in {**link.seen(side), **sent}.items() if text != GONE}
    return Todo(Act.UPDATE, side, target, changed=sent, whole=whole)


def _with_lines(link: Link, side: Side, changed: Mapping[str, str]) -> dict[str, str]:
    """Lines are replaced as a whole: one changed line sends them all, what stands there kept as it is. A line that is
    taken out goes with all that the other side had filled in; one that must come back comes back whole."""
    if not any("/" in path for path in changed):
        return dict(changed)
    there, wanted = _lines(link.seen(side)), _lines(link.seen(side.other))
    stays, stands = {_line(path) for path in wanted}, {_line(path) for path in there}
    out = {_line(path) for path, text in changed.items() if text == GONE} - stays
    back = {_line(path) for path, text in changed.items() if text != GONE and "/" in path} - stands
    kept = {path: GONE if _line(path) in out else text for path, text in there.items()}
    whole = {path: text for path, text in wanted.items() if _line(path) in back}
    return {**kept, **whole, **changed}


def _lines(flat: Texts) -> dict[str, str]:
    return {path: text for path, text in flat.items() if "/" in path}


def _line(path: str) -> str:
    return path.rsplit("/", 1)[0]


def _removal(link: Link, rules: Rules) -> Todo | None:
    how = farewell(link, rules)
    target = link.end(rules.target).id
    if rules.two_way or how not in ("delete", "void") or not target:
        return None
    return Todo(Act.REMOVE, rules.target, target, how=how)


def _after_loss(attempt: Attempt, link: Link) -> Todo:
    """When a lost call may be probed, and probed again if it was not there. After a refusal of a repeat it is probed
    at once: what is found may be believed at any time, only "not there" may not."""
    wait: datetime | None = attempt.probe_from
    if attempt.refused_at is not None:
        wait = None
    elif attempt.absent_at is not None:
        wait = max(attempt.probe_from, attempt.absent_at + PROBE_TWICE)
    return Todo(Act.PROBE, attempt.side, link.end(attempt.side).id, call=attempt.call, not_before=wait)


def _due(link: Link, task: Todo | None) -> datetime | None:
    """When time alone can move this link."""
    attempt = link.attempt
    if attempt is not None and (not attempt.unknown or task is None or task.not_before is None):
        return attempt.probe_from if attempt.unknown else attempt.deadline + QUIET
    if task is not None and task.not_before is not None:
        return task.not_before
    return link.not_before if link.hold is Hold.LATER else None


def _review(link: Link) -> Review | None:
    if link.hold not in (Hold.FAILED, Hold.CONFLICT) or link.code == failures.ELSEWHERE.code:
        return None
    return Review(link.code, link.message, link.remedy, link.hold_paths)
