"""Grants in SQL: encrypted, one row each, refreshed under a row lock. The one thing that SQL owns.

PostgreSQL locks the row; SQLite has no rows to lock, so grants stand in a file of their own beside the projection.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, MetaData, String, Table, Text, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from connector.core.grant import Grant
from connector.errors import ConfigurationError, Unavailable
from connector.settings import Settings

LOCK_SECONDS = 90  # a refresh waits up to 30 s for its answer, and may be tried again
METADATA = MetaData()
GRANTS = Table(
    "grants",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("sealed", Text, nullable=False),
)
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def cipher(keys: str) -> MultiFernet:
    """Of one key, or several with commas between: the first seals, all open. Raises ConfigurationError."""
    try:
        found = [Fernet(key.strip()) for key in keys.split(",") if key.strip()]
    except ValueError as error:
        raise ConfigurationError(
            "store.token-key", "token_key is no key.", remedy="Make one with `twinledger auth key`."
        ) from error
    if not found:
        raise ConfigurationError(
            "store.token-key", "There is no token_key, and tokens are kept encrypted only.",
            remedy="Make one with `twinledger auth key` and give it as TWINLEDGER_TOKEN_KEY.",
        )  # fmt: skip
    return MultiFernet(found)


def new_key() -> str:
    return Fernet.generate_key().decode()


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A row under its lock."""

    connection: AsyncConnection
    seal: MultiFernet
    name: str

    async def read(self) -> Grant | None:
        return await _read(self.connection, self.seal, self.name)

    async def save(self, grant: Grant) -> None:
        row = {"name": self.name, "sealed": self.seal.encrypt(grant.to_text().encode()).decode()}
        insert: Any = _INSERT[self.connection.dialect.name](GRANTS).values(row)
        await self.connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=row))


class TokenStore:
    """``core.grant.Grants``. Methods raise Unavailable (``store.unavailable``), ConfigurationError."""

    def __init__(self, url: str, keys: str) -> None:
        """``url`` is the projection's; nothing is opened before it is needed. Raises ConfigurationError."""
        self._engine, self._seal, self._made = _engine(url), cipher(keys), False

    async def _ready(self) -> None:
        if not self._made:
            async with self._engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            self._made = True

    async def close(self) -> None:
        await self._engine.dispose()

    async def read(self, name: str) -> Grant | None:
        try:
            await self._ready()
            async with self._engine.connect() as connection:
                return await _read(connection, self._seal, name)
        except (SQLAlchemyError, OSError) as error:
            raise _away(error) from error

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[HeldGrant]:
        """The row, locked until the block ends; what it saved is committed by then, whatever happened after."""
        try:
            await self._ready()
            async with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execute(select(GRANTS.c.name).where(GRANTS.c.name == name).with_for_update())
                try:
                    yield HeldGrant(connection, self._seal, name)
                finally:
                    await connection.commit()
        except (SQLAlchemyError, OSError) as error:
            raise _away(error) from error


def grants_of(settings: Settings) -> TokenStore | None:
    """The store, where a connection is signed in by consent. Raises ConfigurationError."""
    ways = [way for each in settings.connections for way in (each.salesforce.sign_in, *(t.sign_in for t in each.xero))]
    if "consent" not in ways:
        return None
    return TokenStore(settings.store_url, settings.token_key.get_secret_value())


async def _read(connection: AsyncConnection, seal: MultiFernet, name: str) -> Grant | None:
    row = (await connection.execute(select(GRANTS.c.sealed).where(GRANTS.c.name == name))).first()
    if row is None:
        return None
    try:
        return Grant.from_text(seal.decrypt(row.sealed.encode()).decode())
    except (InvalidToken, ValueError) as error:
        raise ConfigurationError(
            "store.token-key", f"The token of {name} cannot be opened with this token_key.",
            remedy="Give the key that it was kept with, or sign in again.",
        ) from error  # fmt: skip


def _engine(url: str) -> AsyncEngine:
    """SQLite begins each transaction by taking its one lock."""
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("store.url", "The address of the store cannot be read.") from error
    if address.get_backend_name() != "sqlite":
        return create_async_engine(address, pool_pre_ping=True)
    file = Path(str(address.database))
    file = file.with_name(f"{file.stem}-tokens{file.suffix or '.sqlite'}")
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_async_engine(address.set(database=str(file)), connect_args={"timeout": LOCK_SECONDS})
    event.listen(engine.sync_engine, "connect", _by_hand)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _by_hand(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say


def _away(error: Exception) -> Unavailable:
    return Unavailable("store.unavailable", f"The store of tokens cannot be used: {type(error).__name__}.")
