"""A loop that waits for the proof of its lease can be ended."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from connector.kafka.lease import LeaseLost
from streams.gate import Gate
from streams.owned import Owned


async def test_a_lost_lease_does_not_hide_that_the_loop_is_to_end() -> None:
    """A transaction that is cancelled is given up, which fails where a newer owner has started."""
    asked = asyncio.Event()

    async def renew(_partition: int) -> object:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LeaseLost("lease.lost", "A newer owner has started.") from None
        return None

    gate = Gate(lambda: 1)
    gate.open(1)
    connection = SimpleNamespace(partition=0)
    owned: Any = SimpleNamespace(gate=gate, leases=SimpleNamespace(renew=renew), connection=connection)
    loop = asyncio.create_task(Owned._proved(owned))
    await asked.wait()
    gate.close()
    loop.cancel()
    done, _ = await asyncio.wait([loop], timeout=5)
    assert loop in done
    assert loop.cancelled()
