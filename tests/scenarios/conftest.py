"""One connector with the shipped mappings for all scenarios; each uses records of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Stage
from tests.integration.spine_stage import opened, spine
from tests.scenarios.replaying import says_nothing_new


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("scenarios")) as stage:
        await opened(stage)
        yield stage
        await says_nothing_new(stage)
