"""Metrics: their names, their bounded labels, and their place in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from connector.observe.metrics import LABELS, Metrics

DOC = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
KINDS = (Counter, Gauge, Histogram)


def declared() -> dict[str, Counter | Gauge | Histogram]:
    metrics = Metrics(process=False)
    return {name: each for name, each in vars(metrics).items() if isinstance(each, KINDS)}


def names() -> list[str]:
    return [each.name for each in Metrics(process=False).registry.collect()]


def test_names_follow_the_rule_and_labels_are_bounded() -> None:
    assert names()
    for name in names():
        assert re.fullmatch(r"twinledger_[a-z]+_[a-z]+(_[a-z]+)?", name), name
    for each in declared().values():
        assert set(each._labelnames) <= LABELS, each


def test_the_documentation_lists_them_all_and_no_other() -> None:
    told = set(re.findall(r"^\| `(twinledger_\w+?)(?:_total)?` \|", DOC, re.M))
    assert told == set(names())


def test_what_is_counted_is_shown() -> None:
    metrics = Metrics()
    metrics.calls.labels(connection="acme", side="xero", outcome="applied").inc()
    metrics.links_ready.labels(connection="acme").set(7)
    text = metrics.text().decode()
    assert 'twinledger_write_calls_total{connection="acme",outcome="applied",side="xero"} 1.0' in text
    assert 'twinledger_write_links_ready{connection="acme"} 7.0' in text


def test_two_workers_in_one_process_keep_apart() -> None:
    one, two = Metrics(), Metrics()
    one.lease_renewals.labels(outcome="renewed").inc()
    assert "renewed" not in two.text().decode()


def test_a_connection_that_went_leaves_no_old_gauges_and_keeps_its_counts() -> None:
    metrics = Metrics(process=False)
    for name in ("acme", "other"):
        metrics.links_ready.labels(connection=name).set(7)
        metrics.reads_open.labels(connection=name, side="xero").set(1)
        metrics.records_taken.labels(connection=name, side="xero").inc()
    metrics.forget("acme")
    text = metrics.text().decode()
    assert 'twinledger_write_links_ready{connection="other"}' in text
    assert 'links_ready{connection="acme"}' not in text
    assert 'reads_open{connection="acme"' not in text
    assert 'twinledger_capture_records_total{connection="acme"' in text


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().links_ready.labels(record="0065g00000X")
