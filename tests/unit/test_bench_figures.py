"""The benchmark's own arithmetic: which write answers which edit, percentiles, what a call was made for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.calls import _salesforce, _xero, least
from benchmarks.load import Commit, Passage, number_of_phone, number_of_phones, passage, phones
from benchmarks.minute import used
from connector.cli.stage import Json

START = datetime(2026, 1, 1, tzinfo=UTC)


def commit(ms: int, object_id: str, number: int, origin: str = "ui") -> Commit:
    return Commit(0, START + timedelta(milliseconds=ms), object_id, origin, number)


def test_an_edit_is_answered_by_the_first_write_that_is_not_older() -> None:
    edits = [commit(0, "a", 1), commit(100, "a", 2), commit(150, "b", 3), commit(200, "c", 4)]
    writes = [commit(300, "A", 2, "api"), commit(400, "B", 3, "api")]
    found = passage(edits, writes, {"a": "A", "b": "B", "c": "C"})
    assert found.milliseconds == (300, 200, 250)
    assert (found.writes, found.lost, found.seconds) == (2, 1, 0.4)


def test_percentiles_are_measured_values() -> None:
    one = Passage(tuple(range(100, 0, -1)), 100, 0, 1.0)
    assert (one.percentile(0.5), one.percentile(0.99)) == (51, 100)
    assert Passage((), 0, 0, 0.0).percentile(0.5) == 0


def test_numbers_are_read_as_they_are_written() -> None:
    assert number_of_phones(phones(7)) == 7
    assert number_of_phone({"Phone": "12"}) == 12
    assert number_of_phone({"Name": "x"}) is None
    assert number_of_phone({"Phone": "call me"}) is None


@pytest.mark.parametrize(("objects", "calls"), [(0, 0), (1, 1), (50, 1), (51, 2)])
def test_the_least_is_full_calls(objects: int, calls: int) -> None:
    assert least(objects, 50) == calls


def test_a_read_of_what_no_person_changed_is_a_safety_read() -> None:
    ours, theirs = "001000000000001AAA", "001000000000002AAA"
    writes = [{"id": ours, "origin": "api", "at": "1"}, {"id": theirs, "origin": "ui", "at": "1"},
              {"id": theirs, "origin": "api", "at": "9"}]  # fmt: skip
    row = {"path": "/services/data/v62.0/query", "at": "5"}
    assert _salesforce({**row, "query": f"q=SELECT+Id+FROM+Account+WHERE+Id+IN+(%27{ours}%27)"}, writes) == "safety"
    assert _salesforce({**row, "query": f"q=WHERE+Id+IN+('{ours}','{theirs}')"}, writes) == "read"
    assert _salesforce({**row, "path": "/cometd/62.0", "query": ""}, writes) == "timed"
    assert _salesforce({**row, "path": "/services/data/v62.0/composite/sobjects", "query": ""}, writes) == "write"


def test_a_list_is_asked_by_the_clock_and_an_object_for_a_reason() -> None:
    row = {"path": "/api.xro/2.0/Contacts", "method": "GET"}
    assert _xero({**row, "query": "page=1&order=UpdatedDateUTC"}) == "timed"
    assert _xero({**row, "query": "where=Name%3D%3D%22A%22"}) == "read"
    assert _xero({**row, "query": "IDs=a,b&page=1"}) == "safety"
    assert _xero({**row, "method": "PUT", "query": ""}) == "write"
    assert _xero({**row, "path": "/connect/token", "query": ""}) == "other"


def test_calls_are_counted_by_whole_minutes_and_the_first_is_left_out() -> None:
    began = datetime(2026, 11, 1, tzinfo=UTC)

    def call(second: int, method: str = "GET", status: int = 200, path: str = "/api.xro/2.0/Contacts") -> Json:
        return {"at": (began + timedelta(seconds=second)).isoformat(), "method": method, "status": status, "path": path}

    log = [call(-5, "POST"), *(call(at) for at in range(60)), *(call(60 + at, "POST") for at in range(57)),
           call(119, status=429), call(130), call(70, path="/connect/token"), call(185)]  # fmt: skip
    one = used("fixed", log, began, 3)
    assert (one.minutes, one.refused, one.writes) == ((57, 1), 1, 57)
    assert one.part == 58 / 120
