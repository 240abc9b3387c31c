"""Allocations, files and history notes as targets: what is refused, how they are told apart, what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connector.core.catalog import Catalog
from connector.core.document import Document, Refused
from connector.core.link_state import Life
from connector.core.mapping.approval import APPROVALS, approve_of, born_as
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.evaluate import Context, document, observed
from connector.core.mapping.life import Action, Group, group, removal
from connector.core.mapping.model import Mapping as Rules
from connector.core.mapping.parse import parse
from connector.core.records import Record, Side, Version
from connector.core.values import Ref, Value
from connector.xero.catalog import XeroCatalog
from connector.xero.expected import expected
from connector.xero.money import Chart
from tests.unit.link_story import INVOICE, Story
from tests.unit.mapping_catalogs import CATALOGS

BOTH: Mapping[Side, Catalog] = {Side.SALESFORCE: CATALOGS[Side.SALESFORCE], Side.XERO: XeroCatalog()}
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOME = Context(connection={"url": "https://acme.my.salesforce.com"})
INVOICES = """
mapping: opportunity-to-invoice
from: salesforce.Opportunity
to: xero.Invoice
fields: { Type: ACCREC, InvoiceNumber: =record.Number__c, Contact: =record.AccountId }
lines: [ { key: a, fields: { Description: x } } ]
"""
NOTE = """
mapping: note
from: salesforce.Opportunity
to: xero.HistoryRecord
fields:
  Invoice: =target('opportunity-to-invoice', record)
  Details: =record.Description
"""
PART = """
mapping: part
from: salesforce.Opportunity
to: xero.Allocation
fields:
  CreditNote: =record.Number__c
  Invoice: =target('opportunity-to-invoice', record)
  Amount: =record.Amount
  Date: =record.CloseDate
"""
FILE = """
mapping: file
from: salesforce.Opportunity
to: xero.Attachment
fields:
  Invoice: =target('opportunity-to-invoice', record)
  FileName: =record.Name
  Content: ='see ' + connection.url + '/' + record.Id
"""


def problems(text: str) -> list[str]:
    found = check((parse(INVOICES, "i.yaml"), parse(text, "m.yaml")), BOTH)
    return [one.code for one in found if one.file == "m.yaml"]


def rule(text: str) -> Rules:
    return bind(parse(text, "m.yaml"), BOTH)


def made(text: str, **fields: Value) -> Document:
    out = document(rule(text), record(Side.SALESFORCE, "Opportunity", "006A", fields), HOME)
    assert isinstance(out, Document), out
    return out


def record(side: Side, entity: str, object_id: str, fields: Mapping[str, Value]) -> Record:
    return Record(side, "org", entity, object_id, Version(1, 1), NOW, NOW, fields=fields)


@pytest.mark.parametrize("text", [NOTE, PART, FILE])
def test_they_are_ordinary_targets(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (NOTE.replace("  Invoice: =target('opportunity-to-invoice', record)\n", ""), "mapping.below"),
        (NOTE + "  Contact: =record.AccountId\n", "mapping.below"),
        (NOTE + "life: { left: { approved: void } }\n", "mapping.life"),
        (NOTE + "approve: checked\n", "mapping.approve"),
        (NOTE.replace("Details", "Detail"), "mapping.missing-required"),
        (FILE + "  File: =record.Name\n", "mapping.below"),
        (FILE.replace("  Content: ='see ' + connection.url + '/' + record.Id\n", ""), "mapping.below"),
        (PART + "life: { changed: { approved: update } }\n", "mapping.life"),
        (PART.replace("  CreditNote: =record.Number__c\n", ""), "mapping.below"),
    ],
)
def test_what_xero_has_no_word_for_is_refused_with_its_line(text: str, code: str) -> None:
    assert code in problems(text)


def test_nothing_can_be_made_of_them() -> None:
    back = "mapping: m\nfrom: xero.Allocation\nto: salesforce.Account\nmark: Name\nfields: { Name: =record.Amount }\n"
    assert "mapping.unknown-entity" in problems(back)


def test_a_note_that_does_not_name_its_record_carries_our_mark() -> None:
    plain = made(NOTE, Description="Approved by finance")
    assert str(plain.flat["Details"]).startswith("Approved by finance (tl-")
    assert plain.mark == ("Details", plain.flat["Details"])
    named = made(NOTE, Description="Made of 006A")
    assert named.flat["Details"] == "Made of 006A"


def test_a_note_and_a_file_are_written_once_and_stay() -> None:
    for text in (NOTE, FILE):
        one = rule(text)
        assert all(setting.once for setting in one.settings)
        assert set(one.life.left.values()) == set(one.life.deleted.values()) == {Action.KEEP}
    assert rule(PART).life.left[Group.APPROVED] is Action.TELL


def test_files_and_allocations_are_looked_for_below_their_document_first() -> None:
    file = made(FILE, Name="Salesforce.txt")
    assert set(file.find) == {"Invoice", "FileName"}
    assert isinstance(file.find["Invoice"], Ref)
    part = made(PART, Number__c="cn", Amount=Decimal("5.00"), CloseDate=date(2026, 11, 20))
    assert set(part.find) == {"CreditNote", "Invoice", "Amount", "Date"}
    assert made(NOTE, Description="006A").find == {}


def test_a_long_note_is_refused_not_cut() -> None:
    out = document(rule(NOTE), record(Side.SALESFORCE, "Opportunity", "006A", {"Description": "x" * 2451}), HOME)
    assert isinstance(out, Refused)
    assert out.failure.code == "mapping.too-long"


def test_what_no_answer_shows_is_no_edit() -> None:
    shown = record(
        Side.XERO, "Attachment", "Invoices/i/Attachments/a", {"FileName": "a", "Invoice": {"InvoiceID": "i"}}
    )
    flat = observed(rule(FILE), shown, {})
    assert flat == {"Invoice": "i", "FileName": "a"}


def test_an_allocation_is_taken_away_and_a_note_is_not() -> None:
    assert group(Side.XERO, "Allocation", {"Amount": Decimal(1)}) is Group.APPROVED
    assert group(Side.XERO, "Allocation", {"IsDeleted": True}) is Group.GONE
    assert removal(Side.XERO, "Allocation", Group.APPROVED) == {"IsDeleted": True}
    assert removal(Side.XERO, "HistoryRecord", Group.APPROVED) is None


def test_a_kept_target_ends_its_link_by_that_name() -> None:
    policy = {"draft": "keep", "approved": "keep", "paid": "keep"}
    story = Story(replace(INVOICE, left=policy, deleted=policy)).wants(Details=RED)
    story.writes("approved")
    story.tell(story.record(Side.SALESFORCE, None, left="left"))
    assert (story.link.life, story.link.reason) == (Life.ENDED, "kept")
    story.wants(Details=RED)
    assert (story.link.life, story.link.reason) == (Life.ENDED, "kept"), "it comes back, and has its note already"


RED = '"red"'


@pytest.mark.parametrize("entity", sorted(APPROVALS))
def test_what_has_a_draft_is_born_as_one_and_approved_after_the_comparison(entity: str) -> None:
    text = INVOICES.replace("xero.Invoice", f"xero.{entity}").replace("mapping: opportunity-to-invoice", "mapping: m")
    checked, at_once = rule(text + "approve: checked\n"), rule(text + "approve: at-once\n")
    assert (approve_of(checked), born_as(checked)) == ("checked", "DRAFT")
    assert born_as(at_once) == APPROVALS[entity].final
    assert approve_of(rule(text)) == APPROVALS[entity].usual


def test_what_names_its_own_status_is_not_approved_by_us() -> None:
    text = INVOICES.replace("xero.Invoice", "xero.PurchaseOrder").replace("Type: ACCREC", "Status: SUBMITTED")
    assert (approve_of(rule(text)), born_as(rule(text))) == ("at-once", "")


def test_what_has_no_draft_is_compared_with_the_answer() -> None:
    chart = Chart({})
    assert expected({"Amount": Decimal("5")}, "Payment", chart) == {"Amount": Decimal("5.00")}
    lines: list[Value] = [{"LineAmount": Decimal("1.005")}, {"LineAmount": Decimal("-1.01")}]
    assert expected({"JournalLines": lines}, "ManualJournal", chart) == {
        "JournalLines.0.LineAmount": Decimal("1.01"), "JournalLines.1.LineAmount": Decimal("-1.01"),
    }  # fmt: skip
    assert expected({"Details": "x"}, "HistoryRecord", chart) == {}


def test_the_rights_that_they_need_are_those_of_what_they_stand_below() -> None:
    assert rule(NOTE).touched(Side.XERO) == ("Invoice",)
    assert rule(PART).touched(Side.XERO) == ("CreditNote",)
    assert rule(FILE).touched(Side.XERO) == ("Invoice", "Attachment")
    assert rule(INVOICES).touched(Side.XERO) == ("Invoice",)
