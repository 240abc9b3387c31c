"""All metrics of a worker, in one place. Labels are bounded: no label ever holds the id of a record.

Names are ``twinledger_<room>_<noun>_<unit>``; docs/operations.md has the same list with what to watch.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

PREFIX = "twinledger_"
LABELS = frozenset({"connection", "side", "source", "mapping", "kind", "stage", "outcome", "topic", "partition"})
"""Every label there is. Each takes its values from the configuration or from a fixed list."""

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The metrics of one process, in a registry of their own: ``metrics.calls.labels(…).inc()``."""

    def __init__(self, *, process: bool = True) -> None:
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)

        self.records_taken = self._counter("capture_records", "Hints and records taken in.", "connection", "side")
        self.staleness = self._gauge(
            "capture_staleness_seconds", "Age of the last proof that a source is heard.", "connection", "side", "source"
        )
        self.poll_calls = self._counter(
            "capture_poll_calls", "API calls that polls made.", "connection", "side", "source"
        )
        self.poll_bytes = self._counter(
            "capture_poll_bytes", "Bytes that polls brought.", "connection", "side", "source"
        )
        self.poll_changes = self._counter(
            "capture_poll_changes", "Changes that polls brought.", "connection", "side", "source"
        )
        self.poll_interval = self._gauge(
            "capture_interval_seconds", "How often the plan polls a list.", "connection", "side", "source"
        )
        self.day_left = self._gauge("api_day_left", "API calls of these 24 hours that are left.", "connection", "side")
        self.day_limit = self._gauge("api_day_limit", "API calls that the org has in 24 hours.", "connection", "side")
        self.day_calls = self._gauge(
            "api_day_calls", "API calls of the last 24 hours by what for.", "connection", "side", "kind"
        )
        self.reconnects = self._counter("capture_reconnects", "Change streams opened again.", "connection", "side")
        self.reads_open = self._gauge("hydrate_reads_open", "Ids asked and not yet answered.", "connection", "side")
        self.events_folded = self._counter("settle_events", "Link events folded.", "connection", "kind")
        self.calls = self._counter("write_calls", "API calls by how they ended.", "connection", "side", "outcome")
        self.call_seconds = self._histogram("write_call_seconds", "Duration of an API call.", "connection", "side")
        self.writes = self._counter(
            "write_writes", "Single writes by how they ended.", "connection", "side", "mapping", "outcome"
        )
        self.api_pause = self._gauge(
            "write_pause_seconds", "Time until the API's budget allows the next call.", "connection", "side"
        )
        self.links_ready = self._gauge("write_links_ready", "Links with something to do.", "connection")
        self.links_busy = self._gauge("write_links_busy", "Links being worked on.", "connection")
        self.mappings_braked = self._gauge(
            "write_mappings_braked", "Mappings over a limit, waiting for a person.", "connection"
        )
        self.dead_letters = self._counter(
            "guard_deadletters", "Messages that could not be taken in.", "connection", "stage"
        )
        self.messages = self._counter("account_messages", "Messages by what became of them.", "topic", "outcome")
        self.messages_waiting = self._gauge(
            "account_messages_waiting", "Messages that agents have and are not done with.", "topic", "partition"
        )
        self.messages_unaccounted = self._gauge(
            "account_messages_unaccounted", "Messages committed of which nobody knows what became of them.",
            "topic", "partition",
        )  # fmt: skip
        self.reviews_open = self._gauge("review_reviews_open", "What needs a person now.", "connection", "mapping")
        self.lease_renewals = self._counter("lease_renewals", "Proofs of ownership at the broker.", "outcome")
        self.behind = self._gauge("project_messages_behind", "Messages that the SQL projection has not taken in.")

    def forget(self, connection: str) -> None:
        """Takes out the gauges of a connection that this process no longer owns: an old number is worse than none."""
        for gauge in vars(self).values():
            if isinstance(gauge, Gauge) and "connection" in gauge._labelnames:
                gauge.remove_by_labels({"connection": connection})

    def text(self) -> bytes:
        """Everything in Prometheus' text format (version 0.0.4)."""
        return generate_latest(self.registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}_total", said, labels, registry=self.registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str, *labels: str) -> Histogram:
        return Histogram(PREFIX + name, said, labels, buckets=_SECONDS, registry=self.registry)
