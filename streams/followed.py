"""Which objects of Salesforce a connection follows, and how: by change events, by polls, or by both.

An edition may select five objects for change events, or none at all; the others are polled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from connector.core.identity import record_key
from connector.core.records import Side
from connector.salesforce.describe import SalesforceCatalog
from connector.settings import SalesforceSettings
from streams.connection import Connection
from streams.hops import HINTS, Outbox, hint_value

ASKED = 200  # ids of one hint
DELETED = "getDeleted"  # why an id is asked: we were told that it is deleted
ANY = "*"


class Capture(StrEnum):
    """How an object's changes are learned."""

    CDC = "cdc"
    POLL = "poll"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Followed:
    """One object. With ``parent`` it is followed for the rows that a mapping reads of its parent, by ``reference``; or,
    without ``reference``, because a mapping reads it beside its parent (`depends: live`). ``mapped``: for its own sake,
    whatever else; its records are documents of their own."""

    entity: str
    capture: Capture
    parent: str = ""
    reference: str = ""
    mapped: bool = True


def followed(connection: Connection, catalog: SalesforceCatalog) -> tuple[Followed, ...]:
    """What the applied mappings need to hear about, each object once."""
    out: dict[str, Followed] = {}
    mapped = connection.entities(Side.SALESFORCE)
    for entity in mapped:
        out[entity] = Followed(entity, capture_of(connection, entity))
    for entity in mapped:
        shape = catalog.objects.get(entity)
        for name in connection.read_plan(Side.SALESFORCE, entity).children:
            child, reference = shape.children.get(name, ("", "")) if shape is not None else ("", "")
            if child and child not in out:
                out[child] = Followed(child, capture_of(connection, child, entity), entity, reference, mapped=False)
            elif child and not out[child].parent:
                out[child] = replace(out[child], parent=entity, reference=reference)
    for entity, found in connection.beside().items():
        if entity not in out:
            out[entity] = Followed(entity, capture_of(connection, entity), found[0][0], mapped=False)
        elif not out[entity].parent:
            out[entity] = replace(out[entity], parent=found[0][0])
    return tuple(out.values())


def capture_of(connection: Connection, *names: str) -> Capture:
    """What the settings say of the first of these objects that they name; else of all, else change events."""
    return captured(connection.settings.salesforce, *names)


def captured(settings: SalesforceSettings, *names: str) -> Capture:
    """The same before a connection runs."""
    said = settings.capture
    return Capture(next((said[name] for name in (*names, ANY) if name in said), Capture.CDC))


def heads(connection: Connection, catalog: SalesforceCatalog, entity: str) -> tuple[str, ...]:
    """The mapped objects that show a change of this one: itself, and the one whose rows these are."""
    one = next((one for one in followed(connection, catalog) if one.entity == entity), None)
    if one is None:
        return ()
    return (*((entity,) if one.mapped else ()), *((one.parent,) if one.parent else ()))


async def ask(
    connection: Connection, outbox: Outbox, one: Followed, ids: dict[str, str | None], reason: str
) -> int:  # fmt: skip
    """Hints that these ids (with their parents' ids, where known) be read; gives the last one's offset."""
    offset, names = -1, list(ids)
    for at in range(0, len(names), ASKED):
        part = tuple(names[at : at + ASKED])
        parents = {name: f"{one.parent}/{ids[name]}" for name in part if one.parent and ids[name]}
        value = hint_value(connection, connection.org, "asked", one.entity, part, reason=reason, parents=parents)
        key = record_key(connection.name, connection.org, one.entity, part[0])
        offset = await outbox.put(HINTS, key, outbox.codec.encode(HINTS, value), ())
    return offset
