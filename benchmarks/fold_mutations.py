"""Mutations of the fold: each puts one wrong rule in the place of a right one. The generated histories, or the
exploration of all states, must notice each.

Run: python -m benchmarks.fold_mutations [histories]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import ModuleType
from typing import Any

from connector.core import (
    link,
    link_agree,
    link_calls,
    link_decide,
    link_look,
    link_moves,
    link_parts,
    link_rest,
    link_state,
    link_table,
    merge,
)
from connector.core.link_calls import confirmed, ignore
from connector.core.link_events import Applied, Found, Observed, Rejected, Started, Unknown, Wanted
from connector.core.link_look import _as_applied, _given_up
from connector.core.link_parts import judge
from connector.core.link_state import Life, Link, Phase, Rules
from connector.core.merge import Merge
from tests.unit.fold_history import History
from tests.unit.test_link_states import BILL, OWNED, PAIR, SET, explore

MODULES = (
    link, link_agree, link_calls, link_decide, link_look, link_moves, link_parts, link_rest, link_state, link_table,
    merge,
)  # fmt: skip
RIGHT: dict[str, Callable[..., Link]] = {"agree": link_agree.agree, "probe_create": link_look.probe_create}
SHALLOW = 3  # events that are explored before any history: cheap, and enough for most
CALM = 4  # one history in so many is without faults


@dataclass(frozen=True, slots=True)
class Mutation:
    """``cells`` are put in the table, ``names`` in place of functions and constants wherever they are used."""

    name: str
    cells: Mapping[tuple[Phase, type], Callable[..., Link]] | None = None
    names: Mapping[str, object] | None = None


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """The fold with one wrong rule."""
    undo: list[Callable[[], None]] = []
    try:
        for (phase, event), move in (mutation.cells or {}).items():
            row: dict[Any, Any] = link_table.TABLE[phase]  # type: ignore[assignment]
            undo.append(lambda row=row, event=event, move=row[event]: row.__setitem__(event, move))  # type: ignore[misc]
            row[event] = move
        for name, value in (mutation.names or {}).items():
            for module in MODULES:
                _swap(module, name, value, undo)
        yield
    finally:
        for back in reversed(undo):
            back()


def _swap(module: ModuleType, name: str, value: object, undo: list[Callable[[], None]]) -> None:
    if not hasattr(module, name):
        return
    before = getattr(module, name)
    undo.append(lambda: setattr(module, name, before))
    setattr(module, name, value)
    for row in link_table.TABLE.values():
        cells: dict[Any, Any] = row  # type: ignore[assignment]
        for event, move in list(cells.items()):
            if move is before:
                undo.append(lambda cells=cells, event=event, move=move: cells.__setitem__(event, move))  # type: ignore[misc]
                cells[event] = value


def caught(mutation: Mutation, histories: int, depth: int = 5) -> str:
    """How the tests notice a mutation; empty if they do not."""
    with mutated(mutation):
        if found := _explored(SHALLOW):
            return found
        for seed in range(histories):
            try:
                History(seed, calm=seed % CALM == 0).run()
            except AssertionError as error:
                return f"history {seed}: {str(error)[:100]}"
        return _explored(depth)


def _explored(depth: int) -> str:
    for rules in (BILL, PAIR, OWNED, SET):
        try:
            explore(rules, depth)
        except AssertionError as error:
            return f"exploration: {str(error)[:100]}"
    return ""


# --- wrong rules ---------------------------------------------------------------------------------------------------


def _judge_at_once(link: Link, side: Any, observation: Any) -> Link:
    return judge(link, side, observation)


def _refuse_always(link: Link, event: Rejected, rules: Rules) -> Link:
    return link_calls.refuse(link, event, rules)


def _believe_once(link: Link, event: Found, rules: Rules) -> Link:
    attempt = link.attempt
    if attempt is None or attempt.call != event.call or event.hits:
        return RIGHT["probe_create"](link, event, rules)
    return link_rest.rest(_given_up(link, attempt), rules)


def _adopt_strangers(link: Link, event: Found, rules: Rules) -> Link:
    attempt = link.attempt
    if attempt is not None and event.hits and event.call == attempt.call:
        return confirmed(link, _as_applied(event, attempt), rules, read=True)
    return RIGHT["probe_create"](link, event, rules)


def _any_version(*_: object) -> bool:
    return True


def _never_late(link: Link, *_: object) -> Link:
    return link


def _source_always_wins(link: Link, rules: Rules, path: str, moved: Any) -> str:
    return rules.source.value if rules.source in moved else "keep"


def _target_follows(link: Link, rules: Rules, path: str, moved: Any) -> str:
    return rules.source.value


def _no_conflict(link: Link, verdict: Merge) -> Link:
    return link


def _not_quiet(link: Link, verdict: Merge) -> Link:
    return link


def _keep_all(link: Link, rules: Rules, path: str) -> str:
    return "keep"


def _first_side(link: Link, rules: Rules, path: str) -> str:
    return "salesforce"


def _ours_as_sent(link: Link, attempt: Any, event: Applied, rules: Rules, *, read: bool) -> Link:
    return RIGHT["agree"](link, attempt, replace(event, flat=None), rules, read=read)


def _carried_agreed(link: Link, attempt: Any, event: Applied, rules: Rules, *, read: bool) -> Link:
    moved = RIGHT["agree"](link, attempt, event, rules, read=read)
    answer = event.flat or {}
    carried = {path: (text, answer.get(path, text)) for path, text in attempt.sent.items() if text}
    return replace(moved, agreed={**moved.agreed, **carried})


def _alive_again(link: Link, event: Any, rules: Rules) -> Link:
    return replace(link, life=Life.NEW, reason="")


def _settles_anything(link: Link, event: Started, rules: Rules) -> Link:
    attempt = link.attempt
    if attempt is None:
        return link
    return replace(link, attempt=replace(attempt, last_sent=event.at, deadline=event.deadline))


def _forget(link: Link, event: Unknown, rules: Rules) -> Link:
    return replace(link, attempt=None)


def _no_read(link: Link, side: Any, held: Any, event: Applied) -> Link:
    return link


def _never_moot(link: Link, **_: object) -> Link:
    return link


def _whole_line_not(link: Link, side: Any, changed: Mapping[str, str]) -> dict[str, str]:
    return dict(changed)


def _removes_at_once(link: Link, rules: Rules) -> None:
    return None


def _swings_for_ever(link: Link, attempt: Any) -> Link:
    return link


def _explains_nothing(sent: str, shown: str, *, exact: bool = False) -> bool:
    return sent == shown


def _always_shown(*_: object) -> bool:
    return True


def _never_asked(end: Any, seen: Any) -> bool:
    return False


def _adopts_nothing(link: Link, event: Observed, rules: Rules) -> Link:
    return link


def _late_wins(link: Link, event: Wanted, rules: Rules) -> Link:
    return replace(link, left="")


def _undoes_anything(link: Link, message: str, rules: Rules) -> Link:
    return link_rest.rest(replace(link, left=link_parts.UNDONE), rules)


def _undoes_nothing(link: Link, message: str, rules: Rules) -> Link:
    return link


def _credits_drafts(link: Link, rules: Rules, changed: Any) -> bool:
    return bool(changed) and not link.left and "credit" in rules.changed.values()


ZERO = timedelta(0)
MUTATIONS: tuple[Mutation, ...] = (
    Mutation("a lost call is forgotten", {(Phase.CREATING, Unknown): _forget}),
    Mutation("lose → ignore", {(Phase.CREATING, Unknown): ignore, (Phase.UPDATING, Unknown): ignore},
             {"expire": ignore}),
    Mutation("what is seen during a call is judged at once", names={"note": _judge_at_once}),
    Mutation("a refusal of a repeat is believed", names={"refuse_unknown": _refuse_always}),
    Mutation("a repeat is as certain as a first send", names={"repeat": _settles_anything}),
    Mutation("not there is believed once", {(Phase.LOST, Found): _believe_once}),
    Mutation("not there is believed before the key expires", names={"PROBE_AFTER": ZERO, "PROBE_TWICE": ZERO},
             cells={(Phase.LOST, Found): _believe_once}),
    Mutation("a stranger is adopted", {(Phase.LOST, Found): _adopt_strangers}),
    Mutation("probe_create → ignore", {(Phase.LOST, Found): ignore}),
    Mutation("stale versions are accepted", names={"newer": _any_version}),
    Mutation("a late edit is not looked at again", names={"late": _never_late}),
    Mutation("foreign edits are overwritten", names={"_one_way": _source_always_wins}),
    Mutation("the target is set back to its source", names={"_one_way": _target_follows}),
    Mutation("conflicts are ignored", names={"_conflict": _no_conflict}),
    Mutation("equal values are not agreed", names={"_agreed": _not_quiet}),
    Mutation("nothing is ever written", names={"_judge": _keep_all}),
    Mutation("salesforce is always later", names={"_by_policy": _first_side}),
    Mutation("agreed moves to what was sent", names={"agree": _ours_as_sent}),
    Mutation("lines that were only carried are agreed", names={"agree": _carried_agreed}),
    Mutation("an ended link is born again", {(Phase.ENDED, Wanted): _alive_again}),
    Mutation("again → ignore", {(Phase.ENDED, Wanted): ignore}),
    Mutation("no read after an answer without fields", names={"_seen_meanwhile": _no_read}),
    Mutation("lines are sent one by one", names={"_with_lines": _whole_line_not}),
    Mutation("nothing is taken back", names={"_removal": _removes_at_once}),
    Mutation("a field may swing for ever", names={"swings": _swings_for_ever}),
    Mutation("a rounded number is an edit", names={"explained": _explains_nothing}),
    Mutation("a lost change always arrived", names={"_shows": _always_shown}),
    Mutation("a read answers no question", names={"_answers": _never_asked}),
    Mutation("what carries our mark is not adopted", {(Phase.NEW, Observed): _adopts_nothing}),
    Mutation("take → ignore during a change", {(Phase.UPDATING, Wanted): ignore, (Phase.UNSURE, Wanted): ignore}),
    Mutation("see → ignore", {(Phase.LIVE, Observed): ignore}),
    Mutation("a draft does not wait for the others", names={"WITH": "@none/"}),
    Mutation("what is approved is taken back", names={"_undone": _undoes_anything}),
    Mutation("a draft stays beside one that failed", names={"_undone": _undoes_nothing}),
    Mutation("drafts are credited", names={"_credited": _credits_drafts}),
    Mutation("confirm → ignore", {(Phase.UPDATING, Applied): ignore}),
)  # fmt: skip


def main() -> int:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    missed = 0
    for mutation in MUTATIONS:
        found = caught(mutation, histories)
        missed += not found
        print(f"{'caught' if found else 'MISSED'}  {mutation.name}: {found}")
    print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} mutations are caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
