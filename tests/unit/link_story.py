"""The fold, told by hand: one record, its target, and what happens between them. The tests stand in `test_link_*`.

The record is Opportunity ``o1`` in Salesforce, the target invoice ``i1`` in Xero; or account ``o1`` and contact ``i1``,
where both sides have a say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link, outputs, state, step
from connector.core.link_events import (
    GONE,
    Applied,
    Found,
    LinkEvent,
    Observed,
    Started,
    Texts,
    Wanted,
)
from connector.core.link_state import Link, Rules, State
from connector.core.records import Side, Version

SF, XERO = Side.SALESFORCE, Side.XERO
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFE = {"draft": "delete", "approved": "void", "paid": "tell"}
INVOICE = Rules(
    SF, creates=frozenset((XERO,)), left=LIFE, deleted=LIFE, changed={"approved": "reissue", "paid": "tell"}
)
CONTACT = Rules(SF, two_way=True, creates=frozenset((SF, XERO)), owners={"Name": "salesforce", "Limit": "xero"})
REFUSED = Failure("xero.bad-code", Kind.FIX, "There is no such account.", "Correct the code.")
BUSY = Failure("http.429", Kind.RETRY, "Too many requests.", retry_after=7)
TAKEN = Failure("xero.duplicate-number", Kind.RESOLVE, "The number is taken.")
RED, BLUE, GREEN = '"red"', '"blue"', '"green"'


@dataclass
class Story:
    """One link and its log."""

    rules: Rules = INVOICE
    link: Link = field(default_factory=lambda: new_link(LinkId("c", "m", "salesforce:o1", "t")))
    number: int = 0
    now: datetime = NOON
    calls: int = 0

    def tell(self, event: LinkEvent) -> Story:
        self.number += 1
        self.link = step(self.link, event, self.rules, self.number)
        return self

    def version(self) -> Version:
        self.number += 1
        return Version(1, self.number)

    def wants(self, side: Side = SF, **flat: str) -> Story:
        return self.tell(self.record(side, flat))

    def record(self, side: Side, flat: Texts | None, **more: object) -> Wanted:
        object_id = "o1" if side is SF else "i1"
        return Wanted(side, object_id, self.version(), None, "1", flat, **more)  # type: ignore[arg-type]

    def shows(self, status: str = "draft", **flat: str) -> Story:
        gone = status == "gone"
        return self.tell(Observed(XERO, "i1", self.version(), None, {p(n): t for n, t in flat.items()}, status, gone))

    def finds(self, *hits: str, **more: object) -> Story:
        return self.tell(Found(XERO, hits, self.now, **more))  # type: ignore[arg-type]

    def starts(self) -> Started:
        task = self.todo
        assert task is not None
        self.calls += 1
        event = Started(
            f"call-{self.calls}", task.side, task.act.value, task.changed, self.now, self.now + timedelta(minutes=1)
        )
        self.tell(event)
        return event

    def writes(self, status: str = "draft", **answer: str) -> Started:
        """The next act, carried out: the answer shows what was sent, but for what ``answer`` says."""
        sent = self.starts()
        shown = {path: text for path, text in {**self.link.seen(XERO), **sent.sent, **answer}.items() if text != GONE}
        flat = shown if sent.side is XERO else None
        self.tell(Applied(sent.call, "i1" if sent.side is XERO else "o1", self.version(), None, flat, status))
        return sent

    def born(self, **flat: str) -> Story:
        self.tell(self.record(SF, {p(name): text for name, text in flat.items()}))
        if self.todo is not None and self.todo.act is Act.LOOK:
            self.finds()
        self.writes()
        return self

    @property
    def todo(self) -> Todo | None:
        return outputs(self.link, self.rules).todo

    @property
    def code(self) -> str:
        review = outputs(self.link, self.rules).review
        return "" if review is None else review.code

    @property
    def state(self) -> State:
        return state(self.link, self.rules)


def p(name: str) -> str:
    """``Lines_1_Text`` is written for the path ``Lines/1/Text``."""
    return name.replace("_", "/")
