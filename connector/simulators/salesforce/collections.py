"""sObject Collections: up to 200 records of a call, each with its own result inside an HTTP 200."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.faults import HALF_BATCH
from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.rest import Rest, body_of
from connector.simulators.salesforce.schema import Entity
from connector.simulators.salesforce.store import Transaction
from connector.simulators.salesforce.values import ParserRefusal, Refusal
from connector.simulators.salesforce.wire import answer, refusal

MOST = 200
Raw: TypeAlias = Mapping[str, Any]
Statement: TypeAlias = Callable[[Transaction, Raw], dict[str, Any]]
_ROLLED_BACK = Refusal(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


class Collections:
    """insert, update, upsert and delete of many."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.org = rest.org

    async def insert(self, request: Request) -> Response:
        records, strict = await self._records(request)

        def one(tx: Transaction, raw: Raw) -> dict[str, Any]:
            return {"id": self.org.dml.insert(tx, self._typed(raw), raw)}

        return self._each(request, records, one, strict=strict)

    async def update(self, request: Request) -> Response:
        records, strict = await self._records(request)

        def one(tx: Transaction, raw: Raw) -> dict[str, Any]:
            given = raw.get("id", raw.get("Id"))
            if given is None:
                raise Refusal("MISSING_ARGUMENT", "Id not specified in an update call")
            record_id = _id(given)
            self.org.dml.update(tx, self._typed(raw), record_id, raw)
            return {"id": record_id}

        return self._each(request, records, one, strict=strict)

    async def upsert(self, request: Request) -> Response:
        entity = self.rest.entity(request)
        key = self.rest.external_key(entity, request.path_params["key"])
        records, strict = await self._records(request)
        values = [str(raw.get(key.name, "")).lower() for raw in records]

        def one(tx: Transaction, raw: Raw) -> dict[str, Any]:
            if self._typed(raw).name != entity.name:
                raise Refusal("INVALID_TYPE", f"attributes.type must be {entity.name}")
            value = raw.get(key.name)
            if value is None:
                raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", (key.name,))
            if values.count(str(value).lower()) > 1:
                message = f"Duplicate external id specified: {value}"
                raise Refusal("DUPLICATE_VALUE", message, (key.name,))
            record_id, created = self.org.dml.upsert(tx, entity, key, value, raw)
            return {"id": record_id, "created": created}

        return self._each(request, records, one, strict=strict)

    async def delete(self, request: Request) -> Response:
        ids = [one for one in request.query_params.get("ids", "").split(",") if one]
        if not 0 < len(ids) <= MOST:
            return refusal(400, "REQUIRED_FIELD_MISSING", f"ids takes 1 to {MOST} ids")

        def one(tx: Transaction, raw: Raw) -> dict[str, Any]:
            record_id = _id(raw["id"])
            entity = self.org.schema.of_id(record_id)
            if entity is None:
                raise Refusal("MALFORMED_ID", f"malformed id {raw['id']}")
            self.org.dml.delete(tx, entity, record_id)
            return {"id": record_id}

        strict = request.query_params.get("allOrNone", "").lower() == "true"
        return self._each(request, [{"id": record_id} for record_id in ids], one, strict=strict)

    async def _records(self, request: Request) -> tuple[list[Raw], bool]:
        body = await body_of(request)
        records = body.get("records")
        if not isinstance(records, list) or not all(isinstance(raw, dict) for raw in records):
            raise Refusal("JSON_PARSER_ERROR", "records must be a list of objects")
        if not records:
            raise Refusal("REQUIRED_FIELD_MISSING", "At least 1 record is required")
        if len(records) > MOST:
            raise Refusal(
                "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST} records in this call"
            )
        return records, body.get("allOrNone") is True

    def _typed(self, raw: Raw) -> Entity:
        attributes = raw.get("attributes")
        name = attributes.get("type") if isinstance(attributes, dict) else None
        found = self.org.schema.find(str(name)) if name else None
        if found is None or not self.org.permissions.sees_object(found.name):
            raise Refusal("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return found

    def _each(self, request: Request, records: Sequence[Raw], statement: Statement, *, strict: bool) -> Response:
        """Each row on its own; with allOrNone one refusal rolls all back. A wrong JSON type refuses the whole call."""
        tx = self.org.store.transaction(self.rest.caller(request, collection=True))
        done = records[: len(records) // 2] if request.scope.get(HALF_BATCH) else records
        results: list[Any] = []
        for raw in done:
            savepoint = tx.savepoint()
            try:
                results.append({**statement(tx, raw), "success": True, "errors": []})
            except ParserRefusal:
                tx.rollback()
                raise
            except Refusal as wrong:
                tx.rollback(savepoint)
                results.append(wrong)
        if strict and any(isinstance(result, Refusal) for result in results):
            tx.rollback()
            results = [result if isinstance(result, Refusal) else _ROLLED_BACK for result in results]
        tx.commit()
        return answer([_told(result) for result in results])


def _told(result: Any) -> Mapping[str, Any]:
    if isinstance(result, Refusal):
        error = {"statusCode": result.code, "message": result.message, "fields": list(result.fields)}
        return {"success": False, "errors": [error]}
    ordered: dict[str, Any] = {name: result[name] for name in ("id", "success", "errors", "created") if name in result}
    return ordered


def _id(raw: object) -> str:
    try:
        return full_id(str(raw))
    except ValueError:
        raise Refusal("MALFORMED_ID", f"malformed id {raw}") from None
