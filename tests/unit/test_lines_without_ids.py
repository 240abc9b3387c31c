"""Lines of a journal have no ids: they are told apart by their place. And what Xero takes at birth only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.core.catalog import Catalog
from connector.core.link_parts import line_ids as handed_on
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.evaluate import foreign_lines, line_ids, observed, spell
from connector.core.mapping.model import Mapping as Rules
from connector.core.mapping.observe import rows
from connector.core.mapping.parse import parse
from connector.core.records import Record, Side, Version
from connector.core.values import Fields, Value
from connector.xero.catalog import XeroCatalog
from tests.unit.mapping_catalogs import CATALOGS

BOTH: Mapping[Side, Catalog] = {Side.SALESFORCE: CATALOGS[Side.SALESFORCE], Side.XERO: XeroCatalog()}
JOURNAL = """\
mapping: journal
from: salesforce.Opportunity
to: xero.ManualJournal
fields: { Narration: =record.Name }
lines:
  - { key: debit, fields: { LineAmount: =record.Amount, AccountCode: '404' } }
  - { key: credit, fields: { LineAmount: =0 - record.Amount, AccountCode: '850' } }
"""
PAYMENT = """\
mapping: pay
from: salesforce.Opportunity
to: xero.{entity}
fields:
  {fields}
life: {{ changed: {{ approved: {changed} }} }}
"""
PAID = "Invoice: =target('opportunity-to-invoice', record)\n  Account.Code: '090'\n  Amount: =record.Amount"
MOVED = "FromBankAccount.Code: '090'\n  ToBankAccount.Code: '091'\n  Amount: =record.Amount"
LINES = "JournalLines/"
NOW, ORDER = datetime(2026, 11, 23, tzinfo=UTC), ("debit", "credit")


def rule() -> Rules:
    return bind(parse(JOURNAL, "journal.yaml"), BOTH)


def row(amount: str, code: str, **more: Value) -> Fields:
    return {"LineAmount": Decimal(amount), "AccountCode": code, "TaxType": "NONE", **more}


def journal(*rows: Fields) -> Record:
    fields: Fields = {"ManualJournalID": "j1", "Narration": "Deal", "JournalLines": list(rows)}
    return Record(Side.XERO, "org", "ManualJournal", "j1", Version(1, 1), NOW, NOW, fields=fields)


def test_lines_of_a_journal_are_known_by_their_place() -> None:
    made = journal(row("5", "404"), row("-5", "850"))
    known = line_ids(rule(), ORDER, made.fields)
    assert known == {"debit": "1", "credit": "2"}
    seen = observed(rule(), made, known)
    assert seen["JournalLines/debit/LineAmount"] == Decimal("5.00")
    assert seen["JournalLines/credit/AccountCode"] == "850"
    assert foreign_lines(rule(), made, known) == ()


def test_a_line_that_a_person_added_is_sent_along_with_its_amount() -> None:
    known = {"debit": "1", "credit": "2"}
    before = journal(row("5", "404", Description="why"), row("-6", "850"), row("1", "429"))
    theirs = foreign_lines(rule(), before, known)
    flat = {path: value for path, value in observed(rule(), before, known).items() if path.startswith(LINES)}
    sent = spell(rule(), Side.XERO, flat, ORDER, line_ids=known, foreign=theirs, before=before.fields)
    first, second, third = rows(sent, "JournalLines")
    assert first == {"LineAmount": Decimal("5.00"), "AccountCode": "404", "TaxType": "NONE", "Description": "why"}
    assert second["LineAmount"] == Decimal("-6.00")
    assert third == {"LineAmount": Decimal("1"), "AccountCode": "429", "TaxType": "NONE"}


def test_a_place_belongs_to_the_line_that_it_was_told_of_last() -> None:
    assert handed_on({"a": "1", "b": "2", "c": "3"}, {"a": "1", "c": "2"}) == {"a": "1", "c": "2"}
    assert handed_on({"a": "x", "b": "y"}, {}) == {"a": "x", "b": "y"}


@pytest.mark.parametrize(("entity", "fields"), [("Payment", PAID), ("BankTransfer", MOVED)])
@pytest.mark.parametrize(("changed", "refused"), [("reissue", False), ("tell", False), ("update", True)])
def test_what_is_taken_at_birth_only_may_change_where_it_is_made_anew(
    entity: str, fields: str, changed: str, refused: bool
) -> None:
    text = PAYMENT.format(entity=entity, fields=fields, changed=changed)
    found = check((parse(text, "pay.yaml"),), BOTH)
    assert any(one.code == "mapping.not-writable" for one in found) is refused
