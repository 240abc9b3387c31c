"""Every state that one link can come to in eight events, and what holds in each of them.

The alphabet is small and abstract: two values of the record, what its target may show, and every kind of event in its
useful forms. States that differ only in numbers and times are one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import Act, new_link, outputs, state, step
from connector.core.link_events import (
    GONE,
    WITH,
    Applied,
    Asked,
    Due,
    Found,
    LinkEvent,
    Observed,
    Rejected,
    Settled,
    Started,
    Unknown,
    Wanted,
)
from connector.core.link_failures import STICKY
from connector.core.link_parts import UNDONE
from connector.core.link_state import End, Hold, Life, Link, Phase, Rules
from connector.core.records import Side, Version
from connector.core.values import Ref

SF, XERO = Side.SALESFORCE, Side.XERO
T0 = datetime(2026, 3, 1, tzinfo=UTC)
A, B, C = '"a"', '"b"', '"c"'
DEPTH, SET_DEPTH = 8, 5
BILL = Rules(SF, creates=frozenset((XERO,)), left={"draft": "delete"}, deleted={"draft": "delete"})
PAIR = Rules(SF, two_way=True, creates=frozenset((SF, XERO)), owners={"P": "latest"})
OWNED = Rules(SF, two_way=True, creates=frozenset((XERO,)), owners={"P": "xero"})
#  One draft of several: it waits for the others, is taken back beside one that fails, and is credited once approved.
SET = Rules(
    SF, creates=frozenset((XERO,)), left={"draft": "delete"}, deleted={"draft": "delete"}, approve="checked",
    changed={"draft": "update", "approved": "credit"},
)  # fmt: skip
BESIDE = {f"{WITH}b": Ref("m", "salesforce:s#b", optional=True)}
FIX = Failure("x.fix", Kind.FIX, "No.")
RETRY = Failure("x.retry", Kind.RETRY, "Later.", retry_after=5)
TAKEN = Failure("x.taken", Kind.RESOLVE, "There is one.")


def newest(link: Link) -> Version:
    """A version above everything that the link has seen."""
    known = [link.salesforce, link.xero]
    versions = [v for end in known for v in (end.version, end.asked, end.held.version if end.held else None) if v]
    return Version(1, max(version.ordinal for version in versions) + 1)


def wanted(link: Link, text: str | None, **more: object) -> Wanted:
    flat = None if text is None else {"P": text}
    return Wanted(SF, "s", newest(link), T0, "1", flat, left="" if text else "left", **more)  # type: ignore[arg-type]


def observed(link: Link, text: str, status: str = "draft", object_id: str = "x") -> Observed:
    return Observed(XERO, object_id, newest(link), T0, {"P": text}, status, status == "gone")


def started(link: Link, rules: Rules) -> Started | None:
    """What the write loop would announce, or a call that should not be."""
    task = outputs(link, rules).todo
    if task is None or task.act in (Act.LOOK, Act.PROBE):
        return None
    return Started(f"c{len(link.closed) + 1}", task.side, task.act.value, task.changed, T0, T0 + timedelta(minutes=1))


def again(link: Link) -> Started | None:
    attempt = link.attempt
    if attempt is not None:
        return Started(attempt.call, attempt.side, attempt.operation, attempt.sent, T0, T0 + timedelta(minutes=1))
    return Started(link.closed[-1], XERO, "create", {"P": A}, T0, T0) if link.closed else None


def answer(link: Link, make: Callable[[str, Link], LinkEvent]) -> LinkEvent | None:
    return None if link.attempt is None else make(link.attempt.call, link)


def applied(call: str, link: Link) -> Applied:
    attempt = link.attempt
    side = attempt.side if attempt is not None else XERO
    flat = dict(attempt.sent) if attempt is not None and side is XERO else None
    status = "gone" if attempt is not None and attempt.operation == "remove" else "draft"
    return Applied(call, "x" if side is XERO else "s", newest(link), T0, flat, status)


def probe(*hits: str, ours: bool = True, text: str = A, minutes: int = 8) -> Callable[[str, Link], LinkEvent]:
    def make(call: str, link: Link) -> LinkEvent:
        at = T0 + timedelta(minutes=minutes)
        return Found(XERO, hits, at, "stop", call, ours, newest(link), T0, {"P": text}, "draft")

    return make


def alphabet(link: Link, rules: Rules) -> list[LinkEvent]:
    """Every event that the explorer tries in this state."""
    version, now = newest(link), T0 + timedelta(minutes=20)
    events: list[LinkEvent | None] = [
        wanted(link, A), wanted(link, B), wanted(link, None), wanted(link, None, refusal=FIX),
        wanted(link, A, before="before"), Wanted(SF, "s", Version(0, 0), T0, "1", {"P": C}),
        observed(link, A), observed(link, C), observed(link, A, "gone"), observed(link, A, object_id="y"),
        Observed(XERO, "x", Version(0, 0), T0, {"P": C}, "draft"),
        Found(XERO, (), T0), Found(XERO, ("x",), T0, "link", version=version, stamp=T0, flat={"P": C}),
        Found(XERO, ("x",), T0, "stop"), Found(XERO, ("x", "y"), T0),
        started(link, rules), again(link), Applied("other", "x", version),
        answer(link, applied), answer(link, lambda call, _: Rejected(call, FIX, T0)),
        answer(link, lambda call, _: Rejected(call, RETRY, T0, element=False)),
        answer(link, lambda call, _: Rejected(call, TAKEN, T0)), answer(link, lambda call, _: Unknown(call, "", T0)),
        answer(link, probe(minutes=2)), answer(link, probe()), answer(link, probe(minutes=9)), answer(link, probe("x")),
        answer(link, probe("x", text=C)),
        answer(link, probe("x", ours=False)), answer(link, probe("x", "y")),
        Settled("retry", "ann", T0), Settled("salesforce", "ann", T0), Settled("end", "ann", T0),
        Settled("create", "ann", T0), Settled("link", "ann", T0, "x"),
        Due(T0), Due(now), Due(now, merged_into="m"), Asked(SF), Asked(XERO),
    ]  # fmt: skip
    if rules is SET:
        events += [
            wanted(link, A, refs=BESIDE), Due(T0, {f"{WITH}b": '""'}), observed(link, A, "approved"),
            Settled("undo", "draft-first", T0, "b failed"),
        ]  # fmt: skip
    return [event for event in events if event is not None]


def key(link: Link) -> tuple[object, ...]:
    """A link without the numbers of its versions and calls: of those only their order counts."""
    known = [link.salesforce, link.xero]
    found = {v for end in known for v in (end.version, end.asked, end.held.version if end.held else None) if v}
    order = {version: number for number, version in enumerate(sorted(found))}
    attempt = link.attempt
    return (
        link.life, link.reason, link.hold, link.code, link.hold_paths, link.left, link.status, link.looked,
        link.refused, frozenset(link.refs), link.tries, link.not_before, link.born, bool(link.closed),
        link.mapping_version, link.message if link.reason == UNDONE else "",
        frozenset(link.agreed.items()), frozenset(link.flips.items()),
        *(_end(end, order) for end in known),
        attempt and (attempt.side, attempt.operation, frozenset(attempt.sent.items()), attempt.last_sent,
                     attempt.deadline, attempt.unknown, attempt.absent_at, attempt.refused_at),
    )  # fmt: skip


def _end(end: End, order: Mapping[Version, int]) -> tuple[object, ...]:
    held = end.held
    return (
        end.id, order.get(end.version), end.asked and order[end.asked], end.stamp, end.left,
        frozenset(end.drift.items()), frozenset(end.sent.items()),
        held and (held.object_id, order[held.version], frozenset(held.flat.items()), held.status, held.gone),
    )  # fmt: skip


def explore(rules: Rules, events: int = DEPTH) -> int:
    """Breadth first from a new link; how many different states there are."""
    first = new_link(LinkId("c", "m", "salesforce:s", "t"))
    seen, level = {key(first)}, [first]
    for depth in range(events):
        following: list[Link] = []
        for link in level:
            for event in alphabet(link, rules):
                after = step(link, event, rules, depth)
                found = key(after)
                holds_between(link, event, after, rules)
                if found not in seen:
                    seen.add(found)
                    holds_in(after, event, rules, depth)
                    following.append(after)
        level = following
    return len(seen)


def holds_in(link: Link, event: LinkEvent, rules: Rules, offset: int) -> None:
    """What is true of every state."""
    follows, shown = outputs(link, rules), state(link, rules)
    task = follows.todo
    assert shown is not None
    assert step(link, event, rules, offset) == link, "a redelivered event moves nothing"
    if link.attempt is not None:
        assert task is None or (link.attempt.unknown and task.act is Act.PROBE), "one call at a time"
        assert follows.due is not None, "a call that nobody reports is noticed by time"
    elif task is not None:
        assert link.hold is Hold.NONE
        assert not link.refused
        assert link.life is not Life.ENDED
        assert all(end.asked is None for end in (link.salesforce, link.xero)), "nothing is written on doubtful ground"
        assert task.act is not Act.PROBE
        assert (task.act in (Act.CREATE, Act.LOOK)) == (link.life is Life.NEW)
        if task.act is Act.CREATE:
            assert not link.xero.id, "no birth beside what is there"
            assert not link.left
            assert task.changed
    if any(path.startswith(WITH) for path in link.refs):
        assert task is None or task.act is not Act.APPROVE, "who waits for another is not approved"
    if link.left == UNDONE and task is not None and link.attempt is None:
        assert task.act is Act.REMOVE
        assert link.status == "draft", "only a draft is taken back"
    for path in set(link.salesforce.drift) & set(link.xero.drift):
        assert link.seen(SF).get(path) != link.seen(XERO).get(path), "what both hold is agreed"
    assert (follows.review is not None) == (link.hold in (Hold.FAILED, Hold.CONFLICT))
    assert (link.hold is Hold.NONE) == (link.code == ""), "a hold says why"
    assert all(pair != (GONE, GONE) for pair in link.agreed.values())


def holds_after_a_look(link: Link, event: Found, after: Link) -> None:
    """What a look-up may lead to."""
    if not event.call or link.attempt is None:
        return
    if link.phase is Phase.UNSURE and dict(event.flat) == link.seen(link.attempt.side) and event.hits:
        assert after.agreed == link.agreed, "what shows nothing of a change was not changed"
    if event.hits and not event.ours:
        assert after.life is link.life, "what is not ours is not adopted"
    if not event.hits and after.phase is Phase.NEW and link.phase is Phase.LOST:
        first = link.attempt.absent_at
        assert first is not None, "not there must be seen twice"
        assert event.at - first >= timedelta(seconds=30)
        assert first >= link.attempt.last_sent + timedelta(minutes=7), "and not while the key may live"


def holds_after_a_sight(link: Link, event: Observed | Wanted, after: Link, rules: Rules) -> None:
    """What a record or a target that was read leads to."""
    own = event.side is link.id.side
    new = event.version > Version(0, 0)
    if isinstance(event, Observed) and link.phase is Phase.NEW and not event.gone and link.code not in STICKY:
        assert after.life is Life.LIVE, "what carries our mark is ours"
    if isinstance(event, Observed) and link.phase is Phase.LIVE and link.xero.id == event.object_id and not new:
        other = link.seen(XERO) != dict(event.flat) and link.status != "gone"
        assert not other or after.xero.asked is not None, "what looks old and differs is looked at again"
    if isinstance(event, Wanted) and event.flat and own and new and link.life is Life.ENDED and link.reason == "left":
        assert after.end(SF).asked is not None or after.code == "link.again", "a record that is back is seen to"


def holds_in_a_set(link: Link, event: LinkEvent, after: Link) -> None:
    """What is credited, and what is taken back because of another document."""
    if after.reason == "credited" and link.life is Life.LIVE:
        assert link.attempt is None or after.status == "approved"
        assert after.status == "approved", "only what is approved is credited"
        assert after.xero.asked is None, "and nothing about it is in doubt"
        assert after.seen(XERO), "what is credited is known"
    if isinstance(event, Settled) and event.decision == "undo":
        ours = link.life is Life.NEW or (link.status == "draft" and link.born is not None)
        stays = not ours or link.hold is Hold.FAILED
        assert not stays or (after.life, after.left) == (link.life, link.left), "what came further stays"
        gone = after.life is Life.ENDED or after.left == UNDONE
        assert stays or gone or link.attempt is not None or link.left, "a draft goes"


def holds_between(link: Link, event: LinkEvent, after: Link, rules: Rules) -> None:
    """What is true of every move."""
    if isinstance(event, Found):
        holds_after_a_look(link, event, after)
    if isinstance(event, Observed | Wanted):
        holds_after_a_sight(link, event, after, rules)
    holds_in_a_set(link, event, after)
    if link.life is Life.ENDED and not isinstance(event, Started):
        assert after.life is Life.ENDED, "what is over stays over"
    if link.life is Life.LIVE:
        assert after.life is not Life.NEW, "what was born is not unborn"
    if link.attempt is not None and after.attempt is None:
        assert isinstance(event, Applied | Rejected | Found), "only an answer or a probe ends a call"
        assert event.call == link.attempt.call
        if isinstance(event, Rejected) and link.attempt.unknown:
            assert event.element, "the refusal of a repeat says nothing"
    if isinstance(event, Started) and link.attempt is not None and event.call == link.attempt.call:
        assert after.attempt is None or after.attempt.unknown, "who sends again does not know of the first"
    if isinstance(event, Applied) and event.flat is None and link.attempt is not None and after.life is Life.LIVE:
        end = after.end(link.attempt.side)
        seen = end.version > event.answered or event.call != link.attempt.call
        assert seen or end.asked is not None, "an answer without fields is read"
    if link.attempt is None and after.attempt is not None:
        assert isinstance(event, Started)
        assert event.call not in link.closed, "what is over does not start again"
    if after.agreed != link.agreed and isinstance(event, Wanted | Observed | Due | Asked):
        both = {path: (after.seen(SF).get(path, GONE), after.seen(XERO).get(path, GONE)) for path in after.agreed}
        moved = {path for path, pair in after.agreed.items() if link.agreed.get(path) != pair}
        assert all(after.agreed[path] == both[path] for path in moved), "agreed is what both hold"
    if isinstance(event, Wanted | Observed) and event.version == Version(0, 0):
        assert after.salesforce.drift == link.salesforce.drift, "what is old moves nothing"
        assert after.xero.drift == link.xero.drift or link.phase is Phase.NEW
    if isinstance(event, Observed) and link.xero.id and event.object_id != link.xero.id:
        assert after.xero.drift == link.xero.drift, "another object is not this link's target"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("rules", "events", "least"),
    [(BILL, DEPTH, 30_000), (PAIR, DEPTH, 20_000), (OWNED, DEPTH, 20_000), (SET, SET_DEPTH, 3_000)],
    ids=["document", "pair", "owned", "draft of a set"],
)
def test_every_state_of_one_link_holds(rules: Rules, events: int, least: int) -> None:
    states = explore(rules, events)
    print(f"{states} states in {events} events")  # noqa: T201
    assert states >= least
