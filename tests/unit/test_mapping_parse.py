"""What a mapping file may say, and how each mistake is told: file, line, code, remedy."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.mapping.life import Action, Group
from connector.core.mapping.model import Kind, Limits
from connector.core.mapping.parse import parse
from connector.core.records import Side
from connector.errors import MappingError
from tests.unit.mapping_catalogs import FOLDER

SMALL = """\
mapping: small
from: salesforce.Opportunity
to: xero.Invoice
fields:
  Type: ACCREC
lines:
  - { key: one, fields: { Description: Hello } }
"""
DAMAGE = ("", "'", ":", "{", "=", "\n", " - ", "0", "(", "#", "é")
TWO = """\
mapping: two
between: { sf: salesforce.Account, xero: xero.Contact }
match: [ [lower(sf.Name), lower(xero.Name)] ]
fields:
  - { sf: Name, xero: Name, owner: sf }
"""


def refusal(text: str) -> MappingError:
    with pytest.raises(MappingError) as caught:
        parse(text, "a.yaml")
    assert caught.value.file == "a.yaml"
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("mapping: small", "mapping: Small", "name", 1),
        ("mapping: small", "mapping: [a]", "shape", 1),
        ("mapping: small\n", "", "missing-key", 1),
        ("from:", "form:", "unknown-key", 2),
        ("from:", "mapping:", "duplicate-key", 2),
        ("salesforce.Opportunity", "hubspot.Deal", "end", 2),
        ("xero.Invoice", "salesforce.Invoice", "end", 3),
        ("xero.Invoice", "&a xero.Invoice", "alias", 3),
        ("xero.Invoice", "*a", "alias", 3),
        ("xero.Invoice", "!!python/object:os.system x", "tag", 3),
        ("xero.Invoice", "xero.Invoice\n---\na: b", "shape", 4),
        ("xero.Invoice", '"xero.Invoice', "yaml", 3),
        ("ACCREC", "=", "expression-empty", 5),
        ("ACCREC", "=record.A +", "expression-syntax", 5),
        ("ACCREC", "=record._A", "expression-syntax", 5),
        ("ACCREC", "=nothing(1)", "unknown-function", 5),
        ("ACCREC", "=lower()", "arguments", 5),
        ("ACCREC", "=lower('a', 'b')", "arguments", 5),
        ("ACCREC", "=lookup('a', 'b', other='c')", "arguments", 5),
        ("ACCREC", "=target(record.Name, record)", "arguments", 5),
        ("ACCREC", "=target('a', record, wait=record.X)", "arguments", 5),
        ("ACCREC", "=recrod.Name", "unknown-name", 5),
        ("ACCREC", "=Type", "circle", 4),
        ("ACCREC", "{ set: =first(1, 2) }", "unknown-key", 5),
        ("ACCREC", "{ set: A, write: twice }", "choice", 5),
        ("ACCREC", "A\n  Type.B.C.D.E.F: B", "name", 6),
        ("ACCREC", "A\n  Phones: { DEFAULT: '1' }\n  Phones.DEFAULT: '2'", "duplicate-field", 7),
        ("lines:", "lines:\n  - { key: one, fields: { Description: A } }", "duplicate-line", 8),
        ("key: one", "as: x, key: one", "unknown-key", 7),
        ("key: one", "each: =record.Rows, key: one", "missing-key", 7),
        ("key: one", "each: =record.Rows, as: row, key: one", "line-key", 7),
        ("key: one", "each: =record.Rows, as: record, key: =record.Id", "name", 7),
        ("key: one, ", "", "missing-key", 7),
        ("lines:", "life: { changed: { paid: update } }\nlines:", "choice", 6),
        ("lines:", "life: { again: update }\nlines:", "choice", 6),
        ("lines:", "limits: { creates: many }\nlines:", "limits", 6),
        ("lines:", "limits: { creates: -1 }\nlines:", "limits", 6),
        ("lines:", "when: record.IsWon\nlines:", "expression", 6),
        ("lines:", "when: =Type == 'A'\nlines:", "unknown-name", 6),
        ("lines:", "let: { a: =b, b: =a }\nlines:", "circle", 6),
        ("lines:", "let: { record: =1 }\nlines:", "name", 6),
        ("lines:", "let: { Type: =1 }\nlines:", "name", 4),
        ("lines:", "begin: never\nlines:", "choice", 6),
        ("lines:", "target: =source('a', record)\nlines:", "unknown-key", 6),
        ("lines:", "documents: []\nlines:", "documents", 6),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, code: str, line: int) -> None:
    assert parse(SMALL, "a.yaml").name == "small"
    assert old in SMALL
    error = refusal(SMALL.replace(old, new, 1))
    assert (error.code, error.line) == (f"mapping.{code}", line)
    assert str(error).startswith(f"a.yaml:{line}: ")


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("sf: salesforce.Account, ", "", "missing-key", 2),
        ("salesforce.Account", "xero.Account", "end", 2),
        ("lower(sf.Name), ", "", "match", 3),
        ("lower(sf.Name)", "sf.Name + 'x'", "match", 3),
        ("lower(sf.Name)", "left(xero.Name)", "arguments", 3),
        ("owner: sf", "owner: both", "choice", 5),
        (", owner: sf", "", "missing-key", 5),
        ("owner: sf", "owner: sf, using: magic", "choice", 5),
        ("owner: sf }", "owner: sf }\n  - { sf: Phone, xero: Name, owner: sf }", "duplicate-field", 6),
        ("fields:", "matched: { 2: link }\nfields:", "unknown-key", 4),
        ("fields:", "when: { sf: =xero.Name == 'a' }\nfields:", "unknown-name", 4),
    ],
)
def test_a_mistake_between_two_ends(old: str, new: str, code: str, line: int) -> None:
    assert old in TWO
    error = refusal(TWO.replace(old, new, 1))
    assert (error.code, error.line) == (f"mapping.{code}", line)


def test_a_back_write_says_whose_object_it_changes() -> None:
    text = (
        "mapping: b\nfrom: xero.Invoice\nwrites: update\nto: salesforce.Opportunity\nfields: { A__c: =record.Status }\n"
    )
    assert refusal(text).code == "mapping.missing-key"
    assert refusal(text + "target: =record.Id\n").code == "mapping.back-write"
    done = parse(text + "target: =source('opportunity-to-invoice', record)\n", "a.yaml")
    assert (done.kind, done.unlinked, done.several) == (Kind.BACK_WRITE, "skip", "newest")
    assert not done.creates(Side.SALESFORCE)


def test_a_comma_without_quotes_is_explained() -> None:
    error = refusal(SMALL.replace("ACCREC", "{ set: =first(record.A, record.B), long: cut }"))
    assert "quotes" in error.remedy


def test_every_scalar_stays_text() -> None:
    done = parse(SMALL.replace("ACCREC", "NO").replace("Hello", "090"), "a.yaml")
    assert done.settings[0].value.literal == "NO"
    assert done.blocks[0].settings[0].value.literal == "090"


def test_the_version_is_the_content_not_its_layout() -> None:
    one = parse(SMALL, "a.yaml").version
    turned = "# a comment\n" + "".join(reversed(SMALL.splitlines(keepends=True)[:3])) + SMALL.split("xero.Invoice\n")[1]
    assert parse(turned, "b.yaml").version == one
    assert len(one) == 16
    assert parse(SMALL.replace("Hello", "Hullo"), "a.yaml").version != one


def test_defaults_are_the_careful_ones() -> None:
    done = parse(SMALL, "a.yaml")
    assert (done.begin, done.found, done.approve, done.foreign_lines) == ("new", "stop", "checked", "keep")
    assert done.limits == Limits(creates=500, voids=20, money=None)
    assert set(done.life.changed.values()) == {Action.UPDATE, Action.TELL}
    assert done.life.changed[Group.APPROVED] is Action.TELL
    two = parse(TWO, "a.yaml")
    assert (two.create, two.conflict, two.matched) == ("both", "ask", {1: "ask"})


def test_fields_are_worked_out_after_what_they_build_on() -> None:
    text = SMALL.replace("  Type: ACCREC\n", "  DueDate: =Date + days(3)\n  Date: =record.CloseDate\n")
    assert [setting.path for setting in parse(text, "a.yaml").settings] == ["Date", "DueDate"]


def test_owners_name_every_written_path() -> None:
    assert parse(SMALL, "a.yaml").owners == {"Type": "source", "LineItems/Description": "source"}
    assert parse(TWO, "a.yaml").owners == {"Name": "salesforce"}


def test_what_must_be_read_follows_from_the_expressions() -> None:
    text = (FOLDER / "opportunity-to-invoice.yaml").read_text()
    plan = parse(text, "a.yaml").read_plan(Side.SALESFORCE)
    assert plan.entity == "Opportunity"
    assert {"Account.Id", "Account.Terms__c", "Amount", "IsWon"} <= set(plan.fields)
    assert "OpportunityLineItems" not in plan.fields
    assert {"Id", "Product2.Name", "UnitPrice"} <= set(plan.children["OpportunityLineItems"])
    assert parse(text, "a.yaml").read_plan(Side.XERO).fields == ()
    contact = parse((FOLDER / "account-contact.yaml").read_text(), "a.yaml").read_plan(Side.SALESFORCE)
    assert {"BillingStreet", "BillingCountry", "Xero_Contact_Id__c", "Type"} <= set(contact.fields)
    assert "BillingAddress" not in contact.fields


@pytest.mark.parametrize(
    "text",
    ["", "a", "- a", "[" * 3000, "{" * 3000, "a: " * 20, "\x00", "x" * 200_000,
     "- " * 20_000, "a: |\n" + " b\n" * 9_000,
     "mapping: &a [x]\nfrom: *a", "? [a]\n: b"],
)  # fmt: skip
def test_nonsense_is_refused_and_nothing_else_happens(text: str) -> None:
    assert isinstance(refusal(text), MappingError)


@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 6))
def test_a_damaged_file_is_a_mapping_error_or_a_mapping(seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    text = (FOLDER / "opportunity-to-invoice.yaml").read_text()
    for _ in range(cuts):
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice(DAMAGE) + text[place + 1 :]
    try:
        parse(text, "a.yaml")
    except MappingError as error:
        if error.file != "a.yaml":
            raise


def test_a_setting_of_the_connection_is_no_field_of_either_end() -> None:
    text = (FOLDER / "account-contact.yaml").read_text()
    told = text.replace("\n  xero:", " and connection.currency == 'GBP'\n  xero:", 1)
    assert told != text
    assert parse(told, "a.yaml").read_plan(Side.SALESFORCE) == parse(text, "a.yaml").read_plan(Side.SALESFORCE)
