"""What became of a message, and the table of the reasons for which the product may refuse one.

A refusal is explained only when the code that the product gave stands in a reason's row *and* the reason's own look at
the message agrees. So a message that ought to be taken cannot hide behind a reason that is not its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.corpus_lines import Line
from connector.xero.entities import ENTITIES, ZERO_ID

TAKEN, REFUSED, UNEXPLAINED = "taken", "refused", "unexplained"
_BITMAP = re.compile(r"(?:\d+-)?0x[0-9A-Fa-f]+")
_SPOKEN = frozenset(about.plural for about in ENTITIES.values()) | {"Organisation", "Connections", "connect"}


class Refused(Exception):
    """The product's code refused a message, or a part of it."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


class Wrong(Exception):
    """The product's code took a message and got it wrong: what it gives back is not what was there."""


@dataclass(frozen=True, slots=True)
class Case:
    """One message's fate. ``reason`` is a key of REASONS for a refusal that holds, ``steps`` what it went through."""

    line: Line
    fate: str
    reason: str = ""
    said: str = ""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a refusal holds: the codes it may explain, when it applies to a message, and the sentence for a reader.

    ``words`` stand in what the product said, where one code has several meanings.
    """

    codes: re.Pattern[str]
    applies: Callable[[Line], bool]
    sentence: str
    words: str = ""


def _reason(codes: str, applies: Callable[[Line], bool], sentence: str, words: str = "") -> Reason:
    return Reason(re.compile(codes), applies, sentence, words)


def _header(line: Line) -> Mapping[str, Any] | None:
    """The ChangeEventHeader wherever it stands."""
    todo = [line.message]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("ChangeEventHeader"), Mapping):
                found: Mapping[str, Any] = one["ChangeEventHeader"]
                return found
            todo.extend(one.values())
    return None


def _bitmaps(line: Line) -> bool:
    changed = (_header(line) or {}).get("changedFields")
    return isinstance(changed, list) and any(isinstance(one, str) and _BITMAP.fullmatch(one) for one in changed)


def _placeholder(line: Line) -> bool:
    return any("<" in str(one) for one in (_header(line) or {}).get("recordIds", ()))


def _short_header(line: Line) -> bool:
    header = _header(line)
    needed = ("entityName", "recordIds", "changeType", "transactionKey", "sequenceNumber", "commitTimestamp")
    return header is not None and not all(name in header for name in needed)


def _request(line: Line) -> bool:
    rows = line.message if isinstance(line.message, list) else [line.message]
    return all(isinstance(one, Mapping) and "successful" not in one and "error" not in one for one in rows)


def _no_full_id(line: Line) -> bool:
    return any(not re.fullmatch(r"[0-9A-Za-z]{18}", str(row.get("Id", ""))) for row in rows_of(line.message))


def rows_of(raw: Any) -> list[Mapping[str, Any]]:
    """The rows of a query answer, or the one row of a retrieved record."""
    found = raw.get("records") if isinstance(raw, Mapping) else None
    rows = found if isinstance(found, list) else [raw]
    return [row for row in rows if isinstance(row, Mapping)]


def _not_spoken(line: Line) -> bool:
    return first_part(line) not in _SPOKEN or "CISSettings" in line.operation


def first_part(line: Line) -> str:
    """``Invoices`` of ``PUT /api.xro/2.0/Invoices/{id}?page=1``; empty where the operation names no path."""
    found = re.search(r"/(?:api\.xro/2\.0/)?([A-Za-z]+)", line.operation)
    return found[1] if found else ""


def _below(line: Line) -> bool:
    return re.search(r"/[A-Za-z]+/[^/]+/([A-Z][A-Za-z]+)|/Organisation/Actions", line.operation) is not None


def _lower_key(line: Line) -> bool:
    names = set(line.message) if isinstance(line.message, Mapping) else set()
    known = {about.plural.casefold() for about in ENTITIES.values()}
    wrong_case = {name for name in names if name.replace("_", "").casefold() in known} - _SPOKEN
    return bool(wrong_case) or "body" in names


def _other_contact(line: Line) -> bool:
    """A request that names a contact, an account or a document by something else than its id."""
    found = line.message if isinstance(line.message, Mapping) else {}
    rows = next((rows for rows in found.values() if isinstance(rows, list)), [])
    inner = [row.get(name) for row in rows for name in ("Contact", "Invoice") if isinstance(row.get(name), Mapping)]
    return any(not (one.get("ContactID") or one.get("InvoiceID")) for one in inner)


def _no_list(line: Line) -> bool:
    return not isinstance(line.message, Mapping) or not any(isinstance(v, list) for v in line.message.values())


REASONS: Mapping[str, Reason] = {
    "another-stream": _reason(
        r"salesforce\.not-a-change-event", lambda line: line.kind.startswith("non-CDC"),
        "A platform event, PushTopic or generic event: only change events say which record moved.",
    ),
    "pubsub-bitmap": _reason(
        r"salesforce\.event-pubsub", _bitmaps,
        "changedFields are bitmaps of the Pub/Sub API, which need its schemas; the CometD form of the event is taken.",
    ),
    "cut-header": _reason(
        r"salesforce\.event-header", _short_header,
        "The documentation or a fixture shows only a part of the header; a real event carries all of it.",
    ),
    "placeholder-id": _reason(
        r"salesforce\.event-header", _placeholder,
        "The documentation prints a placeholder where an id stands.",
    ),
    "bayeux-request": _reason(
        r"salesforce\.stream-not-bayeux", _request,
        "A message that clients send, or a piece of one: no server answers with it.",
    ),
    "no-describe": _reason(
        r"salesforce\.describe", lambda line: line.kind == "field-list-types",
        "A list of field names with a programming language's types: no describe answer has this form.",
    ),
    "no-id": _reason(
        r"salesforce\.answer", _no_full_id,
        "A row whose 18-character Id stands nowhere, in its address neither (aggregates, placeholders): our "
        "queries always ask for the Id and Salesforce always gives it.",
        "without an id",
    ),
    "never-asked": _reason(
        r"never-asked", lambda line: line.file.startswith("salesforce/rest"),
        "An answer that holds no records (the state of a Bulk job, limits), or of an endpoint that is never called "
        "(search, trees): given to every reader of records, and none of them takes it for its own.",
    ),
    "entity-unspoken": _reason(
        r"xero.entity-unknown", _not_spoken,
        "An object of Xero that this version does not speak yet: refused by name, never half read.",
    ),
    "below-an-object": _reason(
        r"xero.envelope", _below,
        "Other lists below an object (contacts of a group, online addresses): never asked for, never taken for it.",
    ),
    "option-renamed": _reason(
        r"xero\.unchangeable", lambda line: "/Options/" in line.operation,
        "A tracking option that is renamed: the connector makes options and takes them away.",
    ),
    "sdk-spelling": _reason(
        r"xero.envelope", _lower_key,
        "A test double or example with an SDK's own spelling of names; Xero's are written with capitals.",
    ),
    "webhook": _reason(
        r"xero.envelope", lambda line: line.kind.startswith("webhook"),
        "A webhook names objects and holds none: the record reader does not take it for a document.",
    ),
    "connections": _reason(
        r"xero\.entity-unknown|xero\.envelope", lambda line: "onnections" in line.operation,
        "The list of connected organisations: the connector is told its tenant and checks it by GET /Organisation.",
    ),
    "reference-by-name": _reason(
        r"xero.reference", _other_contact,
        "A request that names a contact or document otherwise than by id: we send the id alone, because anything more "
        "would change that contact.",
    ),
    "request-without-list": _reason(
        r"xero\.envelope|xero\.no-target", lambda line: line.status is None and _no_list(line),
        "A request in another form than the list that we send.",
    ),
    "zero-id": _reason(
        r"xero-zero-id", lambda line: ZERO_ID in line.raw,
        "The specification blanks the id of a created object; an id of zeros is how Xero shows what was not written.",
    ),
    "not-json": _reason(
        r"xero.not-json", lambda line: line.raw.lstrip().startswith("<") or bool(line.wrap.get("body_is_text")),
        "XML or plain text, which Xero sends to who does not ask for JSON; we always ask.",
    ),
}  # fmt: skip


def explain(line: Line, code: str, said: str) -> str:
    """The key of the reason that holds for this refusal of this message; empty if none does."""
    for key, reason in REASONS.items():
        if reason.codes.fullmatch(code) and reason.words in said and reason.applies(line):
            return key
    return ""
