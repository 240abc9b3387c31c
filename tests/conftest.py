"""One real broker for the whole suite. Tests keep apart by names of their own: ``prefix`` for topics, groups, ids."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from connector.kafka.embedded import EmbeddedKafka


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of the suite's broker."""
    broker = EmbeddedKafka()
    asyncio.run(broker.start())
    yield broker.bootstrap
    asyncio.run(broker.stop())


@pytest.fixture
def prefix() -> str:
    """Unique per test, ends with a dot: ``t3f2a91b.``."""
    return f"t{uuid.uuid4().hex[:10]}."
