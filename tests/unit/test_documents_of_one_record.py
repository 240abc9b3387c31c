"""Several documents of one record: which are made, which waits for which, what one that fails does to the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from connector.core.applied import Applied
from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import Act, outputs
from connector.core.link_events import TOTAL, LinkEvent, Rejected, Settled, Started, Texts
from connector.core.link_events import Applied as Done
from connector.core.link_state import Hold, Life, Link
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.parse import parse
from connector.core.records import Record, Side, Version
from connector.core.values import Value
from connector.errors import MappingError
from tests.unit.mapping_catalogs import CATALOGS
from tests.unit.settle_desk import NOW, Desk

HEAD = """\
mapping: deal
from: salesforce.Opportunity
read: { rows: OpportunityLineItems }
when: =record.IsWon
to: xero.Invoice
together: %s
life: { changed: { approved: credit }, left: { draft: delete, approved: void }, again: new }
fields: { Type: ACCREC, Contact: c1, Date: 2026-03-01 }
"""
TWO = """\
documents:
  - key: deposit
    fields: { InvoiceNumber: { set: "=record.Number__c + '-D' + suffix(generation)", write: once } }
    lines: [ { key: one, fields: { Description: A, Quantity: 1, UnitAmount: =record.Shipping__c } } ]
  - key: rest
    %s
    fields: { InvoiceNumber: { set: "=record.Number__c + '-R' + suffix(generation)", write: once } }
    lines: [ { key: one, fields: { Description: B, Quantity: 1, UnitAmount: =record.Amount } } ]
"""
ROWS = """\
documents:
  - each: =rows
    as: stage
    key: =stage.Id
    when: =stage.Quantity > 0
    fields: { InvoiceNumber: { set: "=record.Number__c + stage.Id + suffix(generation)", write: once } }
    lines: [ { key: one, fields: { Description: =stage.Description, Quantity: 1, UnitAmount: =stage.UnitPrice } } ]
"""
NOTHING: Texts = {}
REFUSED = Failure("xero.account", Kind.FIX, "No such account.")


class Office:
    """Plan and settle over tables in memory, with a company that takes what it is sent."""

    def __init__(self, text: str) -> None:
        self.desk = Desk(())
        self.desk.home.applied["deal"] = Applied(bind(parse(text, "deal.yaml"), CATALOGS))
        self.desk.home.caught_up = True
        self.version = 10
        self.calls = 0
        self.done = 0

    async def says(self, **fields: Value) -> None:
        """The opportunity was changed, and is read as often as anybody asks for it."""
        stamp = NOW + timedelta(seconds=self.version)
        for _ in range(5):
            self.desk.asked.clear()
            await self._read(stamp, **fields)
            if "o1" not in [object_id for _, object_id in self.desk.asked]:
                return
        raise AssertionError("it is asked for without end")

    async def _read(self, stamp: datetime, **fields: Value) -> None:
        self.version += 1
        known: Mapping[str, Value] = {
            "IsWon": True, "Number__c": "N", "Amount": Decimal(700), "Shipping__c": Decimal(300),
            "OpportunityLineItems": [], **fields,
        }  # fmt: skip
        record = Record(Side.SALESFORCE, "org", "Opportunity", "o1", Version(1, self.version), NOW, stamp, fields=known)
        await self.desk.take(record)
        await self.settled()

    async def settled(self) -> None:
        """Everything that was sent is folded."""
        for _ in range(200):
            if self.done == len(self.desk.sent):
                return
            link_id, event = self.desk.sent[self.done]
            self.done += 1
            await self.desk.fold(link_id, event)
        raise AssertionError("it never comes to rest")

    def links(self) -> dict[str, Link]:
        """The last link of each document."""
        out: dict[str, Link] = {}
        for link in self.desk.tables.links.scan(0):
            if link.id.part not in out or out[link.id.part].id.generation < link.id.generation:
                out[link.id.part] = link
        return out

    async def tell(self, link: Link, event: LinkEvent) -> None:
        await self.desk.fold(link.id, event)
        await self.settled()

    def act(self, part: str) -> str:
        link = self.links()[part]
        rules = self.desk.home.rules("deal", link.mapping_version, link.id.part)
        assert rules is not None
        todo = outputs(link, rules).todo
        return todo.act.value if todo is not None else ""

    async def works(self, part: str, refused: Failure | None = None, more: Texts = NOTHING) -> None:
        """The write loop does what a document needs next; the answer shows ``more`` than was sent."""
        link = self.links()[part]
        rules = self.desk.home.rules("deal", link.mapping_version, link.id.part)
        assert rules is not None
        todo = outputs(link, rules).todo
        assert todo is not None
        self.calls += 1
        call, status = f"c{self.calls}", {Act.APPROVE: "approved", Act.REMOVE: "gone"}.get(todo.act, "draft")
        await self.tell(link, Started(call, Side.XERO, todo.act.value, todo.changed, NOW, NOW))
        if refused is not None:
            await self.tell(link, Rejected(call, refused, NOW))
            return
        self.version += 1
        target, shown = link.xero.id or f"x{self.calls}", link.seen(Side.XERO)
        shown |= {**todo.whole, **more}
        await self.tell(link, Done(call, target, Version(1, self.version), NOW, shown, status))


def two(together: str = "best-effort", more: str = "") -> Office:
    return Office(HEAD % together + TWO % (more or "approve: checked"))


async def test_each_document_has_a_link_of_its_own() -> None:
    office = two()
    await office.says()
    assert {part: link.seen(Side.SALESFORCE)["InvoiceNumber"] for part, link in office.links().items()} == {
        "deposit": '"N-D"', "rest": '"N-R"',
    }  # fmt: skip
    assert {link.id.document for link in office.links().values()} == {"salesforce:o1#deposit", "salesforce:o1#rest"}


async def test_what_comes_after_waits_until_the_other_stands() -> None:
    office = two(more="after: deposit")
    await office.says()
    assert office.links()["rest"].hold is Hold.WAITS
    await office.works("deposit")
    assert office.links()["rest"].hold is Hold.WAITS, "a draft that will be approved does not stand yet"
    await office.works("deposit")
    assert office.links()["rest"].hold is Hold.NONE
    assert office.act("rest") == "create"


async def test_drafts_wait_for_each_other() -> None:
    office = two("draft-first")
    await office.says()
    await office.works("deposit")
    assert office.act("deposit") == "", "the other is not drafted yet"
    await office.works("rest")
    assert (office.act("deposit"), office.act("rest")) == ("approve", "approve")
    await office.works("deposit")
    await office.works("rest")
    assert {link.status for link in office.links().values()} == {"approved"}


@pytest.mark.parametrize("order", [("deposit", "rest"), ("rest", "deposit")])
async def test_beside_one_that_fails_no_draft_stays(order: tuple[str, str]) -> None:
    office = two("draft-first")
    await office.says()
    for part in order:
        if office.act(part) == "create":
            await office.works(part, REFUSED if part == "rest" else None)
    if office.act("deposit") == "remove":
        await office.works("deposit")
    deposit, rest = office.links()["deposit"], office.links()["rest"]
    assert (deposit.life, deposit.reason) == (Life.ENDED, "undone")
    assert "rest" in deposit.message
    assert (rest.hold, rest.code) == (Hold.FAILED, "xero.account"), "one review names the culprit"


async def test_once_the_culprit_is_mended_all_begin_anew() -> None:
    office = two("draft-first")
    await office.says()
    await office.works("deposit")
    await office.works("rest", REFUSED)
    await office.works("deposit")
    await office.says()
    assert office.links()["deposit"].id.generation == 1, "nothing begins beside what fails still"
    await office.says(Amount=Decimal(800))
    deposit = office.links()["deposit"]
    assert (deposit.id.generation, deposit.seen(Side.SALESFORCE)["InvoiceNumber"]) == (2, '"N-D-2"')
    await office.works("rest")
    await office.works("deposit")
    assert (office.act("deposit"), office.act("rest")) == ("approve", "approve")


async def test_what_a_mapping_refuses_lets_none_of_the_set_begin() -> None:
    office = two("draft-first")
    await office.says(Amount="seven")
    assert {part: link.code for part, link in office.links().items()} == {"rest": "mapping.type"}


async def test_best_effort_makes_what_it_can() -> None:
    office = two()
    await office.says(Amount="seven")
    assert office.act("deposit") == "create"
    assert office.links()["rest"].code == "mapping.type"


def stage(name: str, price: int, quantity: int = 1) -> dict[str, Value]:
    return {"Id": name, "Quantity": Decimal(quantity), "UnitPrice": Decimal(price), "Description": name}


async def test_each_row_is_a_document_and_one_that_goes_takes_it_along() -> None:
    office = Office(HEAD % "best-effort" + ROWS)
    await office.says(OpportunityLineItems=[stage("a", 1), stage("b", 2), stage("c", 3, 0)])
    assert set(office.links()) == {"stage:a", "stage:b"}
    await office.works("stage:a")
    await office.says(OpportunityLineItems=[stage("b", 2)])
    assert office.act("stage:a") == "remove"
    assert office.links()["stage:b"].left == ""


async def test_rows_of_one_key_are_one_review() -> None:
    office = Office(HEAD % "best-effort" + ROWS)
    await office.says(OpportunityLineItems=[stage("a", 1), stage("a", 2)])
    assert {part: link.code for part, link in office.links().items()} == {"*": "mapping.document-key"}
    await office.says(OpportunityLineItems=[stage("a", 1)])
    assert office.links()["*"].hold is Hold.NONE
    assert office.act("stage:a") == "create"


async def test_a_record_that_leaves_takes_all_its_documents_back() -> None:
    office = two()
    await office.says()
    for part in ("deposit", "rest", "rest"):
        await office.works(part)
    await office.says(IsWon=False)
    assert (office.act("deposit"), office.act("rest")) == ("remove", "remove")


async def test_nothing_approved_is_undone() -> None:
    office = two("draft-first")
    await office.says()
    for part in ("deposit", "rest", "deposit", "rest"):
        await office.works(part)
    await office.tell(office.links()["deposit"], Settled("undo", "draft-first", NOW, "late"))
    assert (office.links()["deposit"].left, office.act("deposit")) == ("", "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TWO % "after: other", "mapping.after"),
        (TWO.replace("key: rest", "key: deposit") % "approve: draft", "mapping.duplicate-document"),
        (TWO.replace("key: rest", "key: =record.Id") % "approve: draft", "mapping.document-key"),
        (ROWS.replace("key: =stage.Id", "key: =record.Id"), "mapping.line-key"),
        ("documents: []\n", "mapping.documents"),
    ],
)
def test_what_cannot_be_a_set_is_refused(text: str, code: str) -> None:
    with pytest.raises(MappingError) as refused:
        parse(HEAD % "best-effort" + text, "deal.yaml")
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (HEAD % "draft-first" + TWO % "approve: at-once", "mapping.draft-first"),
        (HEAD % "best-effort" + TWO.replace(" + suffix(generation)", "") % "approve: draft", "mapping.credit"),
    ],
)
def test_what_cannot_work_is_told(text: str, code: str) -> None:
    assert code in {one.code for one in check((parse(text, "deal.yaml"),), CATALOGS)}


def test_a_part_is_no_part_of_the_id() -> None:
    link_id = LinkId("demo", "deal", "salesforce:o1#stage:a", "t")
    assert (link_id.source, link_id.part, LinkId.parse(link_id.key)) == ("o1", "stage:a", link_id)
    assert replace(link_id, document="salesforce:o1").part == ""


async def test_what_was_approved_is_credited_and_made_anew() -> None:
    office = two()
    await office.says()
    await office.works("rest", more={TOTAL: '{"#":"840"}'})
    await office.works("rest")
    await office.says(Amount=Decimal(750))
    links = office.links()
    assert (links["rest"].id.generation, office.act("rest")) == (2, "create")
    assert links["rest"].seen(Side.SALESFORCE)["InvoiceNumber"] == '"N-R-2"'
    note = links["rest~credit-1"].seen(Side.SALESFORCE)
    assert (note["Type"], note["CreditNoteNumber"]) == ('"ACCRECCREDIT"', '"CR-N-R"')
    assert note["LineItems/one/UnitAmount"] == '{"#":"700"}', "what stood in the invoice"
    assert [links[part].money for part in ("rest", "rest~credit-1")] == ['{"#":"750"}', '{"#":"700"}']
    waits = office.links()["rest~allocation-1"]
    assert (waits.hold, waits.seen(Side.SALESFORCE)["Amount"]) == (Hold.WAITS, '{"#":"840"}'), "with its tax"
    await office.works("rest~credit-1")
    assert office.act("rest~allocation-1") == "", "the note is a draft"
    await office.works("rest~credit-1")
    assert office.act("rest~allocation-1") == "look"
    rule = office.desk.home.rule
    ends = {part: rule(link).target.entity for part, link in office.links().items()}
    assert ends["rest~credit-1"] == "CreditNote"
    assert ends["rest~allocation-1"] == "Allocation"
    before = len(office.desk.sent)
    await office.says(Amount=Decimal(750))
    assert [event for _, event in office.desk.sent[before:] if isinstance(event, Settled)] == []
    assert set(office.links()) == {"deposit", "rest", "rest~credit-1", "rest~allocation-1"}


async def test_the_credit_note_stays_when_the_record_leaves() -> None:
    office = two()
    await office.says()
    await office.works("rest")
    await office.works("rest")
    await office.says(Amount=Decimal(750))
    await office.works("rest~credit-1")
    await office.says(IsWon=False, Amount=Decimal(750))
    assert office.links()["rest~credit-1"].left == ""
    assert office.act("rest") == "", "the new one was not born yet"


PAID = """\
mapping: paid
from: xero.Invoice
writes: update
to: salesforce.Opportunity
target: =source('deal', record)
several: %s
fields: { Amount_Paid__c: =record.AmountPaid, Invoice_Status__c: =record.Status }
"""


async def paying(several: str) -> Office:
    """Both documents approved, and the back-write of what was paid on them."""
    office = two()
    office.desk.home.applied["paid"] = Applied(bind(parse(PAID % several, "paid.yaml"), CATALOGS))
    await office.says()
    for part in ("deposit", "deposit", "rest", "rest"):
        await office.works(part)
    return office


async def pays(office: Office, part: str, amount: int, status: str = "AUTHORISED") -> None:
    """Xero shows the invoice of a document."""
    office.version += 1
    fields: Mapping[str, Value] = {"Status": status, "AmountPaid": Decimal(amount), "Type": "ACCREC"}
    stamp, object_id = NOW + timedelta(seconds=office.version), office.links()[part].xero.id
    record = Record(Side.XERO, "t", "Invoice", object_id, Version(1, office.version), NOW, stamp, fields=fields)
    await office.desk.take(record)
    await office.settled()


def told(office: Office) -> dict[str, str]:
    """What is to be written to the opportunity, by all links that aim at it."""
    out: dict[str, str] = {}
    for link in office.desk.tables.links.scan(0):
        if link.id.mapping == "paid" and link.salesforce.id:
            assert link.salesforce.id == "o1"
            assert not out, "one link speaks"
            out = link.seen(Side.XERO)
    return out


async def test_numbers_of_all_documents_are_added_up() -> None:
    office = await paying("sum")
    await pays(office, "deposit", 300, "PAID")
    assert told(office) == {}, "the last one has not been seen yet"
    await pays(office, "rest", 100)
    assert told(office) == {"Amount_Paid__c": '{"#":"400"}', "Invoice_Status__c": '"AUTHORISED"'}
    await pays(office, "rest", 700, "PAID")
    assert told(office) == {"Amount_Paid__c": '{"#":"1000"}', "Invoice_Status__c": '"PAID"'}
    await pays(office, "deposit", 0, "VOIDED")
    assert told(office)["Amount_Paid__c"] == '{"#":"700"}', "what was voided counts no more"


async def test_the_newest_of_several_documents_speaks() -> None:
    office = await paying("newest")
    await pays(office, "deposit", 300, "PAID")
    await pays(office, "rest", 100)
    assert told(office) == {"Amount_Paid__c": '{"#":"100"}', "Invoice_Status__c": '"AUTHORISED"'}


def test_a_sum_is_over_the_documents_of_one_record() -> None:
    text = (PAID % "sum").replace("source('deal', record)", "source('deal', record.Reference)")
    rules = (parse(HEAD % "best-effort" + TWO % "approve: draft", "deal.yaml"), parse(text, "paid.yaml"))
    assert "mapping.sum" in {one.code for one in check(rules, CATALOGS)}


ONE = """\
fields:
  { Type: ACCREC, Contact: c1, Date: 2026-03-01,
    InvoiceNumber: { set: "=record.Number__c + suffix(generation)", write: once } }
lines: [ { key: one, fields: { Description: A, Quantity: 1, UnitAmount: =record.Amount } } ]
"""


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_link_follows_the_text_that_made_it_from_one_document_to_several(*, backwards: bool) -> None:
    head = "\n".join(line for line in (HEAD % "best-effort").split("\n") if not line.startswith(("together", "fields")))
    texts = [head + ONE, HEAD % "best-effort" + TWO % "approve: checked"]
    first, then = (bind(parse(text, "deal.yaml"), CATALOGS) for text in (reversed(texts) if backwards else texts))
    office = Office(texts[backwards])
    await office.says()
    made = sorted(office.links())
    for part in made:
        await office.works(part)
    office.desk.home.applied["deal"] = Applied(then, kept={first.version: first})
    await office.says(Amount=Decimal(900), Shipping__c=Decimal(400))
    for part in made:
        assert office.act(part) == "update", part
    assert sorted(office.links()) == made, "and nothing begins beside it"
