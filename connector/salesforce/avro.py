"""describe becomes an Avro schema of one object, and follows the object without breaking its readers. Pure.

Every field is nullable with a default of null, and none is ever taken out: so any version reads any other. Numbers are
decimal(38, 18) whatever describe says, as in ``salesforce.records.v1``: another scale would be another type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from connector.core.catalog import FieldType
from connector.salesforce.describe import FieldShape, ObjectShape
from connector.salesforce.drift import Policy

Document: TypeAlias = dict[str, Any]
GONE = "No longer seen in the org."
_TYPES: Mapping[FieldType, Any] = {
    FieldType.TEXT: "string",
    FieldType.ID: "string",
    FieldType.BOOLEAN: "boolean",
    FieldType.NUMBER: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18},
    FieldType.DATE: {"type": "int", "logicalType": "date"},
    FieldType.TIME: {"type": "long", "logicalType": "timestamp-millis"},
    FieldType.OBJECT: {"type": "map", "values": ["null", "string"]},
}


@dataclass(frozen=True, slots=True)
class Pulled:
    """One object's schema. ``document`` is None where the policy holds it back because of its ``clashes``."""

    entity: str
    document: Document | None
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()


def schema(shape: ObjectShape, organisation: str) -> Document:
    """The schema of an object as it is now."""
    fields = [_field(one) for one in sorted(shape.fields.values(), key=lambda one: one.name)]
    return {
        "type": "record", "name": shape.name, "namespace": f"io.twinledger.salesforce.org_{organisation[:15]}",
        "doc": f"{shape.name} as the integration user sees it.", "fields": fields,
    }  # fmt: skip


def _field(shape: FieldShape) -> Document:
    length = shape.info.max_length
    room = f", up to {length} characters" if length else f", {shape.info.scale} places" if shape.info.scale else ""
    points = f", of {', '.join(shape.info.references)}" if shape.info.references else ""
    doc = f"{shape.kind}{room}{points}."
    return {"name": shape.name, "type": ["null", _TYPES[shape.info.type]], "default": None, "doc": doc}


def pull(shape: ObjectShape, organisation: str, before: Document | None, policy: Policy) -> Pulled:
    """The next version of an object's schema. A field of another type is a clash: where the policy follows, it gets a
    name of its own beside the old one."""
    fresh = schema(shape, organisation)
    if before is None:
        return Pulled(shape.name, fresh, tuple(field["name"] for field in fresh["fields"]))
    now = {field["name"]: field for field in fresh["fields"]}
    known = {field["name"]: field for field in before["fields"]}
    clashes = tuple(name for name in known if name in now and known[name]["type"] != now[name]["type"])
    if clashes and policy is not Policy.FOLLOW:
        return Pulled(shape.name, None, clashes=clashes)
    for name in clashes:
        renamed = f"{name}_{_word(now[name]['type'][1])}"
        now.setdefault(renamed, {**now[name], "name": renamed})
        now[name] = known[name]
    gone = tuple(name for name in known if name not in now)
    kept = [now.get(name) or {**field, "doc": GONE} for name, field in known.items()]
    added = tuple(name for name in now if name not in known)
    merged = {**fresh, "fields": [*kept, *(now[name] for name in added)]}
    return Pulled(shape.name, merged, added, gone, clashes)


def _word(kind: Any) -> str:
    return str(kind.get("logicalType") or kind["type"]).partition("-")[0] if isinstance(kind, dict) else str(kind)
