"""``python -m benchmarks.faults.simulators NAME…``: both simulators of each connection, in one process of their own.

Prints one JSON line when all listen: a list of what ``pages.Pair.of`` takes. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from contextlib import AsyncExitStack

from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.org import Settings as Org
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.limits import Limits
from connector.simulators.xero.world import Settings as World

PLENTY = Limits(6000, 10_000_000, 50, 10_000_000)  # limits are another test's matter


async def serve(names: list[str]) -> None:
    async with AsyncExitStack() as stack:
        pairs: list[dict[str, str]] = []
        for name in names:
            tenant = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
            org, world = Org(), World(tenants=((tenant, f"Demo Company {name}"),), limits=PLENTY)
            pairs.append({
                "name": name, "salesforce": await stack.enter_async_context(running(salesforce.build(org))),
                "xero": await stack.enter_async_context(running(xero.build(world))), "tenant": tenant,
                "client_id": world.client_id, "client_secret": world.client_secret,
                "salesforce_id": org.client_id, "salesforce_secret": org.client_secret,
            })  # fmt: skip
        sys.stdout.write(json.dumps(pairs) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
