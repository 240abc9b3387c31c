"""Write schemas/accounting.*.v1.avsc from the shapes of the accounting documents.

python deploy/generate/accounting_schemas.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from connector.xero.entities import ENTITIES, Entity
from connector.xero.field import FieldKind
from connector.xero.shape import NAMESPACE, OTHER, Part, Shape, document

STAMP = {"type": "long", "logicalType": "timestamp-millis"}
SIMPLE: dict[FieldKind, Any] = {
    FieldKind.TEXT: "string",
    FieldKind.BOOLEAN: "boolean",
    FieldKind.WHOLE: "long",
    FieldKind.DATE: {"type": "int", "logicalType": "date"},
    FieldKind.TIME: STAMP,
}
WORDS = {
    FieldKind.TEXT: "text",
    FieldKind.BOOLEAN: "true or false",
    FieldKind.WHOLE: "a whole number",
    FieldKind.DATE: "a business date, never shifted through a zone",
    FieldKind.TIME: "a time, UTC",
    FieldKind.NUMBER: "an exact number",
    FieldKind.OBJECT: "a part of the document",
    FieldKind.REFERENCE: "another object, by id",
    FieldKind.LIST: "rows in Xero's order",
}


def schema(entity: Entity) -> dict[str, Any]:
    """The record of one topic."""
    named: set[str] = set()
    version = {
        "type": "record",
        "name": f"{entity.name}Version",
        "doc": "When we asked: numbers of one connection, compared first by epoch, then by ordinal.",
        "fields": [
            {"name": "epoch", "type": "long", "doc": "Owner epoch of the partition when the request was sent."},
            {
                "name": "ordinal",
                "type": "long",
                "doc": "The owner's counter of reads, polls and writes, taken at sending.",
            },
        ],
    }
    fields = [
        {"name": "tenant", "type": "string", "doc": "Id of the Xero organisation."},
        {"name": "id", "type": "string", "doc": f"{entity.id_field} of the object."},
        {"name": "version", "type": version, "doc": "Version of the read that brought it."},
        {"name": "read_at", "type": STAMP, "doc": "When it was read, by our clock."},
        {
            "name": "stamp",
            "type": ["null", STAMP],
            "default": None,
            "doc": "UpdatedDateUTC; null where Xero gives none.",
        },
        {
            "name": "deleted",
            "type": "boolean",
            "doc": "Whether Xero told us that the object is gone. VOIDED is a state.",
        },
        {
            "name": "document",
            "type": ["null", record(document(entity.name), named)],
            "default": None,
            "doc": "The whole document as Xero shows it; null when only the deletion is known.",
        },
    ]
    doc = f"The full present state of one object of Xero's {entity.plural}, as read."
    return {"type": "record", "name": entity.name, "namespace": NAMESPACE, "doc": doc, "fields": fields}


def record(shape: Shape, named: set[str]) -> Any:
    """A nested record; by name where it was spelled out before."""
    if shape.name in named:
        return shape.name
    named.add(shape.name)
    fields = [
        {
            "name": name,
            "type": ["null", kind(part, named)],
            "default": None,
            "doc": f"Xero's {name}: {WORDS[part.kind]}.",
        }
        for name, part in shape.parts.items()
    ]
    rest = {
        "name": OTHER,
        "type": {"type": "map", "values": "string"},
        "default": {},
        "doc": "Fields that have no type here, by name, as canonical JSON.",
    }
    doc = f"Fields as Xero names them ({shape.name}); null where the answer left a field out."
    return {"type": "record", "name": shape.name, "doc": doc, "fields": [*fields, rest]}


def kind(part: Part, named: set[str]) -> Any:
    if part.kind is FieldKind.NUMBER:
        return {"type": "bytes", "logicalType": "decimal", "precision": part.precision, "scale": part.scale}
    if part.kind is FieldKind.LIST:
        return {"type": "array", "items": record(part.inner, named) if part.inner else "string"}
    if part.inner is not None:
        return record(part.inner, named)
    return SIMPLE[part.kind]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "schemas")
    for entity in ENTITIES.values():
        text = json.dumps(schema(entity), indent=2, ensure_ascii=False)
        (folder / f"accounting.{entity.topic}.v1.avsc").write_text(text + "\n")


if __name__ == "__main__":
    main()
