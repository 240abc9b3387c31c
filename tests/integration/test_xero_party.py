"""The Xero party against the simulator: real HTTP, real faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, NoAnswer, Operation, Party, Rejected, Undecided, Write
from connector.core.records import ReadPlan, Record, Version
from connector.core.values import Fields, Value
from connector.errors import AuthError, TryAgain, Unavailable
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT, OTHER_TENANT
from connector.xero.auth import Credentials
from connector.xero.money import Chart, totals
from connector.xero.poller import poll
from connector.xero.position import Watermark
from tests.integration.xero_rig import Rig, versions

V = Version(1, 1)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.minute = 10_000
    async with running(app) as base, HttpClient() as http:
        yield Rig(base, app.state.world, http)


async def test_it_is_a_party_and_knows_its_organisation(rig: Rig) -> None:
    party: Party = rig.party
    found = await party.organisation()
    assert (found.id, found.name, found.base_currency, found.is_demo) == (DEMO_TENANT, "Demo Company (UK)", "GBP", True)


async def test_a_document_is_made_read_changed_and_found(rig: Rig) -> None:
    (made,) = await rig.write([rig.invoice("OPP-1")])
    assert isinstance(made, Applied)
    assert made.fields is not None
    chart = Chart({"OUTPUT2": Decimal(20)}, {"200": "OUTPUT2"})
    expected = totals(rig.invoice("OPP-1").fields, chart)
    assert [made.fields[name] for name in ("SubTotal", "TotalTax", "Total")] == [
        expected.sub_total,
        expected.total_tax,
        expected.total,
    ]
    approve = Write("w2", "Invoice", Operation.UPDATE, made.target, {"Status": "AUTHORISED"})
    (approved,) = await rig.write([approve], "key-2")
    assert isinstance(approved, Applied)
    result = await rig.party.read(
        ReadPlan("Invoice"), [made.target, "11111111-1111-1111-1111-111111111111"], Version(4, 2)
    )
    assert result.missing == ("11111111-1111-1111-1111-111111111111",)
    (record,) = result.records
    assert (record.id, record.version, record.fields["Status"]) == (made.target, Version(4, 2), "AUTHORISED")
    assert record.fields["Date"] == date(2026, 10, 1)
    found = await rig.party.find(ReadPlan("Invoice"), {"InvoiceNumber": "opp-1", "Type": "ACCREC"}, V)
    assert [one.id for one in found] == [made.target]
    assert await rig.party.find(ReadPlan("Invoice"), {"InvoiceNumber": "OPP-9"}, V) == ()
    await rig.write([Write("w3", "Invoice", Operation.UPDATE, made.target, {"Status": "VOIDED"})], "key-3")
    assert await rig.party.find(ReadPlan("Invoice"), {"InvoiceNumber": "OPP-1"}, V) == ()


async def test_a_batch_with_one_bad_element(rig: Rig) -> None:
    bad = rig.invoice(
        "B-2", Status="AUTHORISED", LineItems=[{"Description": "x", "UnitAmount": Decimal(1), "AccountCode": "1"}]
    )
    good, refused, other = await rig.write([rig.invoice("B-1"), bad, rig.invoice("B-3")])
    assert isinstance(good, Applied)
    assert isinstance(other, Applied)
    assert isinstance(refused, Rejected)
    assert (refused.failure.code, rig.invoices) == ("xero.account-code", ["B-1", "B-3"])


async def test_a_lost_answer_is_fetched_under_the_same_key(rig: Rig) -> None:
    request = rig.party.prepare([rig.invoice("L-1")], "key-lost")
    rig.arm("cut-after-commit")
    with pytest.raises(NoAnswer) as caught:
        await rig.party.send(request, seconds=10)
    assert caught.value.sent is True
    (outcome,) = rig.party.outcomes([rig.invoice("L-1")], await rig.party.send(request, seconds=10))
    assert isinstance(outcome, Applied)
    assert rig.invoices == ["L-1"]
    probe = await rig.party.find(ReadPlan("Invoice"), {"InvoiceNumber": "L-1"}, V)
    assert [one.id for one in probe] == [outcome.target]


async def test_the_same_document_without_the_key_is_a_duplicate_to_resolve(rig: Rig) -> None:
    await rig.write([rig.invoice("D-1")], "one")
    (again,) = await rig.write([rig.invoice("D-1")], "two")
    assert isinstance(again, Rejected)
    assert (again.failure.kind, again.failure.code) == (Kind.RESOLVE, "xero.duplicate")


async def test_a_key_used_for_another_body_proves_nothing(rig: Rig) -> None:
    await rig.write([rig.invoice("K-1")], "one")
    (outcome,) = await rig.write([rig.invoice("K-2")], "one")
    assert isinstance(outcome, Undecided)


@pytest.mark.parametrize("kind", ["status", "status-after-commit"])
@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_error_says_nothing(rig: Rig, kind: str, status: int) -> None:
    rig.arm(kind, options={"status": status})
    (outcome,) = await rig.write([rig.invoice("E-1")])
    assert isinstance(outcome, Undecided)
    assert rig.invoices == (["E-1"] if kind == "status-after-commit" else [])


async def test_429_is_retried_later_and_the_budget_waits(rig: Rig) -> None:
    rig.world.limits.minute = 1
    assert isinstance((await rig.write([rig.invoice("R-1")]))[0], Applied)
    assert rig.party.pause(now_ms=rig.now_ms()) > 0
    (refused,) = await rig.write([rig.invoice("R-2")], "key-2")
    assert isinstance(refused, Rejected)
    assert refused.failure.kind is Kind.RETRY
    assert refused.failure.retry_after is not None
    assert 0 < refused.failure.retry_after <= 61
    assert [entry.status for entry in rig.world.control.requests].count(429) == 0  # refused before it was sent
    with pytest.raises(TryAgain):
        await rig.party.read(ReadPlan("Contact"), [rig.contact()], V)
    rig.world.clock.advance(61)
    assert rig.party.pause(now_ms=rig.now_ms()) == 0
    (later,) = await rig.write([rig.invoice("R-2")], "key-2")
    assert isinstance(later, Applied)


@pytest.mark.parametrize("window", ["fixed", "rolling"])
async def test_writing_without_a_pause_takes_the_whole_minute_and_no_refusal(rig: Rig, window: str) -> None:
    rig.world.limits.change({"minute": 60, "day": 100_000, "window": window})
    rig.party = rig.new_party()
    begun = rig.now_ms()
    for at in range(240):
        while (pause := rig.party.pause(now_ms=rig.now_ms())) > 0:
            rig.world.clock.advance(pause / 1000)
        write = Write(f"s-{at}", "Contact", Operation.CREATE, None, {"Name": f"Sustained {at}"})
        assert isinstance((await rig.write([write], f"key-{at}"))[0], Applied)
    asked = [entry for entry in rig.world.control.requests if entry.path == "/api.xro/2.0/Contacts"]
    minutes = (rig.now_ms() - begun) / 60_000
    assert {entry.status for entry in asked} == {200}
    assert len(asked) >= 0.95 * 60 * minutes


async def test_a_spent_day_stops_the_organisation(rig: Rig) -> None:
    rig.world.limits.day = 0
    (refused,) = await rig.write([rig.invoice("R-1")])
    assert isinstance(refused, Rejected)
    assert (refused.failure.kind, refused.failure.code) == (Kind.STOP, "xero.limit-day")


async def test_a_token_that_was_revoked_is_renewed_once_and_the_write_is_done_once(rig: Rig) -> None:
    await rig.party.organisation()
    rig.arm("token-revoked")
    (made,) = await rig.write([rig.invoice("T-1")])
    assert isinstance(made, Applied)
    asked = [(entry.path, entry.status) for entry in rig.world.control.requests]
    assert asked[-3:] == [("/api.xro/2.0/Invoices", 401), ("/connect/token", 200), ("/api.xro/2.0/Invoices", 200)]
    rig.world.clock.advance(1800)
    await asyncio.gather(*(rig.party.organisation() for _ in range(4)))
    assert [entry.path for entry in rig.world.control.requests].count("/connect/token") == 3


async def test_wrong_credentials_and_a_strange_organisation_are_said_in_words(rig: Rig) -> None:
    wrong = rig.new_party(known_as="nonsense")
    with pytest.raises(AuthError) as caught:
        await wrong.organisation()
    assert "nonsense" not in str(caught.value)
    assert "nonsense" not in repr(Credentials("x", "nonsense"))
    write = rig.invoice("X-1")
    (stopped,) = wrong.outcomes([write], await wrong.send(wrong.prepare([write], "k"), seconds=5))
    assert isinstance(stopped, Rejected)
    assert stopped.failure.kind is Kind.STOP
    with pytest.raises(AuthError, match="403"):
        await rig.new_party(tenant=OTHER_TENANT).organisation()
    assert rig.invoices == []


async def test_nobody_there_is_unavailable_and_not_sent(rig: Rig) -> None:
    away = rig.new_party()
    away._api = "http://127.0.0.1:1/api"
    with pytest.raises(NoAnswer) as caught:
        await away.send(away.prepare([rig.invoice("N-1")], "k"), seconds=5)
    assert caught.value.sent is False
    with pytest.raises(Unavailable):
        await away.organisation()


async def test_a_call_that_takes_too_long_was_sent(rig: Rig) -> None:
    await rig.party.organisation()
    rig.arm("delay", options={"ms": 3000})
    with pytest.raises(NoAnswer) as caught:
        await rig.party.send(rig.party.prepare([rig.invoice("S-1")], "k"), seconds=1)
    assert caught.value.sent is True


async def test_no_more_than_five_calls_are_in_flight(rig: Rig) -> None:
    await rig.party.organisation()
    rig.world.limits.latency_ms = 20
    await asyncio.gather(*(rig.party.organisation() for _ in range(20)))
    assert not [entry for entry in rig.world.control.requests if entry.status == 429]


@pytest.mark.parametrize("name", ["Account", "TaxRate", "Item", "Contact", "Organisation"])
async def test_every_entity_is_read_by_id(rig: Rig, name: str) -> None:
    ids = list(rig.world.first.tables[name])[:60]
    result = await rig.party.read(ReadPlan(name), [*ids, "nobody"], V)
    assert ([one.id for one in result.records], result.missing) == (ids, ("nobody",))


async def test_payments_are_written_found_read_and_ended(rig: Rig) -> None:
    (made,) = await rig.write([rig.invoice("P-1", Status="AUTHORISED")], "k1")
    assert isinstance(made, Applied)
    fields: dict[str, Value] = {
        "Invoice": made.target,
        "Account": {"Code": "090"},
        "Amount": Decimal("90.22"),
        "Reference": "tl-abc-1",
    }
    (paid,) = await rig.write([Write("p", "Payment", Operation.CREATE, None, fields)], "k2")
    assert isinstance(paid, Applied)
    (found,) = await rig.party.find(ReadPlan("Payment"), {"Reference": "tl-abc-1", "Invoice": made.target}, V)
    assert (found.id, (await rig.party.read(ReadPlan("Payment"), [paid.target], V)).records[0].id) == (paid.target,) * 2
    invoice = (await rig.party.read(ReadPlan("Invoice"), [made.target], V)).records[0]
    assert invoice.fields["Status"] == "PAID"
    (ended,) = await rig.write([Write("q", "Payment", Operation.UPDATE, paid.target, {"Status": "DELETED"})], "k3")
    assert isinstance(ended, Applied)
    assert await rig.party.find(ReadPlan("Payment"), {"Reference": "tl-abc-1"}, V) == ()


async def test_look_ups_quote_what_they_are_asked(rig: Rig) -> None:
    name = 'He said "no" \\ AND Name!="x'
    await rig.write([Write("c", "Contact", Operation.CREATE, None, {"Name": name, "ContactNumber": "001A"})])
    assert len(await rig.party.find(ReadPlan("Contact"), {"Name": name}, V)) == 1
    assert len(await rig.party.find(ReadPlan("Contact"), {"Name": "hamilton SMITH ltd"}, V)) == 1
    (item,) = await rig.party.find(ReadPlan("Item"), {"Code": "DevD"}, V)
    assert item.fields["SalesDetails"] == {"UnitPrice": Decimal(650), "AccountCode": "200", "TaxType": "OUTPUT2"}
    (archived,) = await rig.party.find(ReadPlan("Contact"), {"ContactNumber": "001a"}, V)
    await rig.write([Write("d", "Contact", Operation.UPDATE, archived.id, {"ContactStatus": "ARCHIVED"})], "k2")
    assert len(await rig.party.find(ReadPlan("Contact"), {"ContactNumber": "001A"}, V)) == 1
    assert await rig.party.find(ReadPlan("Contact"), {"Name": name}, V) == ()


async def drain(rig: Rig, name: str, mark: Watermark, size: int = 4) -> tuple[list[Record], Watermark, int]:
    """One poll: what came, where it stands, how many calls it took."""
    records: list[Record] = []
    before = rig.party.calls
    async for polled in poll(rig.party, name, mark, versions(), page_size=size):
        records += polled.records
        mark = polled.mark
    return records, mark, rig.party.calls - before


async def test_a_poll_brings_each_change_once_in_pages(rig: Rig) -> None:
    for at in range(10):
        rig.world.clock.advance(2)
        await rig.write([rig.invoice(f"P-{at}")], f"k{at}")
    records, mark, calls = await drain(rig, "Invoice", Watermark())
    assert [one.fields["InvoiceNumber"] for one in records] == [f"P-{at}" for at in range(10)]
    assert [one.version.ordinal for one in records] == sorted(one.version.ordinal for one in records)
    assert calls <= 5
    rig.world.clock.advance(600)
    update = Write("u", "Invoice", Operation.UPDATE, records[2].id, {"Reference": "moved"})
    await rig.write([update], "ku")
    changed, mark, _ = await drain(rig, "Invoice", Watermark.from_text(mark.to_text()), 1000)
    assert [(one.id, one.fields["Reference"]) for one in changed] == [(records[2].id, "moved")]
    assert (await drain(rig, "Invoice", mark, 1000))[::2] == ([], 1)


async def test_a_first_poll_takes_what_is_older_than_the_organisation(rig: Rig) -> None:
    rig.world.clock.advance(-timedelta(days=5000).total_seconds())
    (made,) = await rig.write([rig.invoice("OLD", Date=date(2013, 1, 1))])
    assert isinstance(made, Applied)
    rig.world.clock.advance(timedelta(days=5000).total_seconds())
    assert len((await drain(rig, "Invoice", Watermark()))[0]) == 1


async def test_contacts_are_polled_with_the_archived_ones(rig: Rig) -> None:
    records, mark, _ = await drain(rig, "Contact", Watermark(), 1000)
    assert len(records) == 6
    archive = Write("a", "Contact", Operation.UPDATE, rig.contact(), {"ContactStatus": "ARCHIVED"})
    rig.world.clock.advance(100)
    await rig.write([archive])
    (archived,) = (await drain(rig, "Contact", mark, 1000))[0]
    assert archived.fields["ContactStatus"] == "ARCHIVED"


async def test_lists_without_times_are_compared_as_a_whole(rig: Rig) -> None:
    records, mark, _ = await drain(rig, "TaxRate", Watermark())
    assert {one.id for one in records} >= {"OUTPUT2", "NONE"}
    assert (await drain(rig, "TaxRate", mark))[0] == []
    rig.world.edit("TaxRate", "RROUTPUT", {"Name": "Five"})
    assert [one.id for one in (await drain(rig, "TaxRate", mark))[0]] == ["RROUTPUT"]
    pages = [polled async for polled in poll(rig.party, "Item", Watermark(), versions())]
    assert pages[0].whole == frozenset(rig.world.first.tables["Item"])


async def test_what_is_not_an_answer_of_xero_is_unavailable(rig: Rig) -> None:
    rig.arm("status", options={"status": 503}, count=2)
    with pytest.raises(Unavailable):
        await rig.party.organisation()
    with pytest.raises(Unavailable):
        await rig.party.find(ReadPlan("Contact"), {"Name": "x"}, V)
    body = json.loads(rig.party.prepare([rig.invoice("Z")], "k").body)
    assert set(body) == {"Invoices"}


async def test_many_look_ups_are_few_calls(rig: Rig) -> None:
    names = [f'Firm "{n}" AND Name!="x' for n in range(60)]
    made = [Write(f"w{n}", "Contact", Operation.CREATE, None, {"Name": name, "ContactNumber": f"001{n:03}"})
            for n, name in enumerate(names)]  # fmt: skip
    await rig.write(made[:50])
    await rig.write(made[50:], "k2")
    before = rig.party.calls
    found = await rig.party.find_each(ReadPlan("Contact"), [{"ContactNumber": f"001{n:03}"} for n in range(70)], V)
    assert [[one.fields["Name"] for one in each] for each in found] == [*([name] for name in names), *([[]] * 10)]
    assert rig.party.calls - before == 2
    by_name = await rig.party.find_each(ReadPlan("Contact"), [{"Name": names[7].upper()}, {}, {"Name": "nobody"}], V)
    assert [[one.fields["ContactNumber"] for one in each] for each in by_name] == [["001007"], [], []]
    both: list[Fields] = [{"Name": names[n], "ContactNumber": f"00100{n + shift}"} for n, shift in ((1, 0), (2, 1))]
    assert [len(each) for each in await rig.party.find_each(ReadPlan("Contact"), both, V)] == [1, 0]
    before = rig.party.calls
    items = await rig.party.find_each(ReadPlan("TaxRate"), [{"Name": "20% (VAT on Income)"}, {"Name": "no"}], V)
    assert (len(items), rig.party.calls - before) == (2, 1)


async def test_a_look_up_of_many_is_cut_to_a_short_address(rig: Rig) -> None:
    long: list[Fields] = [{"Name": f"{n}" + " é &" * 60} for n in range(12)]
    for number, criteria in enumerate(long):
        await rig.write([Write("w", "Contact", Operation.CREATE, None, criteria)], f"k{number}")
    rig.world.control.requests.clear()
    assert [len(each) for each in await rig.party.find_each(ReadPlan("Contact"), long, V)] == [1] * 12
    assert max(len(row.query) for row in rig.world.control.requests) < 3500
