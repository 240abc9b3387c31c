"""All that one running simulator holds, and what its control page may do with it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.responses import Response

from connector.simulators.control import KINDS, Clock, Control, Refused, request_number
from connector.simulators.xero.batches import table_of, write_one
from connector.simulators.xero.contacts import merge_contacts
from connector.simulators.xero.doubts import Doubts
from connector.simulators.xero.editions import EDITIONS
from connector.simulators.xero.errors import Invalid, Refusal, forbidden, unauthorised
from connector.simulators.xero.idempotency import Keys
from connector.simulators.xero.invoices import SETTLES
from connector.simulators.xero.limits import MINUTE, Limits, Usage, Window
from connector.simulators.xero.seed import DEMO_TENANT, OTHER_TENANT, demo_company
from connector.simulators.xero.shapes import Table, choice, day, flag, number, read, text
from connector.simulators.xero.store import ID_FIELDS, PLURALS, Tenant
from connector.simulators.xero.tokens import SCOPES, Client, Tokens
from connector.simulators.xero.webhooks import Hooks
from connector.simulators.xero.wire import json_answer

OFFLINE = "The Xero API is currently offline for maintenance"
# what a person may set of an organisation and a tax rate; the API cannot
ORGANISATION: Table = {
    "Name": text(255), "LegalName": text(255), "PeriodLockDate": day, "EndOfYearLockDate": day, "TaxNumber": text(50),
    "IsDemoCompany": flag,
}  # fmt: skip
TAX_RATE: Table = {
    "Name": text(50),
    "Status": choice("Status", "ACTIVE", "ARCHIVED", "DELETED"),
    "EffectiveRate": number,
}
# how a person takes an object away; else by the status DELETED
POSTED = frozenset({"AUTHORISED", "POSTED"})
ENDED: Mapping[str, str | None] = {
    "Invoice": "VOIDED", "CreditNote": "VOIDED", "ManualJournal": "VOIDED", "Contact": None, "Organisation": None,
    "TaxRate": None, "Currency": None, "BrandingTheme": None, "Prepayment": None, "Overpayment": None,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What a simulator is started with: a custom connection, one app that sees all, two apps that people sign in to."""

    tenants: tuple[tuple[str, str], ...] = ((DEMO_TENANT, "Demo Company (UK)"), (OTHER_TENANT, "Demo Company Two (UK)"))
    client_id: str = "xero-demo"
    client_secret: str = "xero-demo-secret"  # noqa: S105  (a simulator's, printed when it starts)
    limits: Limits = field(default_factory=Limits)
    edition: str = "UK"  # of every tenant: UK, AU, NZ, US
    scopes: frozenset[str] = SCOPES  # of the custom connection
    webhook_url: str = ""  # where webhooks are sent to; none at first
    webhook_key: str = ""

    @classmethod
    def of(cls, edition: str, **more: Any) -> Settings:
        """A demo company of one edition: UK, AU, NZ or US."""
        names = ((DEMO_TENANT, f"Demo Company ({edition})"), (OTHER_TENANT, f"Demo Company Two ({edition})"))
        return cls(tenants=names, edition=edition, **more)

    def clients(self) -> dict[str, Client]:
        one = Client(self.client_id, self.client_secret, (self.tenants[0][0],), scopes=self.scopes)
        everything = tuple(tenant for tenant, _ in self.tenants)
        both = Client(f"{self.client_id}-all", self.client_secret, everything)
        desktop = Client(f"{self.client_id}-pkce", "", everything, consents=True)
        web = Client(f"{self.client_id}-web", self.client_secret, everything, consents=True)
        return {client.id: client for client in (one, both, desktop, web)}


class World:
    """Tenants, tokens, limits and keys. It is the ``System`` of the control page."""

    fault_kinds = KINDS - {"session-forgotten"}  # the Accounting API has no sessions

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        self.limits = Limits(**asdict(settings.limits))
        self.doubts = Doubts()
        self.tokens = Tokens(settings.clients())
        self.keys = Keys(self.clock.now)
        self.control = Control(self, self.clock)
        self.hooks = Hooks(self.clock.now)
        if settings.webhook_url:
            self.hooks.configure(settings.webhook_url, settings.webhook_key)
        edition = EDITIONS[settings.edition]
        self.tenants = {tid: demo_company(tid, name, self.clock.now, edition) for tid, name in settings.tenants}
        self.usage = {tid: Usage() for tid in self.tenants}
        self.app_windows: dict[str, Window] = {}  # by client id
        self.connected_at = self.clock.now()
        for tenant in self.tenants.values():
            tenant.doubts = self.doubts
            tenant.committed = self._teller(tenant)

    def _teller(self, tenant: Tenant) -> Any:
        """Writes of the first tenant are logged under the entity's name, others' under ``tenant:Entity``."""
        prefix = "" if tenant is self.first else f"{tenant.id}:"

        def tell(entity: str, record_id: str, operation: str, fields: Mapping[str, Any]) -> None:
            said = {name: value for name, value in fields.items() if not name.startswith("_")}
            self.control.committed(prefix + entity, record_id, operation, said)
            if entity == "Invoice" and tuple(fields) == SETTLES and self.doubts.payment_webhook == "silent":
                return
            self.hooks.tell(tenant.id, entity, tenant.tables.get(entity, {}).get(record_id, {}), record_id, operation)

        return tell

    @property
    def first(self) -> Tenant:
        return next(iter(self.tenants.values()))

    def entities(self) -> Sequence[str]:
        more = [f"{tid}:{name}" for tid in list(self.tenants)[1:] for name in ID_FIELDS]
        return [*ID_FIELDS, *more]

    def _place(self, entity: str) -> tuple[Tenant, str]:
        """``Invoice``, ``Invoices`` or ``<tenant>:Invoice``."""
        head, _, name = entity.rpartition(":")
        name = next((single for single, plural in PLURALS.items() if name in (single, plural)), name)
        tenant = self.tenants.get(head) if head else self.first
        if tenant is None or name not in ID_FIELDS:
            raise Refused(
                f"no {entity} here; there are {', '.join(ID_FIELDS)}, of another tenant with <tenant>: before it"
            )
        return tenant, name

    def objects(self, entity: str) -> Sequence[Mapping[str, Any]]:
        tenant, name = self._place(entity)
        return [{key: value for key, value in record.items() if not key.startswith("_")} for record in tenant.all(name)]

    def edit(self, entity: str, record_id: str | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        tenant, name = self._place(entity)
        known = tenant.get(name, record_id) if record_id else None
        if record_id and known is None:
            raise Refused(f"no {name} {record_id}")
        try:
            if name in ("Organisation", "TaxRate"):
                if known is None:
                    raise Refused(f"a new {name} is not supported")
                given = read(fields, ORGANISATION if name == "Organisation" else TAX_RATE, name)
                return tenant.save(name, {**known, **given}, given)
            if name == "Contact" and known is not None and (stays := fields.get("MergedToContactID")):
                return merge_contacts(tenant, known, str(stays))
            given = read(fields, table_of(name), name)
            return write_one(tenant, name, given, known, places=4, by_hand=True)
        except (Invalid, Refusal) as wrong:
            raise Refused(str(wrong)) from None

    def delete(self, entity: str, record_id: str) -> None:
        tenant, name = self._place(entity)
        known = tenant.get(name, record_id)
        if known is None:
            raise Refused(f"no {name} {record_id}")
        if name == "Item":
            tenant.remove(name, record_id)
            return
        ended = ENDED.get(name, "DELETED")
        if ended is None:
            raise Refused(f"a {name} cannot be deleted in Xero")
        self.edit(
            name, record_id, {"Status": "VOIDED" if known["Status"] in POSTED and ended == "VOIDED" else "DELETED"}
        )

    def app_window(self, client_id: str) -> Window:
        """The minute of one app, over all its tenants."""
        return self.app_windows.setdefault(client_id, Window(MINUTE))

    def state(self) -> Mapping[str, Any]:
        now = self.clock.now()
        tenants = {
            tid: {
                "name": tenant.name,
                "counts": {name: len(table) for name, table in tenant.tables.items()},
                "left": self.usage[tid].left(self.limits, now, self.app_window(self.settings.client_id)),
                "egress_bytes": self.usage[tid].egress,
            }
            for tid, tenant in self.tenants.items()
        }
        return {"tenants": tenants, "limits": asdict(self.limits), "tokens": len(self.tokens.given)}

    def failure(self, status: int, options: Mapping[str, Any]) -> Response:
        """429, 500, 502, 503, 504, 401, 403 in Xero's spelling. A 500 is kept under the request's Idempotency-Key."""
        correlation = str(uuid.uuid4())
        if status == 429:
            problem = str(options.get("problem", "minute"))
            headers = {"X-Rate-Limit-Problem": problem, "X-MinLimit-Remaining": "0"}
            if problem != "concurrent":
                headers["Retry-After"] = str(options.get("retry_after", 26))
            return Response(b"", 429, headers)
        if status in (401, 403):
            refusal = (
                unauthorised("AuthenticationUnsuccessful", correlation) if status == 401 else forbidden(correlation)
            )
            return json_answer(refusal.body, status)
        if status in (502, 503, 504):
            return Response(OFFLINE, status, media_type="text/html")
        if status == 500:
            answer = json_answer(
                {"ErrorNumber": 500, "Type": "InternalError", "Message": "An error occurred in Xero."}, 500
            )
            self._remember(answer)
            return answer
        raise Refused(f"no fault status {status} here; there are 401, 403, 429, 500, 502, 503 and 504")

    def _remember(self, answer: Response) -> None:
        at = request_number.get()
        entry = next((entry for entry in reversed(self.control.requests) if entry.n == at), None)
        if entry is not None and entry.idempotency_key:
            self.keys.remember(
                entry.idempotency_key, fingerprint(entry.method, entry.path, entry.query, entry.body_sha256), answer
            )

    def revoke_tokens(self) -> None:
        self.tokens.revoke_all()

    def forget_sessions(self) -> None:
        raise Refused("the Accounting API has no sessions")


def fingerprint(method: str, path: str, query: str, body_sha256: str) -> str:
    """What makes two requests the same under one Idempotency-Key."""
    return f"{method} {path}?{query} {body_sha256}"
