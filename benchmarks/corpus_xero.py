"""Xero's messages through the product: answers to records to Avro and back, write answers, refusals, requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from benchmarks.corpus_lines import Line
from benchmarks.corpus_verdict import Refused, Wrong, first_part
from connector.core.party import Answer, Applied, Operation, Rejected, Undecided, Write
from connector.core.records import Record, Version
from connector.core.values import Value, canonical
from connector.errors import AuthError, ConfigurationError, DataError, Unavailable
from connector.kafka.codec import Codec, Decoded
from connector.xero.auth import read_token
from connector.xero.avro import from_value, to_value, topic_of
from connector.xero.below import BELOW, Below, own_id, record_below
from connector.xero.entities import ENTITIES, ZERO_ID, Entity, entity
from connector.xero.records import OF_THE_ANSWER, elements, load, read_fields, record
from connector.xero.rest import refusal
from connector.xero.writer import messages, outcomes, prepare

READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
_PLURALS = {about.plural: about for about in ENTITIES.values()} | {"Organisation": ENTITIES["Organisation"]}
_MS = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_BELOW = re.compile(r"/([A-Za-z]+)/[^/]+/(Allocations|Attachments|History|Options)(?:/|$)")
_SUBJECT = {"mock invoices": "Invoices", "mock accounts": "Accounts", "mock contacts": "Contacts"}


def xero(line: Line, codec: Codec) -> list[str]:
    """One message: an answer, a refusal or a request, by what is noted about it."""
    below = _BELOW.search(line.operation)
    if line.kind == "official-request-example":
        return _request_below(line, *_named_below(below)) if below else _request(line)
    if line.operation.endswith("/connect/token"):
        return _token(line)
    if line.status is not None and line.status >= 400:
        return _refusal(line)
    if below:
        return _answer_below(line, *_named_below(below))
    about = _entity(line)
    found = _records(line, about, codec)
    if line.operation.startswith(("PUT ", "POST ")):
        return [*found, *_written(line, about)]
    return found


def _named_below(found: re.Match[str]) -> tuple[Below, Entity]:
    """The kind that stands below, and its parent's. Raises Refused for a parent that the product does not speak."""
    below = next(one for one in BELOW.values() if one.segment == found[2])
    parent = _PLURALS.get(found[1])
    if parent is None or parent.name not in below.parents:
        raise Refused("xero.entity-unknown", f"There is no {found[2]} below {found[1]} here.")
    return below, parent


def _answer_below(line: Line, below: Below, parent: Entity) -> list[str]:
    """What stands below an object: rows to records, written ones to outcomes."""
    rows = [one for one in load(line.data).get(below.plural, ()) if isinstance(one, Mapping)]
    for row in rows:
        one = record_below(below, parent, "parent", row, "tenant", Version(1, 1), READ_AT)
        own = {name: value for name, value in row.items() if name != parent.name}  # the parent is who was asked
        _same_object(own, one.fields, f"{below.name} {one.id}")
    if line.operation.startswith("GET "):
        return ["below"]
    gone = line.operation.startswith("DELETE ")
    target = f"{parent.plural}/parent/{below.segment}/own"
    operation = Operation.UPDATE if gone else Operation.CREATE
    [found] = outcomes([Write("1", below.name, operation, target, {parent.name: "parent"})], Answer(200, {}, line.data))
    known = gone or (len(rows) == 1 and bool(own_id(below, rows[0])))
    if not isinstance(found, Applied if known else Undecided):
        raise Wrong(f"{str(rows)[:120]} became {str(found)[:200]}")
    return ["below", "outcomes", type(found).__name__]


def _request_below(line: Line, below: Below, parent: Entity) -> list[str]:
    """A published request of such an object, prepared by us, says the same."""
    if line.operation.startswith("POST "):
        raise Refused("xero.unchangeable", "the published example changes what we only make and take away")
    raw = line.message
    rows = raw.get(below.plural, [raw])
    for row in rows:
        named = {str(name)[:1].upper() + str(name)[1:]: value for name, value in row.items()}
        write = Write(
            "1", below.name, Operation.CREATE, None, {**read_fields(named, below.name), parent.name: "parent"}
        )
        sent = json.loads(prepare([write], "key").body, parse_float=Decimal, parse_int=Decimal)
        ours = sent.get(below.plural, [sent])[0]
        kept = {name: value for name, value in named.items() if not isinstance(value, Mapping | list)}
        if any(_plain(ours.get(name)) != _plain(value) for name, value in kept.items()):
            raise Wrong(f"{ours} is not {kept}")
    return ["prepare", "below"]


def _entity(line: Line) -> Entity:
    """The entity that the product would ask by this path. Raises Refused for one that it does not speak."""
    name = _SUBJECT.get(line.operation) or first_part(line) or line.operation.removeprefix("mock ")
    if line.kind.startswith("webhook"):
        return ENTITIES["Invoice"]
    try:
        return _PLURALS.get(name) or entity(name)
    except ConfigurationError as error:
        raise Refused(error.code, error.message) from error


def _records(line: Line, about: Entity, codec: Codec) -> list[str]:
    text = line.raw
    if "unwrapped by SDK" in line.operation:  # the list without its envelope: put back
        text = f'{{"{about.plural}":{text}}}'
    try:
        found = elements(text.encode(), about.name)
        made = [record(raw, about.name, "tenant", Version(1, 1), READ_AT) for raw in found]
        for raw, one in zip(found, made, strict=True):
            _same_object(raw, one.fields, f"{about.name} {one.id}")
            _round_trip(one, codec)
    except DataError as error:
        raise Refused(error.code, error.message) from error
    return ["elements", "record", "codec"] if made else ["elements"]


def _round_trip(one: Record, codec: Codec) -> None:
    topic = topic_of(one.entity)
    back = codec.decode(codec.encode(topic, to_value(one)))
    if not isinstance(back, Decoded):
        raise Wrong(f"{one.entity} {one.id} cannot be read back: {back.message}")
    again = from_value(back.value, one.entity)
    if canonical(again.fields) != canonical(one.fields) or again.stamp != one.stamp:
        raise Wrong(f"{one.entity} {one.id} came back different")


def _same_object(raw: Mapping[str, Any], fields: Mapping[str, Value], where: str) -> None:
    """Nothing lost, nothing bent: every value on the wire against the typed one."""
    for name, value in raw.items():
        if name not in OF_THE_ANSWER:
            _same(value, fields[name], f"{where}.{name}")


def _same(raw: Any, value: Value, where: str) -> None:
    if isinstance(raw, Mapping) and isinstance(value, Mapping):
        _same_object(raw, value, where)
    elif isinstance(raw, list) and isinstance(value, Sequence) and not isinstance(value, str):
        if len(raw) != len(value):
            raise Wrong(f"{where} has {len(value)} of {len(raw)} parts")
        for one, part in zip(raw, value, strict=True):
            _same(one, part, where)
    elif isinstance(raw, str) and (moment := _MS.fullmatch(raw)):
        if _milliseconds(value) != int(moment[1]):
            raise Wrong(f"{where}: {raw} became {value!r}")
    elif raw != value or isinstance(raw, bool) != isinstance(value, bool):
        raise Wrong(f"{where}: {raw!r} became {value!r}")


def _milliseconds(value: Value) -> int | None:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000)
    return None


def _written(line: Line, about: Entity) -> list[str]:
    """The answer of a write, judged element by element against writes that would have made it."""
    found = elements(line.data, about.name)
    operation = Operation.CREATE if line.operation.startswith("PUT") else Operation.UPDATE
    writes = [
        Write(str(n), about.name, operation, str(raw.get(about.id_field)), read_fields(raw, about.name))
        for n, raw in enumerate(found)
    ]
    if not writes:
        return []
    out = outcomes(writes, Answer(200, {}, line.data))
    for raw, outcome in zip(found, out, strict=True):
        if raw.get(about.id_field) == ZERO_ID and not list(messages(raw)):
            raise Refused("xero-zero-id", str(outcome))
        bad = raw.get("StatusAttributeString") == "ERROR" or raw.get("HasErrors") is True or list(messages(raw))
        right = isinstance(outcome, Rejected) if bad else isinstance(outcome, Applied)
        if list(messages(raw)) and raw.get("StatusAttributeString") == "OK":  # an example that contradicts itself
            right = isinstance(outcome, Undecided)
        if not right or (isinstance(outcome, Applied) and outcome.target != raw[about.id_field]):
            raise Wrong(f"{str(raw)[:120]} became {str(outcome)[:200]}")
    return ["outcomes", *sorted({type(outcome).__name__ for outcome in out})]


def _refusal(line: Line) -> list[str]:
    """A refused call: a write's outcome and a read's error. A 5xx or what cannot be read decides nothing."""
    status = line.status or 0
    body = b"" if line.message is None else line.data
    answer = Answer(status, line.headers, body)
    [outcome] = outcomes([Write("1", "Invoice", Operation.CREATE, None, {})], answer)
    wanted: tuple[type, ...] = (Undecided,) if status >= 500 else (Rejected, Undecided)
    if not isinstance(outcome, wanted):
        raise Wrong(f"HTTP {status} became {outcome}")
    error = refusal(answer, first_part(line) or "Invoices")
    if (status in (401, 403)) != isinstance(error, AuthError) or not isinstance(error, AuthError | Unavailable):
        raise Wrong(f"HTTP {status} became {error!r}")
    said = f"{outcome.failure.code}={outcome.failure.kind.value}" if isinstance(outcome, Rejected) else "undecided"
    if isinstance(outcome, Undecided) and 400 <= status < 500 and not _is_json(body):
        raise Refused("xero.not-json", outcome.reason)
    return ["outcomes", said, type(error).__name__]


def _is_json(body: bytes) -> bool:
    try:
        load(body)
    except DataError:
        return False
    return True


def _token(line: Line) -> list[str]:
    token, seconds = read_token(Answer(200, {}, line.data))
    if token != line.message["access_token"] or seconds != int(line.message["expires_in"]):
        raise Wrong("another token than the answer's")
    return ["token"]


def _request(line: Line) -> list[str]:
    """A request that Xero's specification shows: the same writes, prepared by us, hold the same."""
    about = _entity(line)
    try:
        rows = elements(line.data, about.name)
        operation = Operation.CREATE if line.operation.startswith("PUT") else Operation.UPDATE
        writes = [_write(str(n), row, about, operation) for n, row in enumerate(rows)]
        call = prepare(writes[:1] if operation is Operation.UPDATE else writes, "key")
    except DataError as error:
        raise Refused(error.code, error.message) from error
    body = json.loads(call.body, parse_float=Decimal, parse_int=Decimal)
    ours = body.get(about.plural, [body])
    for row, sent in zip(rows, ours, strict=False):
        kept = {name: value for name, value in row.items() if not isinstance(value, Mapping | list)}
        if any(_plain(sent.get(name)) != _plain(value) for name, value in kept.items() if name != about.id_field):
            raise Wrong(f"{sent} is not {kept}")
    return ["prepare"]


def _plain(value: Any) -> Any:
    """A date in any of the spellings that Xero takes, as the seconds since 1970."""
    if isinstance(value, str) and (moment := _MS.fullmatch(value)):
        return datetime.fromtimestamp(int(moment[1]) // 1000, UTC).replace(tzinfo=None).isoformat()
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return f"{value}T00:00:00"
    return value


def _write(number: str, row: Mapping[str, Any], about: Entity, operation: Operation) -> Write:
    target = str(row.get(about.id_field) or "") or ("given-by-path" if operation is Operation.UPDATE else None)
    return Write(number, about.name, operation, target, read_fields(row, about.name))
