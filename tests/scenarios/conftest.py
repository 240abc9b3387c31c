"""One connector with the shipped mappings for all scenarios; each uses records of its own. An auditor sits in at every
stage, and with ``--cuts SEED`` calls are cut after the commit at random for the whole of its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli import stage
from connector.cli.stage import Stage
from tests.integration.spine_stage import ATTENDANTS, opened, spine
from tests.scenarios.attending import Attendant
from tests.scenarios.listing import Listing

#  Seconds of a wait among cuts. Salesforce has no keys: where a repeat is refused, and a look shows nothing of the
#  first send, it is looked for again only after the deadline of the call, 65 s later.
PATIENCE = 150.0
HERE = Path(__file__).parent
AUDITOR = pytest.StashKey[Attendant]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cuts", metavar="SEED", default="", help="cut calls after the commit at random")
    parser.addoption("--list", metavar="FILE", default="", help="write the list of scenarios with their results")


def pytest_configure(config: pytest.Config) -> None:
    listing = Listing.of(config)
    config.pluginmanager.register(listing, "scenarios-listing")
    seed = str(config.getoption("--cuts", default=""))
    config.stash[AUDITOR] = Attendant(seed, listing.figures)
    if seed:
        stage.STEP_SECONDS = PATIENCE


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items if config.getoption("--cuts", default="") else ():
        item.add_marker(pytest.mark.timeout(4 * PATIENCE), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The auditor sits in at stages that a scenario raises, and at no other test's."""
    if not item.path.is_relative_to(HERE):
        return (yield)
    ATTENDANTS.append(item.config.stash[AUDITOR])
    try:
        return (yield)
    finally:
        ATTENDANTS.clear()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("scenarios")) as played:
        await opened(played)
        yield played
