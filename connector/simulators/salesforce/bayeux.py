"""Sessions of the streaming endpoint: who is connected, to what, and how far each subscription has read."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.simulators.salesforce.events import Event, event_name, visible
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.query import value_of
from connector.simulators.salesforce.schema import Entity

_CUSTOM = re.compile(r"/data/(\w+__chn)")
_SINGLE = re.compile(r"/data/(\w+ChangeEvent)")


@dataclass
class Subscription:
    """How far a channel was delivered to one client."""

    channel: str
    cursor: int


@dataclass
class Session:
    """One handshaken client. ``seen`` is monotonic: the clock of the org may be turned at will."""

    id: str
    cookie: str
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    connects: int = 0
    waiting: bool = False
    seen: float = field(default_factory=time.monotonic)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """All clients of an org. Deliveries are counted against the daily limit."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.live: dict[str, Session] = {}
        org.bus.listeners.append(self.wake)
        org.forgetters.append(self.forget)

    def open(self) -> Session | None:
        """A new client; None when there are too many."""
        self._drop_absent()
        if len(self.live) >= self.org.settings.max_clients:
            return None
        session = Session(secrets.token_hex(14), secrets.token_hex(8))
        self.live[session.id] = session
        return session

    def find(self, client_id: object) -> Session | None:
        self._drop_absent()
        return self.live.get(str(client_id))

    def close(self, session: Session) -> None:
        self.live.pop(session.id, None)
        session.wake.set()

    def forget(self, *, only_wake: bool = False) -> None:
        """Every session is unknown from now on; those that wait learn it at once."""
        gone = list(self.live.values())
        if not only_wake:
            self.live.clear()
        for session in gone:
            session.wake.set()

    def wake(self) -> None:
        for session in self.live.values():
            session.wake.set()

    def _drop_absent(self) -> None:
        limit = time.monotonic() - self.org.settings.client_seconds
        for session in [s for s in self.live.values() if not s.waiting and s.seen < limit]:
            del self.live[session.id]

    # --- channels ----------------------------------------------------------------------------------------------------

    def members(self, channel: str) -> Mapping[str, tuple[str, ...]] | None:
        """Objects of a channel with their enriched fields; None when there is no such channel."""
        if channel == "/data/ChangeEvents":
            return dict.fromkeys(self.org.bus.selected, ())
        custom, single = _CUSTOM.fullmatch(channel), _SINGLE.fullmatch(channel)
        if custom is not None:
            return self.org.channels.get(custom[1])
        if single is not None:
            found = next((e for e in self.org.schema.entities.values() if e.channel == single[1] and e.tracked), None)
            return None if found is None else {found.name: ()}
        return None

    def forbidden(self, channel: str) -> bool:
        """A single-object channel asks for the right when subscribing; the others drop in silence later."""
        members = self.members(channel) or {}
        single = channel != "/data/ChangeEvents" and not channel.endswith("__chn")
        return single and not all(map(self.org.permissions.sees_object, members))

    # --- delivery ----------------------------------------------------------------------------------------------------

    def pending(self, session: Session) -> list[Mapping[str, Any]]:
        """Messages for a client, oldest first; its subscriptions move behind them."""
        self.org.bus.expire()
        out: list[Mapping[str, Any]] = []
        for subscription in session.subscriptions.values():
            members = self.members(subscription.channel) or {}
            batch = self.org.settings.event_batch
            for event in self.org.bus.after(subscription.cursor, frozenset(members), batch):
                subscription.cursor = event.replay
                out += self._messages(subscription.channel, event, members[event.entity])
        self.org.delivered.add(self.org.clock.now(), len(out))
        return out

    def exhausted(self) -> bool:
        return self.org.delivered.total(self.org.clock.now()) >= self.org.settings.event_limit

    def _messages(self, channel: str, event: Event, enriched: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
        entity = self.org.schema.entities[event.entity]
        seen = visible(event, entity, self.org.permissions)
        if seen is None:
            return
        if not enriched or seen.header["changeType"].startswith("GAP"):
            yield self._message(channel, entity, seen, seen.header, seen.body)
            return
        for record_id in seen.header["recordIds"]:  # an enriched channel takes merged events apart
            header = {**seen.header, "recordIds": [record_id]}
            extra = self._enrichment(entity, record_id, enriched) if seen.header["changeType"] != "CREATE" else {}
            yield self._message(channel, entity, seen, header, {**extra, **seen.body})

    def _message(
        self, channel: str, entity: Entity, event: Event, header: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        data = {
            "schema": self._schema_id(entity),
            "payload": {"ChangeEventHeader": header, **body},
            "event": {"replayId": event.replay},
        }
        return {"data": data, "channel": channel}

    def _enrichment(self, entity: Entity, record_id: str, names: tuple[str, ...]) -> dict[str, Any]:
        """Values of unchanged fields, as they are now: not as they were when the event was made."""
        row = self.org.store.tables[entity.name].get(record_id, {})
        fields = (entity.fields[name] for name in names if self.org.permissions.sees(entity.name, name))
        return {event_name(entity, f)[0]: value_of(entity, f, row) for f in fields if row.get(f.name) is not None}

    def _schema_id(self, entity: Entity) -> str:
        """Changes when the object does."""
        shape = "|".join(f"{f.name}:{f.type}" for f in entity.fields.values())
        return hashlib.sha256(shape.encode()).hexdigest()[:22]
