"""Write schemas/link-events.v1.avsc, links.v1.avsc and targets.v1.avsc from the fold's own dataclasses.

Run: python deploy/generate/link_schemas.py
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from connector.core import link_events as events
from connector.kafka.link_codec import EVENTS, LinkEventEnvelope, StoredLink, Target

SCHEMAS = Path(__file__).parents[2] / "schemas"
SPACE = "io.twinledger.links.v1"
NAMES = {"LinkEventEnvelope": "LinkEvent", "StoredLink": "Link", "Link": "LinkState"}
DOCS = json.loads((Path(__file__).parent / "link_schema_docs.json").read_text())


class Writer:
    """Turns one dataclass and what it nests into an Avro schema; a record is spelt out once, then named."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def record(self, kind: type[Any]) -> Any:
        name = NAMES.get(kind.__name__, kind.__name__)
        if name in self.known:
            return f"{SPACE}.{name}"
        self.known.add(name)
        hints = get_type_hints(kind)
        return {
            "type": "record",
            "name": name,
            "namespace": SPACE,
            "doc": DOCS["records"][kind.__name__],
            "fields": [self.field(field, hints[field.name]) for field in fields(kind)],
        }

    def field(self, field: Any, hint: Any) -> dict[str, Any]:
        out = {"name": field.name, "type": self.type(hint), "doc": DOCS["fields"][field.name]}
        if type(None) in get_args(hint):
            out["default"] = None
        elif field.default is not MISSING and isinstance(field.default, str | bool | int):
            out["default"] = field.default.value if isinstance(field.default, Enum) else field.default
        elif field.default_factory is not MISSING and get_origin(hint) is not None:
            out["default"] = {}
        elif field.default == ():
            out["default"] = []
        return out

    def type(self, hint: Any) -> Any:
        origin, parts = get_origin(hint), get_args(hint)
        if hint is LinkEventEnvelope.__annotations__.get("body") or hint is events.LinkEvent:
            return [self.record(kind) for kind in EVENTS.values()]
        if origin in (typing.Union, types.UnionType):
            rest = [part for part in parts if part is not type(None)]
            return ["null", self.type(rest[0])] if len(rest) == 1 else [self.record(part) for part in rest]
        if isinstance(hint, type) and issubclass(hint, Enum):
            return "string"
        if is_dataclass(hint) and isinstance(hint, type):
            return self.record(hint)
        if origin is tuple and len(parts) == 2 and parts[1] is not Ellipsis:
            return self.pair()
        if origin is tuple:
            return {"type": "array", "items": self.type(parts[0])}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "map", "values": self.type(parts[1])}
        if hint is datetime:
            return {"type": "long", "logicalType": "timestamp-millis"}
        return {str: "string", bool: "boolean", int: "long"}[hint]

    def pair(self) -> Any:
        if "Agreed" in self.known:
            return f"{SPACE}.Agreed"
        self.known.add("Agreed")
        names = ("salesforce", "xero")
        return {
            "type": "record", "name": "Agreed", "namespace": SPACE, "doc": DOCS["records"]["Agreed"],
            "fields": [{"name": name, "type": "string", "doc": DOCS["fields"][f"agreed.{name}"]} for name in names],
        }  # fmt: skip


def main() -> None:
    for name, kind in (("link-events", LinkEventEnvelope), ("links", StoredLink), ("targets", Target)):
        schema = Writer().record(kind)
        (SCHEMAS / f"{name}.v1.avsc").write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main()
