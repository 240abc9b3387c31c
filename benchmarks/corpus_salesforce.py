"""Salesforce's messages through the product: events to hints, stream answers to verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from benchmarks.corpus_lines import Line, items, member
from benchmarks.corpus_verdict import Refused, Wrong
from connector.core.records import Side
from connector.errors import DataError
from connector.kafka.codec import Codec, Decoded
from connector.salesforce import bayeux
from connector.salesforce.events import Change, Scope, decode
from streams.connection import Connection
from streams.hops import HINTS, hint_value


@dataclass(frozen=True, slots=True)
class _Named:
    """As much of a connection as a hint needs."""

    name: str = "corpus"

    def organisation(self, _side: Side) -> str:
        return "00D000000000001EAA"


def cdc(line: Line, codec: Codec) -> list[str]:
    """One event: to the bytes that capture gets, decoded, to the value of the hints topic and back."""
    steps, payload = _wire(line)
    try:
        change = decode(payload)
    except DataError as error:
        raise Refused(error.code, error.message) from error
    _as_told(line, change)
    if change.scope is Scope.WHOLE:
        return [*steps, "decode", "resync"]
    encoded = codec.encode(HINTS, _hint(change, payload))
    back = codec.decode(encoded)
    if not isinstance(back, Decoded) or back.value != _hint(change, payload):
        raise Wrong(f"the hint came back different: {back}")
    return [*steps, "decode", "hint", "codec"]


def _wire(line: Line) -> tuple[list[str], bytes]:
    """The bytes of ``data``, as capture gets them; forms that are shown without it are put back into it."""
    if line.form == "cometd-full":
        [message] = bayeux.messages(f"[{line.raw}]")
        if message[bayeux.RAW] != member(line.raw, "data"):
            raise Wrong("the stream reader changed the text of data")
        return ["bayeux"], str(message[bayeux.RAW]).encode()
    if line.form == "cometd-data":
        return [], line.data
    if line.form == "pubsub-decoded-event":
        payload, replay = member(line.raw, "payload"), member(line.raw, "replayId")
        return [], f'{{"payload":{payload},"event":{{"replayId":{replay}}}}}'.encode()
    if line.form == "eventbridge":
        return [], member(line.raw, "detail").encode()
    return [], f'{{"payload":{line.raw}}}'.encode()


def _as_told(line: Line, change: Change) -> None:
    """The decoded change against the header as it stands in the line, read by nobody but this file."""
    header = _find(line.message, "ChangeEventHeader")
    ids = [one for one in header["recordIds"] if not one.endswith("*") and one != "000000000000000AAA"]
    if (change.entity, change.kind) != (header["entityName"], header["changeType"]):
        raise Wrong(f"{change.entity} {change.kind} is not what the header says")
    if change.scope is Scope.IDS and [one[:15] for one in change.record_ids] != [one[:15] for one in ids]:
        raise Wrong(f"{change.record_ids} are not the header's ids")
    if int(change.committed.timestamp() * 1000) != int(header["commitTimestamp"]):
        raise Wrong(f"{change.committed} is not the header's time")


def _find(raw: Any, name: str) -> Mapping[str, Any]:
    if isinstance(raw, Mapping):
        if isinstance(raw.get(name), Mapping):
            return cast("Mapping[str, Any]", raw[name])
        for part in raw.values():
            found = _find(part, name)
            if found:
                return found
    return {}


def _hint(change: Change, payload: bytes) -> dict[str, Any]:
    return hint_value(
        cast("Connection", _Named()), Side.SALESFORCE, "change", change.entity, change.record_ids,
        channel="/data/corpus", replay_id=change.replay_id, change_type=change.kind, commit_time=change.committed,
        transaction_key=change.transaction, sequence=change.sequence, parents=dict(change.parents), payload=payload,
    )  # fmt: skip


def stream(line: Line, codec: Codec) -> list[str]:
    """One answer of the stream, judged. Rows of the documented table of errors are put into a failed answer."""
    text = line.raw if line.raw.startswith("[") else f"[{line.raw}]"
    if "successful" not in line.raw and '"error"' in line.raw and "data" not in line.raw:
        said = json.dumps(str(line.message["error"]))
        text = f'[{{"channel":"/meta/connect","successful":false,"error":{said}}}]'
    try:
        found = bayeux.messages(text)
    except DataError as error:
        raise Refused(error.code, error.message) from error
    if len(found) != len(items(text)):
        raise Wrong(f"{len(found)} messages of {len(items(text))}")
    steps = []
    for message in found:
        answer = bayeux.judge(message)
        if (message.get("successful") is False) != (answer.verdict is not bayeux.Verdict.FINE):
            raise Wrong(f"{answer} of successful={message.get('successful')}")
        steps.append(f"judge:{answer.verdict.value}")
        if answer.verdict is not bayeux.Verdict.FINE:
            steps.append(type(bayeux.error_of(answer, channel="/data/corpus")).__name__)
        if "ChangeEventHeader" in str(message.get(bayeux.RAW)):
            decode(str(message[bayeux.RAW]).encode())
            steps.append("decode")
    return steps
