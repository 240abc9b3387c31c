"""Persons of a contact: lines without ids that are told apart by their e-mail, five at most."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.core.document import Refused
from connector.core.identity import LinkId
from connector.core.link_state import Link
from connector.core.mapping.bind import bind
from connector.core.mapping.evaluate import BackWrite, Context, back_write, foreign_lines, observed, spell
from connector.core.mapping.model import Mapping as Rules
from connector.core.mapping.observe import rows
from connector.core.mapping.parse import parse
from connector.core.mapping.syntax import ExpressionError
from connector.core.records import Record, Side, Version
from connector.core.values import Fields, Value
from connector.xero.catalog import XeroCatalog
from tests.unit.mapping_catalogs import CATALOGS, FOLDER

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LINE = "ContactPersons/{}/EmailAddress"


def rule() -> Rules:
    text = (FOLDER / "persons" / "contact-to-person.yaml").read_text("utf-8")
    return bind(parse(text, "persons.yaml"), {**CATALOGS, Side.XERO: XeroCatalog()})


def account(*emails: str | None) -> Record:
    people: list[Value] = [
        {"Id": f"c{number}", "FirstName": "Ann", "LastName": "Lee", "Email": email, "Xero_Person__c": True}
        for number, email in enumerate(emails, 1)
    ]
    unticked: Value = {"Id": "c9", "LastName": "Not", "Email": "no@x.org", "Xero_Person__c": False}
    fields: Fields = {"Contacts": [*people, unticked]}
    return Record(Side.SALESFORCE, "org", "Account", "a1", Version(1, 1), NOW, NOW, fields=fields)


def contact(*emails: str, **more: Value) -> Record:
    people: list[Value] = [{"FirstName": "Ann", "EmailAddress": email, **more} for email in emails]
    return Record(Side.XERO, "t", "Contact", "x1", Version(1, 1), NOW, NOW, fields={"ContactPersons": people})


def test_ticked_contacts_are_lines_and_none_is_a_list_too() -> None:
    made = back_write(rule(), account("a@x.org", "b@x.org"), Context())
    assert isinstance(made, BackWrite)
    assert made.order == ("c1", "c2")
    none = back_write(rule(), account(), Context())
    assert isinstance(none, BackWrite)
    assert none.flat == {}


@pytest.mark.parametrize(
    ("emails", "code"),
    [
        (("a@x.org", None), "mapping.line-name"),
        (("a@x.org", "A@X.org "), "mapping.line-name"),
        (tuple(f"{number}@x.org" for number in range(6)), "mapping.too-many-lines"),
    ],
)
def test_what_xero_cannot_hold_is_refused(emails: tuple[str | None, ...], code: str) -> None:
    made = back_write(rule(), account(*emails), Context())
    assert isinstance(made, Refused)
    assert made.failure.code == code


def test_a_person_is_known_by_the_e_mail_that_both_sides_agreed_on() -> None:
    link = Link(LinkId("c", "m", "salesforce:a1", "t"), entity="Contact")
    link = replace(link, agreed={LINE.format("c1"): ('"a@x.org"', '"A@x.org"')})
    link = replace(link, salesforce=replace(link.salesforce, drift={
        LINE.format("c1"): '"new@x.org"', LINE.format("c2"): '"B@x.org"',
    }))  # fmt: skip
    assert link.lines == {"c1": "a@x.org", "c2": "b@x.org"}
    seen = observed(rule(), contact("A@x.org", "B@X.ORG", "else@x.org"), link.lines)
    assert seen[LINE.format("c1")] == "A@x.org"
    assert seen[LINE.format("c2")] == "B@X.ORG"
    (second,) = foreign_lines(rule(), contact("a@x.org", "A@x.org"), link.lines)
    assert second["EmailAddress"] == "A@x.org"


def sent(flat: Fields, ids: dict[str, str], before: Record) -> list[Fields]:
    theirs = foreign_lines(rule(), before, ids)
    out = spell(rule(), Side.XERO, flat, (), line_ids=ids, foreign=theirs, before=before.fields, lines=True)
    return rows(out, "ContactPersons")


def test_the_list_goes_whole_with_what_others_wrote() -> None:
    before = contact("a@x.org", "else@x.org", IncludeInEmails=True, More=Decimal(1))
    flat: Fields = {LINE.format("c1"): "new@x.org"}
    changed, kept = sent(flat, {"c1": "a@x.org"}, before)
    assert changed == {"EmailAddress": "new@x.org", "IncludeInEmails": True}
    assert kept == {"FirstName": "Ann", "EmailAddress": "else@x.org", "IncludeInEmails": True}
    with pytest.raises(ExpressionError, match="Xero takes 5"):
        sent(flat, {}, contact(*(f"{number}@x.org" for number in range(5))))


def test_the_last_one_is_taken_out_by_an_entry_without_a_word() -> None:
    (only,) = sent({}, {"c1": "a@x.org"}, contact("a@x.org"))
    assert set(only.values()) == {""}
