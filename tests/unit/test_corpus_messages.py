"""The corpus run over the project's own messages: each is taken whole, or refused for a reason that holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corpus import judge, main, run, summary, unexplained
from benchmarks.corpus_lines import FILES, Line, lines, read_line
from benchmarks.corpus_money import sums
from benchmarks.corpus_salesforce import cdc
from benchmarks.corpus_spelling import differences, shape_of
from benchmarks.corpus_verdict import REASONS, REFUSED, TAKEN, UNEXPLAINED
from benchmarks.corpus_xero import xero
from connector.kafka.codec import Codec

OWN = Path(__file__).parents[1] / "fixtures" / "corpus"


@pytest.fixture(scope="module")
def found() -> list[Line]:
    return list(lines(OWN))


def test_every_message_of_ours_is_taken_or_refused_for_a_reason(found: list[Line]) -> None:
    cases = run(found)
    assert [(case.line.file, case.line.number, case.said) for case in cases if case.fate == UNEXPLAINED] == []
    assert Counter(case.fate for case in cases) == {TAKEN: 35, REFUSED: 12}
    assert {case.line.file for case in cases if case.fate == TAKEN} == set(FILES)


def test_what_a_message_went_through_is_told(found: list[Line]) -> None:
    steps = {(case.line.file, case.line.number): case.steps for case in run(found)}
    assert steps["salesforce/cdc-events.jsonl", 1] == ("bayeux", "decode", "hint", "codec")
    assert steps["salesforce/cdc-events.jsonl", 4] == ("decode", "resync")
    assert steps["salesforce/rest.jsonl", 4] == ("query", "record", "codec")
    assert steps["salesforce/rest.jsonl", 7] == ("outcomes", "salesforce.string-too-long=fix", "prepare")
    assert steps["xero/responses.jsonl", 3] == ("elements", "record", "codec", "outcomes", "Applied", "Rejected")
    assert steps["xero/responses.jsonl", 5] == ("outcomes", "xero.limit-minute=retry", "TryAgain")


def test_the_text_of_a_message_is_kept_digit_by_digit(found: list[Line]) -> None:
    raw = next(line.raw for line in found if line.form == "cometd-data")
    assert '"AnnualRevenue":1.50E+2' in raw
    assert '"replayId":9007199254740993' in raw


def test_totals_of_documents_agree_to_the_cent(found: list[Line]) -> None:
    own = sums(found)
    assert [one.document for one in own] == ["1 INV-9, sums", "1 INV-9, tax"]
    assert all(one.exact for one in own), own


def test_a_document_whose_total_is_off_by_a_cent_is_told(found: list[Line]) -> None:
    text = (OWN / "xero/responses.jsonl").read_text("utf-8").splitlines()[0].replace('"Total":58.28', '"Total":58.29')
    off = sums([read_line("xero/responses.jsonl", 1, text), *found[-15:]])
    assert not any(one.exact for one in off)
    assert "58.28" in off[0].said
    assert unexplained([], off, []) == 2


def test_a_change_event_with_a_broken_header_is_not_explained_away() -> None:
    whole = (OWN / "salesforce/cdc-events.jsonl").read_text("utf-8").splitlines()[0]
    broken = whole.replace('"commitTimestamp":1790000000123', '"commitTimestamp":"soon"')
    line = read_line("salesforce/cdc-events.jsonl", 1, broken)
    case = judge(line, lambda one: cdc(one, Codec()))
    assert (case.fate, case.reason) == (UNEXPLAINED, "")
    assert "salesforce.event-header" in case.said


def test_an_invoice_without_its_list_is_not_explained_away() -> None:
    wrap = {"source": "here", "kind": "recorded-wire", "operation": "GET /Invoices", "status": 200, "body": {"Id": "x"}}
    case = judge(read_line("xero/responses.jsonl", 1, json.dumps(wrap)), lambda one: xero(one, Codec()))
    assert case.fate == UNEXPLAINED
    assert case.said.startswith("xero.envelope")


def test_the_command_says_what_it_found_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(OWN), "--output", "json", "--without-simulators"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["messages"], told["taken"], told["refused"], told["unexplained"]) == (47, 35, 12, 0)
    assert told["totals"] == {"documents": 2, "exact": 2, "others": []}
    assert set(told["reasons"]) == set(REASONS)


def test_the_command_ends_with_3_when_something_is_unexplained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        text = (OWN / name).read_text("utf-8")
        path.write_text(
            re.sub(r'"Invoices":\[', '"Invoice_List":[', text) if name.startswith("xero") else text, "utf-8"
        )
    assert main([str(tmp_path), "--without-simulators"]) == 3
    assert "UNEXPLAINED xero/responses.jsonl:1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "no-such-directory"])
def test_a_directory_that_is_not_there_is_one_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 69
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 69
    assert "salesforce/cdc-events.jsonl" in capsys.readouterr().err


def test_another_spelling_of_a_date_is_a_difference() -> None:
    recorded = shape_of([{"Date": "/Date(1+0000)/", "Total": 1, "Old": ""}] * 2)
    ours = shape_of([{"Date": "2026-01-01", "Total": 2, "New": True}])
    for one in recorded.values():
        one.recorded = 2
    assert differences(recorded, ours, always=2) == [
        ("Date", "day; recorded /Date(ms+zone)/"),
        ("New", "never recorded"),
        ("Old", "all recorded ones have it"),
    ]


def test_the_summary_counts_by_file(found: list[Line]) -> None:
    told = summary(run(found), [], [])
    assert told["files"]["salesforce/bayeux.jsonl"] == {TAKEN: 7}
