"""A link at rest is passed by when a worker takes over: nothing may follow from it, whatever its mapping says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

from connector.core.link import Act, outputs, state
from connector.core.link_state import Hold, Life, Link, Rules, State
from connector.core.records import Side, Version
from connector.core.resting import Rest, rest_of
from tests.unit.fold_history import History

QUIET = (State.CLEAN, State.ENDED, State.FAILED)
BORN = datetime(2026, 11, 23, tzinfo=UTC)
STATUSES = ("", "draft", "approved", "paid", "gone")


def every_rules() -> Iterator[Rules]:
    """Rules as far apart as mappings can be."""
    policies = [{}, *(dict.fromkeys(STATUSES, how) for how in ("delete", "void", "reissue", "update"))]
    for two_way, owner, approve, policy, source in product(
        (True, False), ("latest", "salesforce", "xero", "source"), ("at-once", "checked"), policies, Side
    ):
        owners = dict.fromkeys(("", "Name", "Color", "Amount", "Lines"), owner)
        yield Rules(
            source, two_way, owners, creates=frozenset(Side), approve=approve, changed=policy, left=policy,
            deleted=policy, again="new", conflict="latest",
        )  # fmt: skip


RULES = [*every_rules()]
APPROVING = [rules for rules in RULES if rules.approve == "checked"]


def half_lived(seed: int) -> Iterator[Link]:
    """The links of a history that is broken off in the middle."""
    history = History(seed)
    for _ in range(3):
        history._newcomer()
    for _ in range(history.length // 2):
        history._step()
    yield from history.driver.links.values()


def test_nothing_follows_from_a_link_at_rest_under_any_rules() -> None:
    seen: Counter[Rest] = Counter()
    for seed in range(250):
        for link in half_lived(seed):
            rest = rest_of(link)
            seen[rest] += 1
            for rules in RULES if rest is not Rest.MOVES else ():
                follows = outputs(link, rules)
                approved = follows.todo is not None and follows.todo.act is Act.APPROVE
                assert (follows.due, follows.asks, link.refs) == (None, (), {}), link
                assert follows.todo is None or (approved and rest is Rest.DRAFT and rules in APPROVING), link
    assert min(seen[rest] for rest in Rest) >= 8  # the histories come to all of them


def test_nearly_all_that_is_quiet_is_at_rest() -> None:
    """Or the scan would decode what it could pass by. What moves: births that never came, edits that are kept."""
    quiet = resting = 0
    for seed in range(60):
        driver = History(seed).run()
        for link in driver.links.values():
            if link.life is not Life.NEW and state(link, driver.mapping(link.id).rules) in QUIET:
                quiet += 1
                resting += rest_of(link) is not Rest.MOVES
    assert resting >= 0.85 * quiet


def test_whatever_moves_a_link_is_no_rest() -> None:
    """Each of these alone must be seen: an edit may be undone, a farewell carried out, a draft approved."""
    link = next(link for seed in range(50) for link in half_lived(seed) if link.life is Life.LIVE)
    ends = replace(link.xero, drift={}, asked=None), replace(link.salesforce, drift={}, asked=None)
    calm = replace(link, attempt=None, hold=Hold.NONE, refs={}, left="", status="", refused=False)
    calm = calm.with_end(Side.XERO, ends[0]).with_end(Side.SALESFORCE, ends[1])
    assert rest_of(calm) is Rest.RESTS
    edited = calm.with_end(Side.XERO, replace(ends[0], drift={"Name": "t:x"}))
    asked = calm.with_end(Side.XERO, replace(ends[0], asked=Version(1, 1)))
    for one in (
        edited,
        asked,
        replace(calm, left="left"),
        replace(calm, hold=Hold.LATER),
        replace(calm, life=Life.NEW),
    ):
        assert rest_of(one) is Rest.MOVES
    assert rest_of(replace(calm, status="draft", born=BORN)) is Rest.DRAFT
