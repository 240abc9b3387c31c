"""A two-way mapping: both ends by their neutral names, and back in each side's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.document import NotWanted, Refused
from connector.core.mapping.evaluate import Context, end, identities, match_criteria, neutral, sends_back, spell
from connector.core.mapping.model import Kind
from connector.core.mapping.parse import parse
from connector.core.marks import carried, mark_of
from connector.core.records import Record, Side, Version
from connector.core.values import Value
from connector.errors import MappingError
from tests.unit.mapping_catalogs import FOLDER, ready

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOME = Context()
RULES = ready("account-contact")


def account(**changes: Value) -> Record:
    fields: dict[str, Value] = {
        "Name": "Acme Ltd ",
        "Phone": "020 7946 0000",
        "Type": "Customer",
        "BillingStreet": "1 High St\r\nFloor 2",
        "BillingCity": "London",
        "BillingState": None,
        "BillingPostalCode": "EC1",
        "BillingCountry": "UK",
        "Xero_Contact_Id__c": None,
        "Xero_Balance__c": None,
    }
    return Record(Side.SALESFORCE, "org", "Account", "0011", Version(1, 1), NOW, NOW, fields={**fields, **changes})


def contact(**changes: Value) -> Record:
    fields: dict[str, Value] = {
        "ContactID": "c-1",
        "Name": "Acme Ltd",
        "ContactStatus": "ACTIVE",
        "Phones": [
            {"PhoneType": "DDI", "PhoneNumber": "1"},
            {"PhoneType": "DEFAULT", "PhoneCountryCode": "44", "PhoneAreaCode": "20", "PhoneNumber": "79460000"},
        ],
        "Addresses": [
            {"AddressType": "POBOX", "AddressLine1": "1 High St", "AddressLine2": "Floor 2", "City": "London"}
        ],
        "Balances": {"AccountsReceivable": {"Outstanding": Decimal("12.5")}},
    }
    return Record(Side.XERO, "tenant", "Contact", "c-1", Version(1, 1), NOW, NOW, fields={**fields, **changes})


def flat(record: Record) -> Mapping[str, Value]:
    out = end(RULES, record, HOME)
    assert not isinstance(out, NotWanted | Refused), out
    return out


def test_both_ends_have_the_same_names() -> None:
    street = {"Street": "1 High St\nFloor 2", "City": "London"}
    assert RULES.kind is Kind.TWO_WAY
    assert flat(account()) == {
        "Name": "Acme Ltd",
        "Phone": "020 7946 0000",
        "BillingAddress": {**street, "PostalCode": "EC1", "Country": "UK"},
    }
    assert flat(contact()) == {
        "Name": "Acme Ltd",
        "Phone": "44 20 79460000",
        "BillingAddress": street,
        "Xero_Contact_Id__c": "c-1",
        "Xero_Balance__c": Decimal("12.5"),
    }
    assert RULES.owners == {
        "Name": "salesforce",
        "Phone": "latest",
        "Fax": "latest",
        "Email__c": "latest",
        "Tax_Number__c": "latest",
        "Terms__c": "latest",
        "Xero_Currency__c": "latest",
        "BillingAddress": "salesforce",
        "ShippingAddress": "salesforce",
        "Xero_Contact_Id__c": "xero",
        "Xero_Balance__c": "xero",
    }


def test_an_end_is_spelled_in_its_own_words_and_reads_back_the_same() -> None:
    wanted = flat(account())
    sent = spell(RULES, Side.XERO, wanted, (), line_ids={}, before=contact(
        Addresses=[{"AddressType": "POBOX", "AttentionTo": "Ada", "City": "Bath"}]).fields)  # fmt: skip
    assert sent["Phones"] == [
        {"PhoneType": "DEFAULT", "PhoneCountryCode": "", "PhoneAreaCode": "", "PhoneNumber": "020 7946 0000"}
    ]
    assert sent["Addresses"] == [
        {
            "AddressType": "POBOX",
            "AttentionTo": "Ada",
            "AddressLine1": "1 High St",
            "AddressLine2": "Floor 2",
            "AddressLine3": "",
            "AddressLine4": "",
            "City": "London",
            "Region": "",
            "PostalCode": "EC1",
            "Country": "UK",
        }
    ]
    there = contact()
    assert {**flat(replace(there, fields={**there.fields, **sent})), **wanted} == flat(
        replace(there, fields={**there.fields, **sent})
    )


def test_a_contact_is_spelled_for_salesforce() -> None:
    sent = spell(RULES, Side.SALESFORCE, flat(contact()), (), line_ids={})
    assert sent["BillingStreet"] == "1 High St\nFloor 2"
    assert sent["BillingCountry"] is None
    assert sent["Xero_Contact_Id__c"] == "c-1"
    assert "BillingAddress" not in sent
    assert flat(account(**sent)) == flat(contact())


def test_when_looks_at_its_own_side() -> None:
    assert isinstance(end(RULES, account(Type="Prospect"), HOME), NotWanted)
    assert isinstance(end(RULES, account(Type=None), HOME), NotWanted)
    assert flat(account(Type=None, Xero_Contact_Id__c="c-1"))
    assert flat(account(Type="Customer - Direct"))
    assert isinstance(end(RULES, contact(ContactStatus="ARCHIVED"), HOME), NotWanted)
    assert neutral(RULES, contact(ContactStatus="ARCHIVED")) == flat(contact())


def test_a_name_too_long_for_the_other_side_is_refused() -> None:
    out = end(RULES, account(Name="x" * 300), HOME)
    assert isinstance(out, Refused)
    assert out.failure.code == "mapping.too-long"
    assert "0011" in out.failure.message


def test_identities_are_equal_on_both_sides() -> None:
    assert identities(RULES, account()) == ((2, "0011"), (3, "acme ltd"))
    assert identities(RULES, contact(ContactNumber="0011")) == ((1, "c-1"), (2, "0011"), (3, "acme ltd"))
    assert RULES.matched == {1: "link", 2: "link", 3: "ask"}


@pytest.mark.parametrize(
    ("record", "rule", "criteria"),
    [
        (account(Xero_Contact_Id__c="c-9"), 1, {"ContactID": "c-9"}),
        (account(), 1, {}),
        (account(), 2, {"ContactNumber": "0011"}),
        (account(), 3, {"Name": "Acme Ltd"}),
        (contact(), 1, {"Xero_Contact_Id__c": "c-1"}),
        (contact(ContactNumber="0011"), 2, {"Id": "0011"}),
        (contact(), 3, {"Name": "Acme Ltd"}),
    ],
)
def test_what_to_look_for_on_the_other_side(record: Record, rule: int, criteria: dict[str, Value]) -> None:
    assert match_criteria(RULES, record, rule) == criteria


def test_marks_of_both_ends() -> None:
    assert mark_of(RULES, account(), {}) == ("ContactNumber", "0011")
    assert mark_of(RULES, contact(), {}) == ("Xero_Contact_Id__c", "c-1")
    assert carried(RULES, Side.XERO, "Contact", {"ContactNumber": "0011"}) == (("ContactNumber", "0011"),)
    assert carried(RULES, Side.SALESFORCE, "Account", {"Xero_Contact_Id__c": None}) == ()


_words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
_parts = st.one_of(st.none(), _words)


@given(street=st.lists(_words, max_size=7), city=_parts, state=_parts, code=_parts, country=_parts, phone=_parts)
def test_addresses_and_phones_survive_the_way_there(
    street: list[str], city: str | None, state: str | None, code: str | None, country: str | None, phone: str | None
) -> None:
    here = account(
        BillingStreet="\n".join(street),
        BillingCity=city,
        BillingState=state,
        BillingPostalCode=code,
        BillingCountry=country,
        Phone=phone,
    )
    wanted = {path: value for path, value in neutral(RULES, here).items() if path in ("BillingAddress", "Phone")}
    sent = spell(RULES, Side.XERO, wanted, (), line_ids={})
    there = Record(Side.XERO, "t", "Contact", "c", Version(1, 1), NOW, NOW, fields=sent)
    seen = neutral(RULES, there)
    assert {path: seen.get(path) for path in wanted} == wanted
    back = spell(RULES, Side.SALESFORCE, wanted, (), line_ids={})
    again = neutral(RULES, replace(here, fields={**here.fields, **back}))
    assert {path: again.get(path) for path in wanted} == wanted


def term(day: int, kind: str = "DAYSAFTERBILLDATE") -> dict[str, Value]:
    return {"Day": Decimal(day), "Type": kind}


@pytest.mark.parametrize(
    ("there", "days"),
    [
        ({"Sales": term(14)}, Decimal(14)),
        ({"Sales": term(0), "Bills": term(30)}, Decimal(0)),
        ({"Bills": term(30)}, None),
        ({"Sales": {"Day": Decimal(14)}}, None),  # a day without its type says nothing
        (None, None),
    ],
)
def test_payment_terms_are_days_after_the_invoice(there: Value, days: Decimal | None) -> None:
    assert flat(contact(PaymentTerms=there)).get("Terms__c") == days
    assert flat(account(Terms__c=days)).get("Terms__c") == days


def test_days_are_sent_with_their_type_and_beside_the_terms_of_bills() -> None:
    bills = {"Bills": term(20, "OFFOLLOWINGMONTH"), "Sales": {**term(7), "ValidationErrors": []}}
    sent = spell(RULES, Side.XERO, {"Terms__c": Decimal(45)}, (), line_ids={}, before={"PaymentTerms": bills})
    assert sent == {"PaymentTerms": {"Bills": term(20, "OFFOLLOWINGMONTH"), "Sales": term(45)}}
    assert sends_back(RULES, Side.XERO, ["Terms__c"])
    assert not sends_back(RULES, Side.XERO, ["Phone", "BillingAddress"])
    assert not sends_back(RULES, Side.SALESFORCE, ["Terms__c"])
    assert spell(RULES, Side.SALESFORCE, {"Terms__c": Decimal(45)}, (), line_ids={}) == {"Terms__c": Decimal(45)}


def test_other_terms_are_no_number_of_days_and_come_back_as_they_were() -> None:
    seen = flat(contact(PaymentTerms={"Sales": term(20, "OFFOLLOWINGMONTH")}))["Terms__c"]
    assert seen == "20 OFFOLLOWINGMONTH"
    assert spell(RULES, Side.SALESFORCE, {"Terms__c": seen}, (), line_ids={}) == {"Terms__c": None}
    assert spell(RULES, Side.XERO, {"Terms__c": seen}, (), line_ids={}) == {
        "PaymentTerms": {"Sales": term(20, "OFFOLLOWINGMONTH")}
    }


def test_what_is_empty_empties_nothing() -> None:
    """An empty field says nothing: what stands in Xero stays."""
    empty = flat(account(Terms__c=None, Email__c=None, Tax_Number__c=None, Xero_Currency__c=None, Fax=None))
    assert {"Terms__c", "Email__c", "Tax_Number__c", "Xero_Currency__c", "Fax"} & set(empty) == set()


def test_terms_that_would_be_emptied_are_refused() -> None:
    text = (FOLDER / "account-contact.yaml").read_text("utf-8").replace("using: terms,", "using: terms, empty: clear,")
    with pytest.raises(MappingError, match="cannot be emptied"):
        parse(text, "a.yaml")
