"""One subrequest of a composite call: the calls on single records, inside a transaction that others share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.query import value_of
from connector.simulators.salesforce.schema import Entity, Field
from connector.simulators.salesforce.store import Transaction
from connector.simulators.salesforce.values import Refusal

_STATUS = {"NOT_FOUND": 404, "ENTITY_IS_DELETED": 404, "INVALID_TYPE": 404}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call on one record: by id (``key``), or by external id (``key``) and its ``value``; a new one has neither."""

    method: str
    version: str
    entity: str
    key: str | None
    value: str | None
    body: object


@dataclass(frozen=True, slots=True)
class Done:
    """The answer of one subrequest."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return self.status >= 400 or self.status == 300


def failed(wrong: Refusal) -> Done:
    error: dict[str, object] = {"message": wrong.message, "errorCode": wrong.code}
    if wrong.fields:
        error["fields"] = list(wrong.fields)
    return Done(_STATUS.get(wrong.code, 400), [error])


@dataclass(frozen=True, slots=True)
class Nodes:
    """Carries out subrequests. What is refused raises Refusal; its caller takes back what it did."""

    org: Org

    def run(self, tx: Transaction, wanted: Wanted) -> Done:
        entity = self._entity(wanted.entity)
        if wanted.key is None:
            if wanted.method != "POST":
                raise Refusal("METHOD_NOT_ALLOWED", f"HTTP Method '{wanted.method}' not allowed. Allowed are POST")
            record_id = self.org.dml.insert(tx, entity, _object(wanted.body))
            return self._made(wanted, entity, record_id, created=True)
        if wanted.value is not None:
            return self._by_key(tx, wanted, entity)
        return self._by_id(tx, wanted, entity, _id(wanted.key))

    def _by_key(self, tx: Transaction, wanted: Wanted, entity: Entity) -> Done:
        key, value = self._external(entity, str(wanted.key)), str(wanted.value)
        found = self.org.dml.matches(entity, key, value)
        if len(found) > 1:
            base = f"/services/data/v{wanted.version}/sobjects/{entity.name}"
            return Done(300, [f"{base}/{one}" for one in found])
        if wanted.method in ("PATCH", "POST"):
            record_id, created = self.org.dml.upsert(tx, entity, key, value, _object(wanted.body))
            return self._made(wanted, entity, record_id, created=created, told=True)
        if not found:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return self._by_id(tx, wanted, entity, found[0])

    def _by_id(self, tx: Transaction, wanted: Wanted, entity: Entity, record_id: str) -> Done:
        if wanted.method == "GET":
            return self._shown(wanted, entity, record_id)
        if wanted.method == "PATCH":
            self.org.dml.update(tx, entity, record_id, _object(wanted.body))
        elif wanted.method == "DELETE":
            self.org.dml.delete(tx, entity, record_id)
        else:
            raise Refusal("METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed. Allowed are DELETE,GET,PATCH")
        return Done(204, None)

    def _made(self, wanted: Wanted, entity: Entity, record_id: str, *, created: bool, told: bool = False) -> Done:
        body: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
        if told:
            body["created"] = created
        where = f"/services/data/v{wanted.version}/sobjects/{entity.name}/{record_id}"
        return Done(201 if created else 200, body, {"Location": where})

    def _shown(self, wanted: Wanted, entity: Entity, record_id: str) -> Done:
        row = self.org.store.live(entity.name, record_id)
        if row is None:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        seen = (one for one in entity.fields.values() if self.org.permissions.sees(entity.name, one.name))
        url = f"/services/data/v{wanted.version}/sobjects/{entity.name}/{record_id}"
        values = {one.name: value_of(entity, one, row, self.org.clock.now().date()) for one in seen}
        return Done(200, {"attributes": {"type": entity.name, "url": url}, **values})

    def _entity(self, name: str) -> Entity:
        found = self.org.schema.find(name)
        if found is None or not self.org.permissions.sees_object(found.name):
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return found

    def _external(self, entity: Entity, name: str) -> Field:
        key = entity.find(name)
        if key is None or not self.org.permissions.sees(entity.name, key.name) or not (key.external_id or name == "Id"):
            message = f"Provided external ID field does not exist or is not accessible: {name}"
            raise Refusal("NOT_FOUND", message)
        return key


def _object(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object")
    return raw


def _id(raw: str) -> str:
    try:
        return full_id(raw)
    except ValueError:
        message = f"Provided external ID field does not exist or is not accessible: {raw}"
        raise Refusal("NOT_FOUND", message) from None
