"""One simulated org: its objects, its users' rights, its limits, its event bus, its tokens."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import HTMLResponse, Response

from connector.simulators.control import Clock, Refused
from connector.simulators.salesforce import content
from connector.simulators.salesforce.dml import Dml
from connector.simulators.salesforce.events import Bus
from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.persons import with_persons
from connector.simulators.salesforce.rules import Rules
from connector.simulators.salesforce.sales_org import CHANNEL, PICKLISTS, SELECTED, TABLES
from connector.simulators.salesforce.schema import Entity, build_schema
from connector.simulators.salesforce.seed import seed
from connector.simulators.salesforce.store import Caller, Changed, Row, Store
from connector.simulators.salesforce.values import Refusal
from connector.simulators.salesforce.wire import refusal

UI_ORIGIN = "com/salesforce/api/soap/{version};client=SfdcInternalAPI/"


@dataclass
class Settings:
    """What a test or a demo may turn. Seconds are of real time; limits are per rolling 24 hours of the org's clock."""

    client_id: str = "twinledger"
    client_secret: str = "twinledger-secret"  # noqa: S105  a sample, printed at the start
    grants: str = "client_credentials authorization_code refresh_token urn:ietf:params:oauth:grant-type:jwt-bearer"
    username: str = "integration@twinledger.example"
    certificate: str = ""  # public key in PEM, by which signed assertions are checked
    redirect_uris: str = "http://127.0.0.1:8467/callback"
    secret_required: bool = False  # of the code flow; PKCE is required in any case
    rotate_refresh: bool = False
    version: str = "62.0"
    multi_currency: bool = False
    person_accounts: bool = False
    currency: str = "GBP"
    query_page: int = 2000
    child_page: int = 200
    hold_seconds: float = 110
    client_seconds: float = 40  # a streaming client that stays away longer is forgotten
    advice_interval_ms: int = 0
    event_batch: int = 1000
    max_clients: int = 1000
    api_limit: int = 1_000_000
    event_limit: int = 1_000_000
    bulk_polls: int = 2  # how often a bulk job must be asked for before it is done
    duplicate_rule: str = ""  # on the names of accounts: alert lets through who says allowSave, block nobody
    collections_origin: bool = True  # whether Sforce-Call-Options reaches the events of collection calls


@dataclass
class Rolling:
    """A counter over the last 24 hours, by the minute."""

    minutes: Counter[int] = field(default_factory=Counter)

    def add(self, now: datetime, number: int = 1) -> None:
        self.minutes[int(now.timestamp() // 60)] += number

    def total(self, now: datetime) -> int:
        first = int((now - timedelta(hours=24)).timestamp() // 60)
        for minute in [minute for minute in self.minutes if minute <= first]:
            del self.minutes[minute]
        return self.minutes.total()


class Org:
    """Implements ``control.System``."""

    fault_kinds = frozenset(
        {
            "cut-before-send", "cut-before-commit", "cut-after-commit", "half-batch", "delay",
            "status", "status-after-commit", "token-revoked", "session-forgotten",
        }
    )  # fmt: skip

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        tables = (*(with_persons(TABLES) if settings.person_accounts else TABLES), *content.TABLES)
        self.schema = build_schema(tables, PICKLISTS, currencies=settings.multi_currency)
        self.store = Store(self.schema, clock.now)
        self.permissions = Permissions()
        rules = Rules(self.store, settings.currency if settings.multi_currency else None)
        self.dml = Dml(self.store, self.permissions, rules, duplicates=lambda: self.settings.duplicate_rule)
        self._unbound = Dml(self.store, Permissions(), rules)  # people see everything
        self.bus = Bus(self.schema, clock.now, set(SELECTED))
        self.channels: dict[str, dict[str, tuple[str, ...]]] = {CHANNEL: dict.fromkeys(SELECTED, ())}
        self.tokens: set[str] = set()
        self.forgetters: list[Any] = []
        self.revokers: list[Any] = []
        self.bulk: Any = None  # the jobs, for tests in the same process
        self.calls = Rolling()
        self.delivered = Rolling()
        self.organisation, self.user = seed(self._unbound, settings.currency)
        self.store.listeners.append(self.bus.publish)

    # --- callers -----------------------------------------------------------------------------------------------------

    def caller(self, version: str, options: str | None, *, collection: bool = False) -> Caller:
        """Who an API call writes as: Sforce-Call-Options names the client in changeOrigin."""
        origin = f"com/salesforce/api/rest/{version}"
        parts = (part.strip() for part in (options or "").split(","))
        client = next((part.removeprefix("client=") for part in parts if part.startswith("client=")), "")
        if client and (self.settings.collections_origin or not collection):
            origin += f";client={client}"
        return Caller(self.user, origin)

    def issue_token(self) -> str:
        token = f"{self.organisation[:15]}!AQEAQ{secrets.token_urlsafe(48)}"
        self.tokens.add(token)
        return token

    def signed_in(self, authorization: str | None) -> bool:
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() in ("bearer", "oauth") and token in self.tokens

    # --- control.System ----------------------------------------------------------------------------------------------

    def entities(self) -> Sequence[str]:
        return tuple(self.schema.entities)

    def objects(self, entity: str) -> Sequence[Mapping[str, Any]]:
        return list(self.store.rows(self._entity(entity).name, deleted=True))

    def edit(self, entity: str, record_id: str | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self._entity(entity)
        tx = self.store.transaction(self.person())
        try:
            if record_id is None:
                record_id = self._unbound.insert(tx, found, fields)
            else:
                record_id = full_id(record_id)
                self._unbound.update(tx, found, record_id, fields)
        except (Refusal, ValueError) as wrong:
            tx.rollback()
            raise Refused(str(wrong)) from wrong
        tx.commit()
        return self.store.tables[found.name][record_id]

    def fill(self, entity: str, count: int, fields: Mapping[str, Any], days: int) -> str:
        """Records that have been there for days: made without events. ``{n}`` in a text is the record's number; empty
        fields are not kept, so a million fit. Gives the id of the last one."""
        found, born = self._entity(entity), (self.clock.now() - timedelta(days=days)).replace(microsecond=0)
        table, record_id = self.store.tables[found.name], ""
        try:
            row = self._unbound.sample(self.person(), found, fields, born)
        except Refusal as wrong:
            raise Refused(str(wrong)) from wrong
        texts = [name for name, value in row.items() if isinstance(value, str) and "{n}" in value]
        for _ in range(count):
            record_id = self.store.new_id(found)
            number = str(len(table) + 1)
            self.store.replace(
                found.name, record_id, row | {"Id": record_id} | {n: str(row[n]).replace("{n}", number) for n in texts}
            )
        return record_id

    def edit_many(self, entity: str, ids: Iterable[str], fields: Mapping[str, Any]) -> None:
        """The same change of several records in one transaction: one merged event."""
        tx = self.store.transaction(self.person())
        try:
            for record_id in ids:
                self._unbound.update(tx, self._entity(entity), full_id(record_id), fields)
        except (Refusal, ValueError) as wrong:
            tx.rollback()
            raise Refused(str(wrong)) from wrong
        tx.commit()

    def delete(self, entity: str, record_id: str) -> None:
        self._undoable(entity, record_id, back=False)

    def undelete(self, entity: str, record_id: str) -> None:
        """Out of the recycle bin again."""
        self._undoable(entity, record_id, back=True)

    def _undoable(self, entity: str, record_id: str, *, back: bool) -> None:
        tx = self.store.transaction(self.person())
        statement = self._unbound.undelete if back else self._unbound.delete
        try:
            statement(tx, self._entity(entity), full_id(record_id))
        except (Refusal, ValueError) as wrong:
            tx.rollback()
            raise Refused(str(wrong)) from wrong
        tx.commit()

    def merge(self, entity: str, winner: str, loser: str) -> None:
        """Two records become one: children move to the winner, the loser is deleted and names it. No event says so."""
        found, tx = self._entity(entity), self.store.transaction(self.person())
        kept, gone = full_id(winner), full_id(loser)
        if self.store.live(found.name, kept) is None or self.store.live(found.name, gone) is None or kept == gone:
            raise Refused(f"{winner} and {loser} are not two live records of {entity}")
        for child in found.children.values():
            for row in self.store.pointing(child.entity, child.field, gone):
                tx.change(child.entity, str(row["Id"]), {child.field: kept})
        tx.change(found.name, gone, {"IsDeleted": True, "MasterRecordId": kept})
        tx.change(found.name, kept, {})
        tx.commit()

    def empty_recycle_bin(self) -> None:
        """Hard delete: no event tells of it."""
        for table in self.store.tables.values():
            for record_id in [one for one, row in table.items() if row["IsDeleted"]]:
                self.store.replace(str(self._of(record_id)), record_id, None)

    def state(self) -> Mapping[str, Any]:
        now = self.clock.now()
        return {
            "objects": {name: sum(1 for _ in self.store.rows(name)) for name in self.schema.entities},
            "events": len(self.bus.events), "replay_tip": self.bus.tip, "replay_purged": self.bus.purged,
            "selected": sorted(self.bus.selected), "channels": {name: dict(of) for name, of in self.channels.items()},
            "api_calls": self.calls.total(now), "api_limit": self.settings.api_limit,
            "events_delivered": self.delivered.total(now), "event_limit": self.settings.event_limit,
            "tokens": len(self.tokens), "organisation": self.organisation,
        }  # fmt: skip

    def failure(self, status: int, options: Mapping[str, Any]) -> Response:
        if status in (502, 504):
            return HTMLResponse("<html><head><title>Error</title></head><body>Bad gateway</body></html>", status)
        code, message = _FAILURES.get(status, (None, ""))
        code = options.get("code", code)
        if code is None:
            raise Refused(f"Salesforce has no common answer {status}; give options.code and options.message")
        return refusal(status, str(code), str(options.get("message", message)))

    def revoke_tokens(self) -> None:
        self.tokens.clear()
        self.forget_sessions(only_wake=True)

    def revoke_grants(self) -> None:
        """A person takes back what the app may do: refresh tokens and access tokens end."""
        for revoke in self.revokers:
            revoke()
        self.revoke_tokens()

    def forget_sessions(self, *, only_wake: bool = False) -> None:
        for forget in self.forgetters:
            forget(only_wake=only_wake)

    # --- inside ------------------------------------------------------------------------------------------------------

    def person(self) -> Caller:
        return Caller(self.user, UI_ORIGIN.format(version=self.settings.version))

    def rename(self, organisation: str) -> None:
        """Become another org, as after a wrong connection."""
        row: Row = {**self.store.tables["Organization"][self.organisation], "Id": full_id(organisation)}
        self.store.replace("Organization", self.organisation, None)
        self.organisation = full_id(organisation)
        self.store.replace("Organization", self.organisation, row)

    def _entity(self, name: str) -> Entity:
        found = self.schema.find(name)
        if found is None:
            raise Refused(f"no object {name!r}; there are {', '.join(self.schema.entities)}")
        return found

    def _of(self, record_id: str) -> str | None:
        found = self.schema.of_id(record_id)
        return None if found is None else found.name


_FAILURES: dict[int, tuple[str, str]] = {
    400: ("MALFORMED_QUERY", "unexpected token"),
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 1-1"),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable. Please try again later."),
}


def writes_of(change: Changed) -> tuple[str, Mapping[str, Any]]:
    """A change as the control page's write log spells it: operation and fields."""
    operation = {"CREATE": "create", "DELETE": "delete"}.get(change.kind, "update")
    if operation == "update":
        moved = {name: value for name, value in change.after.items() if change.before.get(name) != value}
        return operation, moved
    return operation, dict(change.after) if operation == "create" else {}
