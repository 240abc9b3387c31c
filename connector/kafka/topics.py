"""The topic registry: all topics, in one table. They exist before any worker starts; nothing else is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.kafka.connection import MESSAGE_MAX_BYTES, Cluster

_HOUR = 3_600_000
_DAY = 24 * _HOUR


class Kept(StrEnum):
    """How long a topic keeps a message."""

    WEEK = "7 days"
    AUDIT = "400 days"
    LATEST = "the latest of each key"
    TABLE = "the latest of each key, and everything for a day"
    LEASE = "the latest of each key, with the broker's time"


_LATEST = {
    "cleanup.policy": "compact",
    # A tombstone stays a week, so that a reader that slept over a weekend still sees it.
    "delete.retention.ms": 7 * _DAY,
}
_SETTINGS: Mapping[Kept, Mapping[str, object]] = {
    Kept.WEEK: {"cleanup.policy": "delete", "retention.ms": 7 * _DAY},
    Kept.AUDIT: {"cleanup.policy": "delete", "retention.ms": 400 * _DAY},
    Kept.LATEST: _LATEST,
    # Recovery takes the highest value, not the last: a zombie's late write must not have erased it.
    Kept.TABLE: {**_LATEST, "min.compaction.lag.ms": 24 * _HOUR},
    # The broker's own clock stands on each lease: workers measure their skew by it.
    Kept.LEASE: {**_LATEST, "message.timestamp.type": "LogAppendTime"},
}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``schema`` is the record of its values; its file is ``schemas/<name>.avsc``."""

    name: str
    kept: Kept
    schema: str
    holds: str
    public: bool = False  # other teams may read it

    def configuration(self, cluster: Cluster) -> dict[str, str]:
        """The topic's settings on a cluster, as Kafka spells them."""
        rows = {
            **_SETTINGS[self.kept],
            "max.message.bytes": MESSAGE_MAX_BYTES,
            "min.insync.replicas": 2 if cluster.replication >= 3 else 1,
        }
        return {name: str(value) for name, value in rows.items()}


ACCOUNTING: Mapping[str, str] = {
    "invoices": "Invoice",
    "contacts": "Contact",
    "items": "Item",
    "accounts": "Account",
    "tax-rates": "TaxRate",
    "tracking-categories": "TrackingCategory",
    "currencies": "Currency",
    "branding-themes": "BrandingTheme",
    "organisation": "Organisation",
    "payments": "Payment",
    "credit-notes": "CreditNote",
    "prepayments": "Prepayment",
    "overpayments": "Overpayment",
    "purchase-orders": "PurchaseOrder",
    "quotes": "Quote",
    "bank-transactions": "BankTransaction",
    "bank-transfers": "BankTransfer",
    "manual-journals": "ManualJournal",
}
"""Entity in the topic's name, record name of its schema."""


def _accounting(entity: str, record: str) -> Topic:
    schema = f"io.twinledger.accounting.v1.{record}"
    return Topic(f"accounting.{entity}.v1", Kept.LATEST, schema, f"full Xero documents: {entity}", public=True)


_OWN = (
    Topic("salesforce.hints.v1", Kept.WEEK, "io.twinledger.salesforce.v1.Hint", "what moved in Salesforce"),
    Topic(
        "salesforce.records.v1",
        Kept.LATEST,
        "io.twinledger.salesforce.v1.Record",
        "full Salesforce records of all objects",
        public=True,
    ),
    Topic("link-events.v1", Kept.AUDIT, "io.twinledger.links.v1.LinkEvent", "what moved each link: the audit trail"),
    Topic("links.v1", Kept.TABLE, "io.twinledger.links.v1.Link", "table: links"),
    Topic("targets.v1", Kept.TABLE, "io.twinledger.links.v1.Target", "table: both ends of a link to the link"),
    Topic("reads.v1", Kept.TABLE, "io.twinledger.reads.v1.Read", "table: ids asked and not yet answered"),
    Topic("parents.v1", Kept.TABLE, "io.twinledger.parents.v1.Parent", "table: parent of each child line"),
    Topic("positions.v1", Kept.LATEST, "io.twinledger.positions.v1.Position", "where each source is; the genesis id"),
    Topic("leases.v1", Kept.LEASE, "io.twinledger.leases.v1.Lease", "owner epoch of each partition"),
    Topic("configuration.v1", Kept.LATEST, "io.twinledger.configuration.v1.Configuration", "what `apply` applied"),
    Topic("schemas.v1", Kept.LATEST, "io.twinledger.schemas.v1.Schema", "every schema ever written, by fingerprint"),
    Topic("deadletters.v1", Kept.LATEST, "io.twinledger.deadletters.v1.DeadLetter", "what could not be taken in"),
    Topic("signals.v1", Kept.WEEK, "io.twinledger.signals.v1.Signal", "operator commands and webhook pokes"),
    Topic("notifications.v1", Kept.WEEK, "io.twinledger.notifications.v1.Notification", "progress, for people"),
)

TOPICS: tuple[Topic, ...] = (*_OWN, *(_accounting(entity, record) for entity, record in ACCOUNTING.items()))
"""All topics of a deployment."""

BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in TOPICS}
