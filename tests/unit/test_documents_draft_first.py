"""Whatever the order of calls, refusals and changes: of a draft-first set all are approved, or no draft stays."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from connector.core.identity import LinkId
from connector.core.link_state import Hold, Life, Link
from connector.kafka.link_codec import Target
from tests.unit.test_documents_of_one_record import HEAD, REFUSED, Office

KEYS = ("a", "b", "c")
DOCUMENT = """\
  - key: %s
    fields: { InvoiceNumber: { set: "=record.Number__c + '%s' + suffix(generation)", write: once } }
    lines: [ { key: one, fields: { Description: A, Quantity: 1, UnitAmount: =record.Amount } } ]
"""
CONTACT = "\"=target('contacts', record.AccountId)\""
TEXT = (HEAD % "draft-first").replace("c1", CONTACT) + "documents:\n" + "".join(DOCUMENT % (key, key) for key in KEYS)
STEPS = 60


@pytest.mark.parametrize("seed", range(40))
async def test_all_or_none(seed: int) -> None:
    chance, office = Random(seed), Office(TEXT)
    office.desk.tables.targets.put("demo", "contacts", "salesforce:a1", Target("demo/contacts/x/t/1", "c1"), 1)
    await office.says(AccountId="a1")
    bad = frozenset(key for key in KEYS if chance.random() < 0.3)
    await works_at_random(office, chance, bad)
    judged(office.links(), bad)
    if bad:
        before = len(office.desk.tables.links.family(LinkId("demo", "deal", "salesforce:o1", "t")))
        await office.says(AccountId="a1")
        after = len(office.desk.tables.links.family(LinkId("demo", "deal", "salesforce:o1", "t")))
        assert after == before, "nothing begins beside what fails still"
        await office.says(AccountId="a1", Amount=Decimal(800))  # what was wrong with it is mended
        await works_at_random(office, chance, frozenset())
        judged(office.links(), frozenset())
        assert {link.seen(link.id.side)["LineItems/one/UnitAmount"] for link in office.links().values()} == {
            '{"#":"800"}'
        }


async def works_at_random(office: Office, chance: Random, bad: frozenset[str]) -> None:
    """The write loop takes what is ready in any order, until nothing is. Births of what is bad are refused."""
    for _ in range(STEPS):
        ready = [part for part in sorted(office.links()) if office.act(part)]
        if not ready:
            return
        part = chance.choice(ready)
        refused = REFUSED if part in bad and office.act(part) == "create" else None
        if office.act(part) == "approve":
            others = [link for key, link in office.links().items() if key != part]
            assert all(link.life is Life.LIVE and link.hold is Hold.NONE for link in others), "first all are drafted"
        await office.works(part, refused)
    raise AssertionError("it never comes to rest")


def judged(links: dict[str, Link], bad: frozenset[str]) -> None:
    assert set(links) == set(KEYS)
    if not bad:
        assert {link.status for link in links.values()} == {"approved"}
        return
    assert all(link.life is not Life.LIVE for link in links.values()), "no draft stays"
    failed = {key for key, link in links.items() if link.hold is Hold.FAILED}
    assert failed, "a review names the culprit"
    assert failed <= bad
