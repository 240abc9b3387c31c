"""One real broker for the whole suite. Tests keep apart by names of their own: ``prefix`` for topics, groups, ids."""

from __future__ import annotations

import asyncio
import inspect
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.kafka.embedded import EmbeddedKafka
from connector.simulators.exchanges import FOLDER, LISTENERS, recorded
from tests.integration.last_words import telling
from tests.integration.postgres_server import Database, serving
from tests.integration.xero_contract import PATHS, Judge


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that fails at a stage, however long that has stood, tells what the stage knew."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = telling(item.obj)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of the suite's broker."""
    broker = EmbeddedKafka()
    asyncio.run(broker.start())
    yield broker.bootstrap
    asyncio.run(broker.stop())


@pytest.fixture(scope="session", autouse=True)
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Judges every exchange with a simulated Xero against the published files, in whatever process it is served."""
    judge, folder = Judge(), tmp_path_factory.mktemp("exchanges")
    os.environ[FOLDER] = str(folder)
    LISTENERS.update(dict.fromkeys(PATHS, judge.hear))
    yield judge
    del os.environ[FOLDER]
    LISTENERS.clear()
    before = len(judge.found)
    for one in recorded(folder):
        judge.hear(one)
    assert judge.found[before:] == [], "in a simulator that a process of its own has served"


@pytest.fixture(autouse=True)
def kept_to_the_contract(contract: Judge) -> Iterator[None]:
    """Fails the test in which something went over the wire that Xero's published files do not know."""
    before = len(contract.found)
    yield
    assert contract.found[before:] == []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Database]:
    """A real PostgreSQL, for what SQL owns or projects."""
    with serving() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind that the product speaks."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'sub' / 'store.sqlite'}"
    database: Database = request.getfixturevalue("postgres")
    return database.url()


@pytest.fixture
def prefix() -> str:
    """Unique per test, ends with a dot: ``t3f2a91b.``."""
    return f"t{uuid.uuid4().hex[:10]}."
