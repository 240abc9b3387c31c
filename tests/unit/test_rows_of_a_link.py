"""A link with rows, from the first wish to rest, beside a small org that does what writes say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from connector.core.applied import rules_of
from connector.core.document import Document
from connector.core.identity import LinkId
from connector.core.link import new_link, outputs, state, step
from connector.core.link_events import Applied, LinkEvent, Started, Wanted
from connector.core.link_state import Link, State
from connector.core.mapping.evaluate import Context, document
from connector.core.party import MOST_ROWS, Write
from connector.core.planning import observe
from connector.core.records import Record, Side, Version
from connector.core.sending import draft
from connector.core.values import Fields, Value, canonical, texts
from tests.unit.mapping_catalogs import ready

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MIRROR = ready("invoice-to-xero-invoice")
RULES = rules_of(MIRROR)


@dataclass
class Desk:
    """One invoice, its link, its object with rows in Salesforce, and the writes that went there."""

    link: Link = field(default_factory=lambda: new_link(LinkId("c", MIRROR.name, "xero:inv-1", "t")))
    number: int = 0
    fields: dict[str, Value] = field(default_factory=dict)
    rows: dict[str, dict[str, Value]] = field(default_factory=dict)  # by record id
    writes: list[Write] = field(default_factory=list)

    def tell(self, event: LinkEvent) -> None:
        self.number += 1
        self.link = step(self.link, event, RULES, self.number)

    def version(self) -> Version:
        self.number += 1
        return Version(1, self.number)

    def invoice(self, *lines: Fields) -> None:
        """Xero shows the invoice, and all that follows is done."""
        seen: Fields = {"InvoiceNumber": "INV-1", "Type": "ACCREC", "Status": "AUTHORISED", "LineItems": list(lines)}
        record = Record(Side.XERO, "t", "Invoice", "inv-1", self.version(), NOON, None, fields=seen)
        out = document(MIRROR, record, Context())
        assert isinstance(out, Document)
        flat, refs = texts(out.flat)
        mark, once = canonical(list(out.mark or ())), tuple(sorted(out.once))
        known = Wanted(Side.XERO, "inv-1", record.version, None, MIRROR.version, flat, refs, once)
        self.tell(replace(known, order=out.order, entity=out.entity, mark=mark))
        for _ in range(6):
            if not self.work():
                return
        raise AssertionError("the link does not come to rest")

    def work(self) -> bool:
        todo = outputs(self.link, RULES).todo
        if todo is None:
            return False
        piece = draft(self.link, todo, MIRROR, (), self.record().fields if self.fields else None)
        self.tell(
            Started(f"call-{self.number}", todo.side, todo.act.value, piece.sent, NOON, NOON + timedelta(minutes=1))
        )
        self.carry_out(piece.write)
        attempt = self.link.attempt
        assert attempt is not None
        self.tell(Applied(attempt.call, "a01", self.version()))
        self.shows()
        return True

    def carry_out(self, write: Write) -> None:
        self.writes.append(write)
        self.fields.update(write.fields)
        for row in write.rows:
            key, mark = row.mark
            if row.fields is None:
                del self.rows[str(row.target)]
                continue
            target = row.target or next((one for one, held in self.rows.items() if held[key] == mark), f"r-{mark}")
            self.rows.setdefault(target, {"Id": target, key: mark}).update(row.fields)

    def record(self) -> Record:
        fields = {**self.fields, "Lines__r": list(self.rows.values())}
        return Record(Side.SALESFORCE, "o", "Xero_Invoice__c", "a01", self.version(), NOON, None, fields=fields)

    def shows(self) -> None:
        self.tell(observe(self.record(), MIRROR, {}))

    @property
    def state(self) -> State:
        return state(self.link, RULES)


def line(number: int, amount: int = 10, **more: Value) -> Fields:
    return {"LineItemID": f"l{number}", "LineAmount": Decimal(amount), "Description": f"Line {number}", **more}


def test_a_link_with_rows_comes_to_rest_and_a_second_look_writes_nothing() -> None:
    desk = Desk()
    desk.invoice(line(1), line(2))
    assert (len(desk.writes), set(desk.rows), desk.state) == (1, {"r-l1", "r-l2"}, State.CLEAN)
    desk.invoice(line(1), line(2))
    desk.shows()
    assert (len(desk.writes), desk.state) == (1, State.CLEAN)


def test_only_what_moved_is_written() -> None:
    desk = Desk()
    desk.invoice(line(1), line(2), line(3))
    desk.invoice(line(1), line(2, 12), line(4))
    (write,) = desk.writes[1:]
    assert {row.mark[1]: row.fields is None for row in write.rows} == {"l2": False, "l3": True, "l4": False}
    assert not write.fields, "the object itself is as it was"
    assert desk.rows["r-l2"]["Line_Amount__c"] == 12
    desk.invoice(line(2, 12, Description=None), line(4))
    assert desk.rows["r-l2"]["Description__c"] is None, "what a line says no more is emptied"
    assert desk.state is State.CLEAN


def test_a_line_that_returns_is_a_row_again() -> None:
    desk = Desk()
    desk.invoice(line(1), line(2))
    desk.invoice(line(1))
    desk.invoice(line(1), line(2, 30))
    assert desk.rows["r-l2"]["Line_Amount__c"] == 30
    assert desk.state is State.CLEAN


def test_more_rows_than_a_call_takes_follow_in_the_next() -> None:
    desk = Desk()
    many = [line(number) for number in range(MOST_ROWS + 200)]
    desk.invoice(*many)
    assert [len(write.rows) for write in desk.writes] == [MOST_ROWS, 200]
    assert (len(desk.rows), desk.state) == (MOST_ROWS + 200, State.CLEAN)
    desk.invoice(*many[:1])
    assert [len(write.rows) for write in desk.writes[2:]] == [MOST_ROWS, 199]
    assert (len(desk.rows), desk.state) == (1, State.CLEAN)


def test_what_a_person_does_to_a_row_stays_until_both_sides_moved() -> None:
    desk = Desk()
    desk.invoice(line(1), line(2))
    desk.rows["r-l1"]["Description__c"] = "Theirs"
    desk.rows["r-x"] = {"Id": "r-x", "Xero_Id__c": None, "Description__c": "A row of their own"}
    desk.shows()
    desk.invoice(line(1, 11), line(2))
    assert desk.rows["r-l1"] | {"Id": ""} == {
        "Id": "", "Xero_Id__c": "l1", "Description__c": "Theirs", "Line_Amount__c": Decimal(11),
    }  # fmt: skip
    assert "r-x" in desk.rows
    before = len(desk.writes)
    desk.invoice(line(1, 11, Description="Ours"), line(2))
    assert (len(desk.writes), desk.state) == (before, State.CONFLICT)
    assert desk.link.hold_paths == ("Lines__r/l1/Description__c",)


def test_a_row_that_a_person_took_away_does_not_come_back_by_itself() -> None:
    desk = Desk()
    desk.invoice(line(1), line(2))
    del desk.rows["r-l2"]
    desk.shows()
    desk.invoice(line(1, 15), line(2))
    assert set(desk.rows) == {"r-l1"}
    assert desk.rows["r-l1"]["Line_Amount__c"] == 15
    desk.invoice(line(1, 15), line(2, 99))
    assert desk.state is State.CONFLICT


def test_an_object_that_shows_no_rows_says_nothing_of_them() -> None:
    desk = Desk()
    desk.invoice(line(1))
    bare = replace(desk.record(), fields=dict(desk.fields))
    seen = observe(bare, MIRROR, {})
    assert not [path for path in seen.flat if "/" in path]
