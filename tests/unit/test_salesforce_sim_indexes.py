# ruff: noqa: S608  (SOQL of a test, from ids that the simulator made)
"""The simulated org's indexes give what a look at every row would give, and a page costs only what is read of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.simulators.control import Clock
from connector.simulators.salesforce.indexes import Order, Stamps
from connector.simulators.salesforce.org import Org, Settings
from connector.simulators.salesforce.query import Queries
from connector.simulators.salesforce.soql import parse

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def org() -> Org:
    made = Org(Settings(), Clock())
    made.fill("Account", 500, {"Name": "Prospect {n}", "Type": "Prospect", "Phone": "1"}, 30)
    return made


def asked(org: Org, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
    queries = Queries(org.store, org.permissions, org.clock.now, "62.0", lambda _rows, _render: {})
    found = queries.run(parse(soql), deleted=deleted)
    return [dict(found.render(row)) for row in found.rows]


def test_ids_stay_in_their_order_however_they_come_and_go() -> None:
    made, known, dice = Order(), set[str](), random.Random(7)
    for _ in range(2000):
        one = f"{dice.randrange(300):03}"
        if dice.random() < 0.6:
            made.add(one)
            known.add(one)
        else:
            made.remove(one)
            known.discard(one)
    assert list(made.between("", "")) == sorted(known)
    assert list(made.between("100", "200")) == [one for one in sorted(known) if "100" <= one <= "200"]


def test_the_rows_since_a_time_are_those_last_changed_then() -> None:
    made, known, dice = Stamps(), dict[str, datetime](), random.Random(7)
    for _ in range(2000):
        one, at = f"{dice.randrange(200):03}", START + timedelta(seconds=dice.randrange(60))
        after = at if dice.random() < 0.9 else None
        made.move(one, known.get(one), after)
        known.pop(one, None)
        if after is not None:
            known[one] = after
    border = START + timedelta(seconds=30)
    assert made.since(border) == sorted(one for one, at in known.items() if at >= border)


def test_pages_by_id_bring_every_row_once(org: Org) -> None:
    seen: list[str] = []
    while True:
        where = f"WHERE Id > '{seen[-1]}'" if seen else ""
        page = asked(org, f"SELECT Id FROM Account {where} ORDER BY Id LIMIT 64")
        seen += [row["Id"] for row in page]
        if len(page) < 64:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 500


def test_a_page_reads_no_more_rows_than_it_shows(org: Org) -> None:
    read: list[str] = []
    between = org.store.between

    def counted(*words: Any, **more: Any) -> Any:
        for row in between(*words, **more):
            read.append(str(row["Id"]))
            yield row

    org.store.between = counted  # type: ignore[method-assign]
    middle = next(row["Id"] for row in org.store.rows("Account") if row["Name"] == "Prospect 250")
    asked(org, f"SELECT Id FROM Account WHERE Type = 'Prospect' AND Id > '{middle}' ORDER BY Id LIMIT 10")
    assert len(read) <= 12


def test_what_was_changed_is_found_by_its_stamp_and_filled_rows_are_whole_again(org: Org) -> None:
    one = next(row["Id"] for row in org.store.rows("Account") if row["Name"] == "Prospect 7")
    since = (org.clock.now() - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    org.edit("Account", str(one), {"Phone": "2"})
    (row,) = asked(org, f"SELECT Id, Phone, Fax FROM Account WHERE SystemModstamp >= {since} ORDER BY SystemModstamp")
    assert (row["Id"], row["Phone"], row["Fax"]) == (one, "2", None)
    assert set(org.store.tables["Account"][str(one)]) == set(org.schema.entities["Account"].fields)
    org.delete("Account", str(one))
    assert asked(org, f"SELECT Id FROM Account WHERE SystemModstamp >= {since}") == []
    assert len(asked(org, f"SELECT Id FROM Account WHERE SystemModstamp >= {since}", deleted=True)) == 1


def test_nothing_tells_of_what_was_filled(org: Org) -> None:
    assert org.bus.events == []
