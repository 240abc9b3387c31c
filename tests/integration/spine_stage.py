"""The whole connector for a test: the suite's Kafka, both simulators, one worker process, fast polls."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Actor, Stage, stage
from connector.core.values import Value
from streams.clock import VARIABLE
from tests.integration.last_words import last_words

FAST = 6000  # Xero calls a minute, allowed by the simulator too
ATTENDANTS: list[Callable[[Stage], AbstractAsyncContextManager[None]]] = []  # they sit in at every stage, to its end


@asynccontextmanager
async def spine(
    kafka: str,
    prefix: str,
    folder: Path,
    *,
    mappings: Path | None = None,
    start: bool = True,
    several_currencies: bool = False,
    person_accounts: bool = False,
) -> AsyncIterator[Stage]:
    """Topics made, mappings applied, the connector ready. What it knew is printed when the block fails."""
    async with stage(
        folder,
        mappings=mappings or shipped_mappings(),
        kafka=kafka,
        prefix=prefix,
        poll_seconds=1,
        calls_per_minute=FAST,
        several_currencies=several_currencies,
        person_accounts=person_accounts,
    ) as scene:
        ahead = folder / "clock"
        ahead.write_text("0", "ascii")
        scene.environment[VARIABLE] = str(ahead)
        try:
            async with AsyncExitStack() as attending:
                for attend in ATTENDANTS:
                    await attending.enter_async_context(attend(scene))
                if start:
                    await scene.prepare()
                    await scene.start_connector()
                    await scene.ready()
                yield scene
        except BaseException:
            print(await last_words(scene))  # noqa: T201
            raise


@contextmanager
def connection(scene: Stage) -> Iterator[Any]:
    """Change what the configuration says of the stage's one connection."""
    settings = yaml.safe_load(scene.config.read_text("utf-8"))
    yield settings["connections"][0]
    scene.config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")


async def opened(scene: Stage) -> None:
    """Until every mapping has taken its snapshot: what is won before that is a review."""
    await scene.opened()


def log_of(scene: Stage) -> str:
    return scene.log.read_text("utf-8", errors="replace") if scene.log.exists() else ""


def changed_mappings(folder: Path, changes: Mapping[str, tuple[str, str]]) -> Path:
    """A copy of the shipped mappings; ``changes``: file name without its suffix → (text, what stands there instead)."""
    there = folder / "mappings"
    shutil.copytree(shipped_mappings(), there)
    for name, (before, after) in changes.items():
        file = there / f"{name}.yaml"
        text = file.read_text("utf-8")
        assert before in text, (name, before)
        file.write_text(text.replace(before, after), "utf-8")
    return there


async def advance(scene: Stage, seconds: int) -> None:
    """Let time pass for the worker and both simulators; Kafka and its leases keep the machine's time."""
    for actor in (scene.salesforce, scene.xero):
        await actor.call("POST", "/__sim/clock", {"advance_seconds": Decimal(seconds)})
    _put_ahead(Path(scene.environment[VARIABLE]), seconds)


def _put_ahead(ahead: Path, seconds: int) -> None:
    fresh = ahead.with_suffix(".new")
    fresh.write_text(str(int(ahead.read_text("ascii")) + seconds), "ascii")
    fresh.replace(ahead)  # the worker never sees half a file


async def arm(
    actor: Actor, kind: str, method: str, path: str, options: Mapping[str, int | str] | None = None, *, count: int = 1
) -> int:
    """Arm a fault of a simulator for the next requests; gives its number."""
    numbers = {name: Decimal(value) if isinstance(value, int) else value for name, value in (options or {}).items()}
    body: Value = {
        "kind": kind, "match": {"method": method, "path": path}, "count": Decimal(count), "options": numbers,
    }  # fmt: skip
    return int((await actor.call("POST", "/__sim/faults", body))["id"])


async def hits(actor: Actor, fault: int) -> int:
    """How often a fault has struck."""
    return next(int(one["hits"]) for one in await actor.call("GET", "/__sim/faults") if one["id"] == fault)


async def kill(scene: Stage) -> None:
    """SIGKILL: the worker ends in the middle of whatever it does."""
    assert await scene.stop_connector(signal.SIGKILL) == -signal.SIGKILL


async def start_again(scene: Stage) -> None:
    (scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
    await scene.start_connector()
    await scene.ready()
