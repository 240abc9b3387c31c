"""Salesforce's REST answers through the product: describe, query to typed records to Avro and back, write answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from benchmarks.corpus_lines import Line, items, member
from benchmarks.corpus_shapes import Described, learn
from benchmarks.corpus_verdict import Refused, Wrong, rows_of
from connector.core.party import Answer, Applied, Operation, Rejected, Undecided, Write
from connector.core.records import ReadPlan, Record, Version
from connector.core.values import Value, canonical
from connector.errors import AuthError, DataError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.record_codec import from_value, to_value
from connector.salesforce.auth import read_token
from connector.salesforce.describe import read_describe
from connector.salesforce.reader import Reading, read_page, records
from connector.salesforce.writer import outcomes, prepare

READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = "salesforce.records.v1"
READ_ONLY_WORDS = ("attributes", "Id", "id")


def rest(line: Line, codec: Codec, described: Described) -> list[str]:
    """One answer. What is asked of it depends on what it is, as the product would ask."""
    steps = _dispatch(line, line.raw, codec, described)
    request = line.wrap.get("request")
    body = request.get("body") if isinstance(request, Mapping) else None
    if isinstance(body, Mapping) and "/composite/sobjects" in str(request):
        steps += _prepared(body, str(request.get("uri", "")) if isinstance(request, Mapping) else "")
    return steps


def _dispatch(line: Line, text: str, codec: Codec, described: Described) -> list[str]:
    raw = json.loads(text, parse_float=Decimal)
    if line.kind.startswith("oauth"):
        return _token(line)
    if isinstance(raw, list) and raw and all(isinstance(one, dict) for one in raw):
        if all("success" in one for one in raw):
            return _outcomes(text, raw, 200)
        if all("errorCode" in one for one in raw):
            return _refusal(text, line.status or 400)
    if not isinstance(raw, dict):
        return _never(text)
    if "compositeResponse" in raw:
        return _composite(line, text, codec, described)
    if "success" in raw and "id" in raw:
        return _outcomes(f"[{text}]", [raw], 200)
    if "allOrNone" in raw:
        return _prepared(raw, "")
    if "fields" in raw and "name" in raw:
        return _describe(text, raw)
    if isinstance(raw.get("records"), list):
        return _query(text, codec, described)
    if isinstance(raw.get("attributes"), dict) and "Id" in raw:
        return _query(f'{{"totalSize":1,"done":true,"records":[{text}]}}', codec, described)
    return _never(text)


def _token(line: Line) -> list[str]:
    answer = Answer(line.status or 200, {}, line.data)
    try:
        token = read_token(answer, "https://example.my.salesforce.com/services/oauth2/token")
    except AuthError as error:
        if "error" not in line.message or str(line.message["error"]) not in error.message:
            raise Wrong(f"refused with {error}") from error
        return ["token", error.code]
    if token.access != line.message["access_token"]:
        raise Wrong("another token than the answer's")
    return ["token"]


def _composite(line: Line, text: str, codec: Codec, described: Described) -> list[str]:
    steps: list[str] = []
    for part in items(member(text, "compositeResponse")):
        body = member(part, "body")
        if body == "null":
            steps.append("empty")
        elif body.startswith("[") and '"errorCode"' in body:
            steps += _refusal(body, int(member(part, "httpStatusCode")))
        else:
            steps += _dispatch(line, body, codec, described)
    return ["composite", *dict.fromkeys(steps)]


def _describe(text: str, raw: Mapping[str, Any]) -> list[str]:
    try:
        shape = read_describe(text)
    except DataError as error:
        raise Refused(error.code, error.message) from error
    if set(shape.fields) != {one["name"] for one in raw["fields"]}:
        raise Wrong("describe lost a field")
    for one in raw["fields"]:
        _same_field(one, shape.fields[one["name"]].info.max_length, shape.fields[one["name"]].info.scale)
    return ["describe"]


def _same_field(one: Mapping[str, Any], length: int | None, scale: int | None) -> None:
    if length is not None and length != one["length"]:
        raise Wrong(f"{one['name']} has length {length}, not {one['length']}")
    if one["type"] in ("currency", "double", "percent") and scale != one.get("scale", 0):
        raise Wrong(f"{one['name']} has scale {scale}, not {one.get('scale')}")


def _query(text: str, codec: Codec, described: Described) -> list[str]:
    try:
        page = read_page(text.encode())
        for row in page.rows:
            _name(row)
        plans, catalog = learn(described, page.rows)
        for row in page.rows:
            entity = str((row.get("attributes") or {}).get("type", "Row"))
            reading = Reading(
                ReadPlan(entity, (), plans.get(entity, {})), catalog, "00D000000000001EAA", Version(1, 1), READ_AT
            )
            [record] = records([row], reading)
            _same_row(row, record.fields, record.id)
            _round_trip(record, codec)
    except DataError as error:
        raise Refused(error.code, error.message) from error
    return ["query", "record", "codec"] if page.rows else ["query"]


def _name(row: dict[str, Any]) -> None:
    """Our queries always ask for the Id. Where the recorded one did not, the row's own address tells it."""
    found = re.search(r"/sobjects/\w+/([0-9A-Za-z]{18})$", str((row.get("attributes") or {}).get("url", "")))
    if found and "Id" not in row:
        row["Id"] = found[1]


def _round_trip(record: Record, codec: Codec) -> None:
    back = codec.decode(codec.encode(RECORDS, to_value(record)))
    if not isinstance(back, Decoded):
        raise Wrong(f"the record cannot be read back: {back.message}")
    again = from_value(back.value)
    if again != record or canonical(again.fields) != canonical(record.fields):
        raise Wrong(f"{record.entity} {record.id} came back different")


def _same_row(raw: Mapping[str, Any], fields: Mapping[str, Value], where: str) -> None:
    """Nothing lost, nothing bent: every value of the row against the typed one, by its spelling on the wire."""
    for name, value in raw.items():
        if name in ("attributes", "SystemModstamp", "IsDeleted") and name not in fields:
            continue
        _same(value, fields[name], f"{where} {name}")


def _same(raw: Any, value: Value, where: str) -> None:
    if isinstance(raw, Mapping) and "records" in raw:
        rows = rows_of(raw)
        if not isinstance(value, list) or len(value) != len(rows):
            raise Wrong(f"{where} has other rows")
        for one, typed in zip(rows, value, strict=True):
            _same_row(one, typed, where)
    elif isinstance(raw, Mapping):
        if not isinstance(value, Mapping):
            raise Wrong(f"{where} is no object")
        _same_row(raw, value, where)
    elif raw is None and value == []:  # a relationship without child rows
        return
    elif _spelled(value) != (None if raw == "" else _moment(raw)):
        raise Wrong(f"{where}: {raw!r} became {value!r}")


def _moment(raw: Any) -> object:
    """A time on the wire at UTC; anything else as it is."""
    if isinstance(raw, str) and len(raw) > 18 and raw[10:11] == "T":
        return datetime.fromisoformat(raw).astimezone(UTC).isoformat()
    return Decimal(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw


def _spelled(value: Value) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _outcomes(text: str, raw: list[Any], status: int) -> list[str]:
    """A collections answer: one outcome a row, and the right one."""
    writes = [Write(str(n), "Account", Operation.CREATE, None, {}) for n in range(len(raw))]
    found = outcomes(writes, Answer(status, {}, text.encode()))
    for row, outcome in zip(raw, found, strict=True):
        if row["success"] and not (isinstance(outcome, Applied) and outcome.target == row["id"]):
            raise Wrong(f"{row} became {outcome}")
        if not row["success"] and not isinstance(outcome, Rejected):
            raise Wrong(f"{row} became {outcome}")
    said = {f"{o.failure.code}={o.failure.kind.value}" for o in found if isinstance(o, Rejected)}
    return ["outcomes", *sorted(said)]


def _refusal(text: str, status: int) -> list[str]:
    """An error array with its own status; inside a composite answer an unknown one is a bad request's."""
    [outcome] = outcomes([Write("1", "Account", Operation.CREATE, None, {})], Answer(status, {}, text.encode()))
    if not isinstance(outcome, Rejected):
        raise Wrong(f"an error array became {outcome}")
    return ["refusal", f"{outcome.failure.code}={outcome.failure.kind.value}"]


def _prepared(body: Mapping[str, Any], uri: str) -> list[str]:
    """The same writes prepared by us give the same records, when Salesforce's clients and we mean the same."""
    rows = [row for row in body.get("records") or () if isinstance(row, Mapping)]
    if not rows or any(isinstance(v, Mapping) for row in rows for k, v in row.items() if k != "attributes"):
        return []
    kinds = {str(row["attributes"]["type"]) for row in rows if isinstance(row.get("attributes"), Mapping)}
    updates = all("id" in row or "Id" in row for row in rows)
    if len(kinds) != 1 or len(rows) > 200 or (not updates and any("id" in row or "Id" in row for row in rows)):
        return []
    operation = Operation.UPDATE if updates and "/composite/sobjects/" not in uri else Operation.CREATE
    writes = [_write(str(n), kinds, row, operation) for n, row in enumerate(rows)]
    ours = json.loads(prepare(writes, "67.0").body, parse_float=Decimal)["records"]
    if [_bare(row) for row in ours] != [_bare(row) for row in rows]:
        raise Wrong("the prepared call holds other records than the recorded one")
    return ["prepare"]


def _write(number: str, kinds: Iterable[str], row: Mapping[str, Any], operation: Operation) -> Write:
    fields = {
        name: Decimal(v) if isinstance(v, int) and not isinstance(v, bool) else v
        for name, v in row.items()
        if name not in READ_ONLY_WORDS
    }
    target = str(row.get("id") or row.get("Id")) if operation is Operation.UPDATE else None
    return Write(number, next(iter(kinds)), operation, target, fields)


def _bare(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in READ_ONLY_WORDS}


def _never(text: str) -> list[str]:
    """An answer that we never ask for: no reader may take it for its own."""
    for reader in (lambda: read_page(text.encode()), lambda: read_describe(text)):
        try:
            taken = reader()
        except DataError:
            continue
        raise Wrong(f"taken for something else: {str(taken)[:200]}")
    [outcome] = outcomes([Write("1", "Account", Operation.CREATE, None, {})], Answer(200, {}, text.encode()))
    if not isinstance(outcome, Undecided):
        raise Wrong(f"taken for the answer of a write: {outcome}")
    raise Refused("never-asked", "read_page, read_describe and outcomes refuse it")
