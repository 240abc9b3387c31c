"""An empty agent on plain Faust: what the engine costs when nothing is done. Run in a process of its own.

``python -m benchmarks.empty_agent BOOTSTRAP TOPIC COUNT FOLDER`` prints ``{"events": N, "seconds": "0.00"}``: the time
from the first event to the last.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import faust

SECONDS = 20


async def drain(bootstrap: str, topic: str, count: int, folder: str) -> float:
    """Seconds between the first and the last of ``count`` events. Raises TimeoutError."""
    app = faust.App(
        f"{topic}-empty", broker=f"kafka://{bootstrap}", store="memory://", datadir=folder, web_enabled=False,
        topic_allow_declare=False, topic_disable_leader=True, consumer_auto_offset_reset="earliest",
    )  # fmt: skip
    done, times = asyncio.Event(), [0.0, 0.0]
    seen = 0

    @app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"))  # type: ignore[untyped-decorator]
    async def nothing(stream: Any) -> None:
        nonlocal seen
        async for _ in stream:
            seen += 1
            times[min(seen - 1, 1)] = time.perf_counter()
            if seen == count:
                done.set()

    await app.start()
    try:
        async with asyncio.timeout(SECONDS):
            await done.wait()
    finally:
        await app.stop()
    return times[1] - times[0]


def main() -> None:
    """The command line."""
    bootstrap, topic, count, folder = sys.argv[1:5]
    seconds = asyncio.run(drain(bootstrap, topic, int(count), folder))
    print(json.dumps({"events": int(count), "seconds": f"{seconds:.3f}"}))


if __name__ == "__main__":
    main()
