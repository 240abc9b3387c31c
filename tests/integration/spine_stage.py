"""The whole connector for a test: the suite's Kafka, both simulators, one worker process, fast polls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Stage, stage

FAST = 6000  # Xero calls a minute, allowed by the simulator too


@asynccontextmanager
async def spine(
    kafka: str, prefix: str, folder: Path, *, mappings: Path | None = None, start: bool = True
) -> AsyncIterator[Stage]:
    """Topics made, mappings applied, the connector ready. The log is printed when the block fails."""
    async with stage(
        folder,
        mappings=mappings or shipped_mappings(),
        kafka=kafka,
        prefix=prefix,
        poll_seconds=1,
        calls_per_minute=FAST,
    ) as scene:
        try:
            if start:
                await scene.prepare()
                await scene.start_connector()
                await scene.ready()
            yield scene
        except BaseException:
            if scene.log.exists():
                print(scene.log.read_text("utf-8", errors="replace")[-6000:])  # noqa: T201
            raise
