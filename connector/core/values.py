"""What a field can hold, on either side, and its one canonical spelling.

Numbers are Decimal from wire to wire, times are aware UTC, business dates are dates. A float is refused: it would
already have lost a cent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The other end of a link of ``mapping``: known only once that link is live.

    ``document`` is the end that we know, ``<side>:<id>``. An ``optional`` one is left empty until it is known and
    filled in then; any other holds the whole document back.
    """

    mapping: str
    document: str
    optional: bool = False


Value: TypeAlias = "None | str | bool | Decimal | date | datetime | Ref | Sequence[Value] | Mapping[str, Value]"
Fields: TypeAlias = Mapping[str, Value]


def plain_number(value: Decimal) -> str:
    """The shortest spelling without an exponent: ``1.00`` and ``1`` are both ``1``."""
    if not value.is_finite():
        raise ValueError(f"not a finite number: {value}")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _jsonable(value: Value) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Decimal):
        return {"#": plain_number(value)}
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return {"@": value.astimezone(UTC).isoformat(timespec="milliseconds")}
    if isinstance(value, date):
        return {"@": value.isoformat()}
    if isinstance(value, Ref):
        return {"&": [value.mapping, value.document, value.optional]}
    if isinstance(value, Mapping):
        return {f"${name}": _jsonable(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [_jsonable(part) for part in value]
    raise TypeError(f"a {type(value).__name__} is not a field value")


def canonical(value: Value) -> str:
    """One text per value: equal values have equal texts, whatever their spelling on the wire was."""
    return json.dumps(_jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_canonical(text: str) -> Value:
    """The value whose ``canonical`` text this is."""
    return _from_jsonable(json.loads(text))


def _from_jsonable(raw: object) -> Value:
    if raw is None or isinstance(raw, bool | str):
        return raw
    if isinstance(raw, list):
        return [_from_jsonable(part) for part in raw]
    if isinstance(raw, dict):
        if set(raw) == {"#"}:
            return Decimal(raw["#"])
        if set(raw) == {"@"}:
            text: str = raw["@"]
            return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
        if set(raw) == {"&"}:
            mapping, document, optional = raw["&"]
            return Ref(mapping, document, optional)
        return {name[1:]: _from_jsonable(part) for name, part in raw.items()}
    raise ValueError("not a canonical text")


class Sought(str):
    """A question in the place of an id: the text that ``sought`` makes of an object and of what its fields equal."""

    __slots__ = ()


def sought(entity: str, criteria: Fields) -> Sought:
    return Sought(canonical([entity, criteria]))


Question = tuple[str, Fields]  # object, and what its fields must equal


def question(text: str) -> Question | None:
    """What the canonical text of a field asks; None for an id that is known."""
    value = from_canonical(text)
    if not isinstance(value, str) or not value.startswith("["):
        return None
    match from_canonical(value):
        case [str() as entity, dict() as criteria]:
            return entity, criteria
    return None


def digest(value: Value) -> str:
    """sha256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def texts(flat: Fields) -> tuple[dict[str, str], dict[str, Ref]]:
    """Canonical texts of the values, and the references that stand among them."""
    refs = {path: value for path, value in flat.items() if isinstance(value, Ref)}
    return {path: canonical(value) for path, value in flat.items() if path not in refs}, refs
