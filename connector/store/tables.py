"""The projection's tables. There are no migrations: a store with another ``VERSION`` is dropped and filled again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator

VERSION = 1


class Instant(TypeDecorator[datetime]):
    """An aware UTC time as whole milliseconds since 1970, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class Texts(TypeDecorator[tuple[str, ...]]):
    """A few short texts, kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...]:
        return tuple(json.loads(value or "[]"))


METADATA = MetaData()

META = Table("meta", METADATA, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False))

PROGRESS = Table(
    "progress",
    METADATA,
    Column("topic", String(249), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)

LINKS = Table(
    "links",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("ref", String(16), nullable=False, index=True),
    Column("connection", Text, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("document", Text, nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("review", Boolean, nullable=False, index=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("paths", Texts, nullable=False),
    Column("salesforce_id", Text, nullable=False, index=True),
    Column("xero_id", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("link_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Index("links_by_state", "connection", "mapping", "state"),
)

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("ref", String(16), nullable=False, index=True),
    Column("connection", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("closed", Text, nullable=True, index=True),
)
