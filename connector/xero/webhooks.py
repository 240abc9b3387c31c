"""Xero's webhooks: is it Xero that speaks, and what does it point at. Pure.

Source: developer.xero.com/documentation/webhooks and the published webhook file. A webhook is thin, may come twice,
late, or never: it pokes a poll and is never taken for the truth. Intent to receive is the same with no events in it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.errors import DataError
from connector.xero.records import load

SIGNATURE = "x-xero-signature"
LARGEST = 1_000_000  # bytes of a body
MOST_EVENTS = 10_000
# categories without an entity of ours (SUBSCRIPTION) point at nothing that is polled
ENTITIES: Mapping[str, str] = {
    "CONTACT": "Contact", "INVOICE": "Invoice", "CREDITNOTE": "CreditNote", "PREPAYMENT": "Prepayment",
    "OVERPAYMENT": "Overpayment",
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Poke:
    """Something of this entity moved in this tenant. ``ids`` are told for people; the poll finds what changed."""

    tenant: str
    entity: str
    ids: tuple[str, ...] = ()


def signers(body: bytes, signature: str, keys: Iterable[str]) -> frozenset[str]:
    """The keys that this signature of the raw bytes was made with; none: it is not Xero's. In constant time."""
    given = signature.encode("utf-8", "replace")
    out = set[str]()
    for key in keys:
        made = base64.b64encode(hmac.digest(key.encode(), body, hashlib.sha256))
        if hmac.compare_digest(made, given) and key:
            out.add(key)
    return frozenset(out)


def pokes(body: bytes) -> tuple[Poke, ...]:
    """One poke for each tenant and entity that the events name. Raises DataError (``xero.webhook``)."""
    parsed = load(body)
    events = parsed.get("events") if isinstance(parsed, Mapping) else None
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise DataError("xero.webhook", "A webhook of Xero holds no list of events.")
    found: dict[tuple[str, str], dict[str, None]] = {}
    for event in events:
        entity = ENTITIES.get(str(event.get("eventCategory"))) if isinstance(event, Mapping) else None
        if entity is not None:
            ids = found.setdefault((str(event.get("tenantId") or ""), entity), {})
            ids[str(event.get("resourceId") or "")[:100]] = None
    return tuple(Poke(tenant, entity, tuple(ids)) for (tenant, entity), ids in sorted(found.items()))
