"""What a made document is called when documents are counted: by what its link says of it, without a call."""

from __future__ import annotations

import pytest

from connector.cli.usage import type_of
from connector.core.identity import LinkId
from connector.core.link_events import GONE
from connector.core.link_state import End, Life, Link


def made(entity: str, kind: str = "", source: str = "salesforce:006A") -> Link:
    agreed = {"Type": (f'"{kind}"', f'"{kind}"')} if kind else {}
    return Link(LinkId("main", "rule", source, "t"), Life.LIVE, entity=entity, agreed=agreed)


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (made("Invoice", "ACCREC"), "xero sales invoice"),
        (made("Invoice", "ACCPAY"), "xero bill"),
        (made("CreditNote", "ACCRECCREDIT"), "xero credit note"),
        (made("CreditNote", "ACCPAYCREDIT"), "xero supplier credit"),
        (made("BankTransaction", "RECEIVE-PREPAYMENT"), "xero prepayment of customer"),
        (made("BankTransaction", "SPEND"), "xero spend money"),
        (made("BankTransaction", "SPEND-NEW"), "xero BankTransaction SPEND-NEW"),  # a kind that Xero adds one day
        (made("Invoice"), "xero Invoice"),
        (made("Contact"), "xero Contact"),
        (made("Account", "EXPENSE"), "xero Account"),
        (made("Xero_Invoice__c", "ACCREC", "xero:i-1"), "salesforce Xero_Invoice__c"),
    ],
)
def test_a_document_is_called_by_its_type(link: Link, name: str) -> None:
    assert type_of(link) == name


def test_a_type_that_was_only_seen_counts_and_one_that_is_gone_does_not() -> None:
    link = made("Invoice").with_end(made("Invoice").id.side.other, End("i-1", drift={"Type": '"ACCPAY"'}))
    assert type_of(link) == "xero bill"
    assert type_of(link.with_end(link.id.side.other, End("i-1", drift={"Type": GONE}))) == "xero Invoice"
