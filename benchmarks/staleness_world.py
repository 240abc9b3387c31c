"""A simulated organisation of any size, and the people who change it."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from benchmarks.inside import Stage
from connector.simulators.xero.store import Stored
from connector.xero.webhooks import pokes, signers

KEY = "webhook-key"
LATEST_HOOK = 30.0
Poked = set[tuple[str, str]]


def populate(stage: Stage, invoices: int, contacts: int, dice: random.Random) -> None:
    """Copies of one contact and one approved invoice that the simulator itself has made, changed over two years."""
    tenant, world = stage.world.first, stage.world
    contact = tenant.tables["Contact"][world.edit("Contact", None, {"Name": "Model"})["ContactID"]]
    line = {"Description": "Work", "Quantity": 3, "UnitAmount": "25.0612", "AccountCode": "200"}
    fields = {
        "Type": "ACCREC", "InvoiceNumber": "MODEL-0", "Contact": {"ContactID": contact["ContactID"]},
        "Date": "2026-10-01", "DueDate": "2026-10-31", "Status": "AUTHORISED", "LineItems": [line],
    }  # fmt: skip
    invoice = tenant.tables["Invoice"][world.edit("Invoice", None, fields)["InvoiceID"]]
    people = [_copied(stage, "Contact", contact, dice, Name=f"Customer {n}") for n in range(contacts - 1)]
    for n in range(invoices - 1):
        named = {"ContactID": dice.choice(people)} if people else invoice["Contact"]
        _copied(stage, "Invoice", invoice, dice, InvoiceNumber=f"INV-{n:06d}", Contact=named)


def _copied(stage: Stage, entity: str, model: Stored, dice: random.Random, **fields: Any) -> str:
    tenant = stage.world.first
    record_id = _guid(dice)
    made = {**copy.deepcopy(model), **fields, f"{entity}ID": record_id}
    made["UpdatedDateUTC"] = tenant.stamp() - timedelta(seconds=dice.randint(60, 2 * 365 * 86_400))
    for line in made.get("LineItems", ()):
        line["LineItemID"] = _guid(dice)
    tenant.save(entity, made, {}, bump=False)
    return record_id


def _guid(dice: random.Random) -> str:
    text = f"{dice.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Crowd:
    """Changes one object after the other, at random times; webhooks tell of them if there is a ``hook``."""

    def __init__(self, stage: Stage, dice: random.Random, changed: Callable[[str, str, datetime], None],
                 share: float) -> None:  # fmt: skip
        self.stage, self.dice, self.changed = stage, dice, changed
        tables = stage.world.first.tables
        self.there = [(entity, one) for entity in ("Contact", "Invoice") for one in tables[entity]]
        self.per_second = len(self.there) * share / 3600
        self.until = stage.now()
        self.edits = 0
        self.hook: Callable[[Poked], None] | None = None
        self.hook_seconds = 0.0

    def begin(self, until: datetime) -> None:
        self.until = until
        self._later()

    def _later(self) -> None:
        moment = self.stage.now() + timedelta(seconds=self.dice.expovariate(self.per_second))
        if moment < self.until:
            self.stage.at(moment, self._edit)

    def _edit(self) -> None:
        """A person's edit, by the simulator's own rules."""
        entity, record_id = self.dice.choice(self.there)
        self.edits += 1
        fields = {"Reference": f"e{self.edits}"} if entity == "Invoice" else {"FirstName": f"e{self.edits}"}
        self.stage.world.edit(entity, record_id, fields)
        self.changed(entity, record_id, self.stage.now())
        if self.hook is not None:
            after = min(self.dice.expovariate(1 / self.hook_seconds), LATEST_HOOK)
            self.stage.at(self.stage.now() + timedelta(seconds=after), lambda: self._tell(entity, record_id))
        self._later()

    def _tell(self, entity: str, record_id: str) -> None:
        """As Xero sends it, and as the web role takes it."""
        event = {
            "resourceId": record_id, "tenantId": self.stage.world.first.id, "tenantType": "ORGANISATION",
            "eventCategory": entity.upper(), "eventType": "UPDATE",
        }  # fmt: skip
        body = json.dumps({"events": [event], "firstEventSequence": 1, "lastEventSequence": 1}).encode()
        signature = base64.b64encode(hmac.digest(KEY.encode(), body, hashlib.sha256)).decode()
        if self.hook is not None and signers(body, signature, [KEY]):
            self.hook({(poke.tenant, poke.entity) for poke in pokes(body)})
