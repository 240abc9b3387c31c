"""The Xero party beside the simulated world that it talks to over the loopback."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from connector.core.party import Operation, Outcome, Write
from connector.core.records import Version
from connector.core.values import Value
from connector.http import HttpClient
from connector.simulators.xero.seed import DEMO_TENANT
from connector.simulators.xero.world import World
from connector.xero.auth import Credentials, Tokens
from connector.xero.entities import ENTITIES
from connector.xero.rest import XeroParty
from connector.xero.scopes import needed_scopes


class Rig:
    """A party and the world it talks to."""

    def __init__(self, base: str, world: World, http: HttpClient) -> None:
        self.base, self.world, self.http = base, world, http
        self.party = self.new_party()

    def new_party(self, tenant: str = DEMO_TENANT, known_as: str = "xero-demo-secret", **more: Any) -> XeroParty:
        credentials = Credentials("xero-demo", known_as, f"{self.base}/connect/token")
        scopes = needed_scopes([*ENTITIES, "Attachment"])
        tokens = Tokens(self.http, credentials, lambda: scopes, self.now_ms)
        return XeroParty(self.http, tokens, tenant, now_ms=self.now_ms, api=f"{self.base}/api.xro/2.0", **more)

    def now_ms(self) -> int:
        return int(self.world.clock.now().timestamp() * 1000)

    def arm(self, kind: str, **more: Any) -> None:
        self.world.control.arm({"kind": kind, "match": {"path": "/api.xro"}, **more})

    async def write(self, writes: list[Write], key: str = "key") -> tuple[Outcome, ...]:
        answer = await self.party.send(self.party.prepare(writes, key), seconds=10)
        return self.party.outcomes(writes, answer)

    def contact(self, name: str = "Boom FM") -> str:
        found = self.world.first.first("Contact", lambda contact: contact["Name"] == name)
        assert found is not None
        return str(found["ContactID"])

    def invoice(self, number: str, **more: Value) -> Write:
        line: dict[str, Value] = {
            "Description": "Work",
            "Quantity": Decimal(3),
            "UnitAmount": Decimal("25.0612"),
            "AccountCode": "200",
        }
        fields: dict[str, Value] = {
            "Type": "ACCREC",
            "InvoiceNumber": number,
            "Contact": self.contact(),
            "Date": date(2026, 10, 1),
            "DueDate": date(2026, 10, 31),
            "LineItems": [line],
            **more,
        }
        return Write(f"w-{number}", "Invoice", Operation.CREATE, None, fields, ("InvoiceNumber", number))

    @property
    def invoices(self) -> list[str]:
        return sorted(one["InvoiceNumber"] for one in self.world.first.all("Invoice"))


def versions() -> Callable[[], Version]:
    numbers = count(1)
    return lambda: Version(1, next(numbers))
