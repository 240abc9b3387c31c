"""The SQL projection of ``links.v1`` and ``deadletters.v1``: for the page and the CLI, rebuilt at will.

SQLite on one host, PostgreSQL for several; the same statements for both. Nothing of the truth lives here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Select, Table, delete, event, func, inspect, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from connector.errors import ConfigurationError, Unavailable
from connector.store.questions import LIMIT, read_reviews, review_by
from connector.store.rows import Count, DeadLetterRow, LinkRow, Review, ref_of
from connector.store.tables import DEAD_LETTERS, LINKS, META, METADATA, PROGRESS, VERSION

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
_BUSY_SECONDS = 10  # how long a reader of SQLite waits for the writer
#  Workers that start together make the tables once.
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(20261123)"}
_STEP = 500  # keys named in one DELETE: SQLite takes at most 32,766 parameters


class Projection:
    """``async with await Projection.open(url) as projection``. Methods raise Unavailable (``store.unavailable``)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, url: str, *, create: bool = True) -> Projection:
        """Opens the store. Without ``create`` (a reader) nothing is made: Unavailable (``store.empty``) where no worker
        has written yet. Raises ConfigurationError (``store.url``) for an address that cannot be used.
        """
        address = _address(url)
        _prepare_folder(address, create)
        async with AsyncExitStack() as stack:
            projection = cls(_engine(address))
            stack.push_async_callback(projection.close)
            await projection._prepare(create)
            stack.pop_all()
        return projection

    async def __aenter__(self) -> Projection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._engine.dispose()

    async def belongs(self, genesis: str) -> bool:
        """Ties the store to one life of the topics. A store of another genesis is emptied; True says that it was."""
        async with self._begin() as connection:
            known = await connection.scalar(select(META.c.value).where(META.c.name == "genesis"))
            if known == genesis:
                return False
            if known is not None:
                await _clear(connection)
            await connection.execute(_upsert(connection, META, ("name",)), [{"name": "genesis", "value": genesis}])
        return known is not None

    async def apply(
        self,
        links: Sequence[LinkRow],
        dead_letters: Sequence[DeadLetterRow],
        offsets: Mapping[tuple[str, int], int],
        *,
        at: datetime,
        gone: Sequence[str] = (),
    ) -> None:
        """Takes a batch in, and how far it reaches, in one transaction. Keys are told once per batch.

        ``gone`` are keys whose latest value is a tombstone. Neither an older write of a link nor a lower offset ever
        replaces a newer one: two workers may project into one store.
        """
        async with self._begin() as connection:
            for table, rows, newer in ((LINKS, links, ("epoch", "ordinal")), (DEAD_LETTERS, dead_letters, ())):
                if values := [{**asdict(row), "ref": ref_of(row.key)} for row in rows]:
                    await connection.execute(_upsert(connection, table, ("key",), newer), values)
                for step in range(0, len(gone), _STEP):
                    await connection.execute(delete(table).where(table.c.key.in_(gone[step : step + _STEP])))
            if offsets:
                statement = _upsert(connection, PROGRESS, ("topic", "partition"), ("offset",))
                await connection.execute(statement, [*_progress_values(offsets, at)])

    async def progress(self) -> dict[tuple[str, int], int]:
        """Topic and partition to the offset that comes next."""
        async with self._begin() as connection:
            rows = await connection.execute(select(PROGRESS.c.topic, PROGRESS.c.partition, PROGRESS.c.offset))
            return {(row.topic, row.partition): row.offset for row in rows}

    async def updated(self) -> datetime | None:
        """When anything was last taken in, None for an empty store."""
        async with self._begin() as connection:
            found: datetime | None = await connection.scalar(select(func.max(PROGRESS.c.at)))
            return found

    async def counts(self, connection: str = "") -> tuple[Count, ...]:
        """How many links of each mapping are in each state, for one connection or (empty) all."""
        columns = (LINKS.c.connection, LINKS.c.mapping, LINKS.c.state)
        question = select(*columns, func.count().label("number")).group_by(*columns).order_by(*columns)
        if connection:
            question = question.where(LINKS.c.connection == connection)
        return tuple(Count(*row) for row in await self._rows(question))

    async def reviews(
        self, connection: str = "", code: str = "", *, about: str = "", limit: int = LIMIT
    ) -> tuple[Review, ...]:
        """What needs a person, the oldest first. Empty arguments ask for all; ``about`` is an id on either side."""
        async with self._begin() as open_connection:
            return await read_reviews(open_connection, connection, code, about, limit)

    async def review(self, name: str) -> Review | None:
        """One open review by its short name or its key."""
        async with self._begin() as connection:
            return await review_by(connection, name)

    async def link(self, name: str) -> LinkRow | None:
        """One link by its short name or its key, whether it needs anyone or not."""
        question = select(LINKS).where((LINKS.c.key == name) | (LINKS.c.ref == name)).limit(1)
        return next((_link_row(row) for row in await self._rows(question)), None)

    async def links(self, about: str, limit: int = LIMIT) -> tuple[LinkRow, ...]:
        """The links of one record or object: by its id on either side, or by the link's short name or key."""
        ends = (LINKS.c.salesforce_id, LINKS.c.xero_id, LINKS.c.ref, LINKS.c.key)
        documents = [f"{side}:{about}" for side in ("salesforce", "xero")]
        question = select(LINKS).where(or_(*(end == about for end in ends), LINKS.c.document.in_(documents)))
        rows = await self._rows(question.order_by(LINKS.c.mapping, LINKS.c.key).limit(limit))
        return tuple(_link_row(row) for row in rows)

    async def reset(self) -> None:
        """Forgets everything but whose store it is: the projector begins anew."""
        async with self._begin() as connection:
            await _clear(connection)

    # --- shell ---------------------------------------------------------------------------------------------------

    async def _rows(self, question: Select[Any]) -> Sequence[Any]:
        async with self._begin() as connection:
            rows: Sequence[Any] = (await connection.execute(question)).all()
            return rows

    async def _prepare(self, create: bool) -> None:
        async with self._begin() as connection:
            if await _version(connection) == VERSION:
                return
        if not create:
            raise _empty(self._engine.url)
        async with self._begin() as connection:
            await connection.exec_driver_sql(_ALONE[connection.dialect.name])
            version = await _version(connection)
            if version == VERSION:
                return
            if version is not None:
                await connection.run_sync(METADATA.drop_all)
            await connection.run_sync(METADATA.create_all)
            await connection.execute(_upsert(connection, META, ("name",)), [{"name": "version", "value": str(VERSION)}])

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable(
                "store.unavailable",
                f"The store {_shown(self._engine.url)} does not answer: {_first_line(error)}.",
                remedy="Check `store` in the configuration, the database and its rights.",
            ) from error


def _link_row(row: Any) -> LinkRow:
    return LinkRow(**{column: value for column, value in row._mapping.items() if column != "ref"})


def _progress_values(offsets: Mapping[tuple[str, int], int], at: datetime) -> Iterable[dict[str, Any]]:
    for (topic, partition), offset in offsets.items():
        yield {"topic": topic, "partition": partition, "offset": offset, "at": at}


def _upsert(connection: AsyncConnection, table: Table, keys: tuple[str, ...], newer: tuple[str, ...] = ()) -> Any:
    """Insert or replace; with ``newer``, only where what stands there is not higher in these columns."""
    insert: Any = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    where = tuple_(*(table.c[name] for name in newer)) <= tuple_(*(insert.excluded[name] for name in newer))
    return insert.on_conflict_do_update(index_elements=list(keys), set_=rest, where=where if newer else None)


async def _clear(connection: AsyncConnection) -> None:
    for table in (LINKS, DEAD_LETTERS, PROGRESS):
        await connection.execute(delete(table))


async def _version(connection: AsyncConnection) -> int | None:
    """The version of the tables that are there, None where there are none, 0 for tables that we cannot read."""
    names = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    if META.name not in names:
        return 0 if names & set(METADATA.tables) else None
    found = await connection.scalar(select(META.c.value).where(META.c.name == "version"))
    return int(found) if found and found.isdigit() else 0


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("store.url", "`store` is not a database address.", remedy=_REMEDY) from error
    if address.drivername not in DRIVERS:
        raise ConfigurationError("store.url", f"`store` names the driver {address.drivername}.", remedy=_REMEDY)
    return address


_REMEDY = "Write sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/DATABASE."


def _engine(address: URL) -> AsyncEngine:
    engine = create_async_engine(address, pool_pre_ping=True)
    if address.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _sqlite_settings)
    return engine


def _sqlite_settings(connection: Any, _record: object) -> None:
    """The worker writes while a CLI reads: a write-ahead log lets both."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    with suppress(sqlite3.OperationalError):  # locked: another process switches the new file, which is not waited for
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _prepare_folder(address: URL, create: bool) -> None:
    """SQLite makes its file, not the folder; and a reader must not make either."""
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return
    file = Path(str(address.database))
    if not create and not file.is_file():
        raise _empty(address)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "store.folder",
            f"The folder {file.parent} cannot be made: {error.strerror}.",
            remedy="Set `data_dir` or `store`.",
        ) from error


def _empty(address: URL) -> Unavailable:
    return Unavailable(
        "store.empty",
        f"No worker has written to the store {_shown(address)} yet.",
        remedy="Start one with `twinledger run`, or name its configuration with --config.",
    )


def _shown(address: URL) -> str:
    return address.render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300].rstrip(".")
