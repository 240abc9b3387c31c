"""The brake counts what one call carries together, not each write by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link
from connector.core.mapping.model import Limits, Mapping
from connector.core.party import Party
from connector.core.records import Side
from connector.core.values import canonical
from connector.settings import ConnectionSettings
from streams.brake import Brake
from streams.connection import Connection
from streams.ready import Job
from tests.unit.mapping_catalogs import ready

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAME = "opportunity-to-invoice"
PARTY = {"client_id": "c", "client_secret": "s"}
SETTINGS = ConnectionSettings.model_validate(
    {"name": "demo", "salesforce": {"url": "https://x.example", **PARTY}, "xero": [{"tenant": "t", **PARTY}]}
)


def connection(limits: Limits) -> Connection:
    nobody = cast("Party", None)
    made = Connection(SETTINGS, nobody, nobody, "org", "t", lambda: NOW, 0)
    rule: Mapping = replace(ready(NAME), limits=limits)
    made.applied[NAME] = Applied(rule)
    return made


def job(number: int, money: str = "100", act: Act = Act.CREATE) -> Job:
    link = new_link(LinkId("demo", NAME, f"salesforce:{number}", "t"))
    return Job(replace(link, money=canonical(Decimal(money))), Todo(act, Side.XERO))


def test_a_batch_is_cut_where_its_creates_reach_the_limit() -> None:
    brake, home = Brake(), connection(Limits(creates=3, voids=None, money=None))
    assert len(brake.within(home, [job(n) for n in range(10)])) == 3
    assert brake.braked == {NAME: "3 creates a day"}


def test_a_batch_is_cut_where_its_money_reaches_the_limit() -> None:
    brake, home = Brake(), connection(Limits(creates=None, voids=None, money=Decimal(250)))
    assert len(brake.within(home, [job(n) for n in range(10)])) == 2
    assert brake.braked == {NAME: "250 of money a day"}


def test_a_released_mapping_goes_on() -> None:
    brake, home = Brake(), connection(Limits(creates=1, voids=None, money=None))
    home.released.add(NAME)
    assert len(brake.within(home, [job(n) for n in range(10)])) == 10


def test_changes_are_not_braked() -> None:
    brake, home = Brake(), connection(Limits(creates=0, voids=0, money=Decimal(0)))
    assert len(brake.within(home, [job(n, act=Act.UPDATE) for n in range(5)])) == 5
    assert brake.within(home, [job(0, act=Act.REMOVE)]) == []


def test_what_was_born_today_counts_after_a_takeover() -> None:
    brake, home = Brake(), connection(Limits(creates=3, voids=None, money=None))
    born = replace(job(99).link, born=NOW)
    brake.recount(home, [born, replace(born, born=datetime(2026, 11, 22, tzinfo=UTC))])
    assert len(brake.within(home, [job(n) for n in range(10)])) == 2
