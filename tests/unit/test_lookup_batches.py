"""Look-ups and probes of several links go together: rule by rule, and each link hears of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

import pytest

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link
from connector.core.link_events import Found, LinkEvent, Observed
from connector.core.link_look import look
from connector.core.link_state import Attempt, End, Life, Rules
from connector.core.party import Party, ReadResult
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Fields, canonical
from connector.errors import Unavailable
from connector.settings import ConnectionSettings
from streams.connection import Connection, Numbers
from streams.lookup import Lookup
from streams.ready import Job
from tests.unit.mapping_catalogs import ready

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAME = "account-contact"
PARTY = {"client_id": "c", "client_secret": "s"}
SETTINGS = ConnectionSettings.model_validate(
    {"name": "demo", "salesforce": {"url": "https://x.example", **PARTY}, "xero": [{"tenant": "t", **PARTY}]}
)


@dataclass
class Books:
    """Contacts of Xero, and which calls asked for them."""

    rows: Mapping[str, Fields]
    calls: list[Sequence[object]] = field(default_factory=list)

    def _record(self, object_id: str) -> Record:
        fields = {"ContactID": object_id, **self.rows[object_id]}
        return Record(Side.XERO, "t", "Contact", object_id, Version(1, 1), NOW, NOW, fields=fields)

    async def find_each(
        self, plan: ReadPlan, wanted: Sequence[Fields], version: Version
    ) -> tuple[tuple[Record, ...], ...]:
        self.calls.append(wanted)
        return tuple(
            tuple(self._record(one) for one, row in self.rows.items() if criteria.items() <= row.items())
            for criteria in wanted
        )

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        self.calls.append(ids)
        return ReadResult(tuple(self._record(one) for one in ids if one in self.rows))


@dataclass
class Desk:
    """A look-up desk over some books, with all that it reported."""

    books: Books
    claimed: frozenset[str] = frozenset()
    told: dict[str, Found] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = Connection(
            SETTINGS, cast("Party", self.books), cast("Party", self.books), "org", "t", lambda: NOW, 0
        )
        self.home.applied[NAME] = Applied(ready(NAME))
        self.lookup = Lookup(self._report, lambda _, mapping, side, object_id: object_id in self.claimed)

    async def _report(self, connection: Connection, key: bytes, event: LinkEvent) -> int:
        if isinstance(event, Found):
            self.told[LinkId.parse(key).source] = event
        elif isinstance(event, Observed):
            self.observed[LinkId.parse(key).source] = event
        return 1


def looks(number: int) -> Job:
    """Looks by number first, then by name."""
    link = new_link(LinkId("demo", NAME, f"salesforce:{number}", "t"))
    find = {"2": {"ContactNumber": str(number)}, "3": {"Name": f"Firm {number}"}}
    return Job(
        replace(link, find={rule: canonical(criteria) for rule, criteria in find.items()}), Todo(Act.LOOK, Side.XERO)
    )


async def test_each_rule_is_one_call_for_all_that_have_found_nothing_yet() -> None:
    books = Books({"x-1": {"ContactNumber": "1"}, "x-2": {"Name": "Firm 2"}, "x-4": {"ContactNumber": "4"}})
    desk = Desk(books, claimed=frozenset({"x-4"}))
    await desk.lookup.run(desk.home, [looks(number) for number in (1, 2, 3, 4)])
    assert [len(call) for call in books.calls] == [4, 3]
    assert {name: (found.hits, found.policy) for name, found in desk.told.items()} == {
        "1": (("x-1",), "link"), "2": (("x-2",), "ask"), "3": ((), "stop"), "4": ((), "stop"),
    }  # fmt: skip


async def test_what_is_found_is_told_by_name() -> None:
    """Of several that match a person must choose: the review says what people call them."""
    desk = Desk(
        Books({"x-1": {"ContactNumber": "1", "Name": "Firm"}, "x-2": {"ContactNumber": "1", "Name": "Firm Ltd"}})
    )
    await desk.lookup.run(desk.home, [looks(1)])
    found = desk.told["1"]
    assert (found.hits, found.names) == (("x-1", "x-2"), ("Firm", "Firm Ltd"))
    link = look(new_link(LinkId("demo", NAME, "salesforce:1", "t")), found, Rules(Side.SALESFORCE, two_way=True))
    assert link.message == "More than one object matches: Firm (x-1), Firm Ltd (x-2)."
    many = replace(found, hits=tuple("abcdefg"), names=("",) * 6 + ("Last",))
    told = look(new_link(link.id), many, Rules(Side.SALESFORCE, two_way=True)).message
    assert told == "More than one object matches: a, b, c, d, e and 2 more."


async def test_what_was_not_told_may_be_taken_again() -> None:
    class Away(Books):
        async def find_each(
            self, plan: ReadPlan, wanted: Sequence[Fields], version: Version
        ) -> tuple[tuple[Record, ...], ...]:
            raise Unavailable("xero.unavailable", "Away.")

    desk = Desk(Away({}))
    with pytest.raises(Unavailable):
        await desk.lookup.run(desk.home, [looks(1), looks(2)])
    assert (desk.home.ready.busy, desk.told) == (0, {})


def probes(number: int, target: str = "") -> Job:
    link = new_link(LinkId("demo", NAME, f"salesforce:{number}", "t"))
    attempt = Attempt("call", Side.XERO, "update" if target else "create", {}, NOW, NOW, NOW, unknown=True)
    link = replace(link, attempt=attempt, xero=End(target))
    return Job(link, Todo(Act.PROBE, Side.XERO, target, call="call"))


async def test_probes_read_known_targets_together_and_look_for_the_marks_of_the_rest() -> None:
    books = Books({"x-1": {"ContactNumber": "1"}, "x-2": {"ContactNumber": "2"}})
    desk = Desk(books)
    await desk.lookup.run(desk.home, [probes(1), probes(2, "x-2"), probes(3), probes(4, "x-4")])
    assert books.calls == [["x-2", "x-4"], [{"ContactNumber": "1"}, {"ContactNumber": "3"}]]
    assert {name: (found.hits, found.ours) for name, found in desk.told.items()} == {
        "1": (("x-1",), True), "2": (("x-2",), True), "3": ((), False), "4": ((), False),
    }  # fmt: skip


def changes(number: int, path: str, *, shows: str, ordinal: int = 1) -> Job:
    """A linked contact of which we last saw ``shows`` as its phone, and whose ``path`` is to be changed."""
    link = new_link(LinkId("demo", NAME, f"salesforce:{number}", "t"))
    phone = canonical(shows)
    end = End(f"x-{number}", Version(1, ordinal))
    link = replace(link, life=Life.LIVE, agreed={"Phone": (phone, phone)}, xero=end, status="draft")
    return Job(link, Todo(Act.UPDATE, Side.XERO, end.id, changed={path: canonical("new")}))


def phones(number: str) -> Fields:
    return {"ContactStatus": "ACTIVE", "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": number}]}


def clocked(desk: Desk) -> list[float]:
    """The connection's counter under a clock of its own; number 1 was given at its beginning."""
    at = [1000.0]
    desk.home.numbers = Numbers(1, lambda: at[0])
    desk.home.numbers.next()
    return at


async def test_a_shared_field_is_read_again_before_it_is_changed() -> None:
    desk = Desk(Books({"x-1": phones("1"), "x-2": phones("edited")}))
    clocked(desk)[0] += 11
    jobs = [changes(1, "Phone", shows="1"), changes(2, "Phone", shows="1")]
    assert await desk.lookup.fresh(desk.home, jobs) is None
    assert desk.books.calls == [["x-1", "x-2"]]
    assert desk.home.tally["calls", "xero", "safety read"] == 1
    ((name, seen),) = desk.observed.items()
    assert (name, seen.object_id, seen.flat["Phone"]) == ("2", "x-2", canonical("edited"))
    drafts = await desk.lookup.fresh(desk.home, jobs[:1])
    assert drafts is not None
    assert [piece.write.target for piece in drafts] == ["x-1"]


async def test_a_field_that_the_mapping_has_newly_is_not_written_over_unheard() -> None:
    """Nothing was agreed on it yet: what stands there is told, and the two sides meet for the first time."""
    desk = Desk(Books({"x-1": phones("theirs"), "x-2": phones("new"), "x-3": phones("")}))
    clocked(desk)[0] += 60
    jobs = [
        replace(job, link=replace(job.link, agreed={})) for job in (changes(n, "Phone", shows="") for n in (1, 2, 3))
    ]
    assert await desk.lookup.fresh(desk.home, jobs) is None
    assert list(desk.observed) == ["1"]
    assert await desk.lookup.fresh(desk.home, jobs[1:]) is not None


async def test_what_was_just_seen_is_not_read_again() -> None:
    desk = Desk(Books({"x-1": phones("edited")}))
    at = clocked(desk)
    at[0] += 30
    seen = desk.home.numbers.next()
    at[0] += 9
    job = changes(1, "Phone", shows="1", ordinal=seen.ordinal)
    assert await desk.lookup.fresh(desk.home, [job]) is not None
    assert desk.books.calls == []
    at[0] += 2
    assert await desk.lookup.fresh(desk.home, [job]) is None


async def test_a_field_of_one_owner_is_not_read_again() -> None:
    desk = Desk(Books({"x-1": phones("edited")}))
    clocked(desk)[0] += 60
    assert await desk.lookup.fresh(desk.home, [changes(1, "Name", shows="1")]) is not None
    assert (desk.books.calls, desk.home.tally["calls", "xero", "safety read"]) == ([], 0)
