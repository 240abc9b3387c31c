"""Keys. The part before the first ``/`` is the connection: it alone decides the partition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from connector.core.records import Side


@lru_cache(maxsize=65_536)  # the keys of what is worked on are asked for many times an event
def join_key(*parts: str) -> bytes:
    """``connection/…`` with every part percent-encoded, so that no part can forge a ``/``."""
    if not parts or not parts[0]:
        raise ValueError("a key begins with its connection")
    return "/".join(quote(part, safe="") for part in parts).encode("ascii")


def split_key(key: bytes) -> tuple[str, ...]:
    """The parts of a key, decoded."""
    return tuple(unquote(part) for part in key.decode("ascii").split("/"))


def record_key(connection: str, organisation: str, entity: str, record_id: str) -> bytes:
    """Key of a record, a hint's object, a read: ``<connection>/<tenant or org>/<entity>/<id>``."""
    return join_key(connection, organisation, entity, record_id)


@dataclass(frozen=True, slots=True, order=True)
class LinkId:
    """Identity of a link. ``document`` is ``<side>:<id>`` of the end seen first, for ever; ``<side>:<id>#<part>`` where
    a mapping makes several documents of one record."""

    connection: str
    mapping: str
    document: str
    tenant: str
    generation: int = 1

    @property
    def key(self) -> bytes:
        return join_key(self.connection, self.mapping, self.document, self.tenant, str(self.generation))

    @classmethod
    def parse(cls, key: bytes) -> LinkId:
        connection, mapping, document, tenant, generation = split_key(key)
        return cls(connection, mapping, document, tenant, int(generation))

    @property
    def side(self) -> Side:
        return Side(self.document.split(":", 1)[0])

    @property
    def source(self) -> str:
        """Id of the end seen first."""
        return self.document.split(":", 1)[1].partition("#")[0]

    @property
    def part(self) -> str:
        """Which of several documents of one record this is, empty where there is one."""
        return self.document.partition("#")[2]

    def next_generation(self) -> LinkId:
        return LinkId(self.connection, self.mapping, self.document, self.tenant, self.generation + 1)


def document_key(side: Side, record_id: str, part: str = "") -> str:
    return f"{side.value}:{record_id}#{part}" if part else f"{side.value}:{record_id}"
