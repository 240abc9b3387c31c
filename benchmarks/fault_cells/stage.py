"""One worker over real Kafka with a connection, and a pair of simulators, for each lane. No clock but the machine's."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.fault_cells.kinds import Cell
from benchmarks.fault_cells.lane import Lane
from connector.cli.apply import apply_file
from connector.cli.stage import Actor, Stage
from connector.http import HttpClient
from connector.kafka.admin import apply as create_topics
from connector.kafka.connection import cluster_of
from connector.kafka.embedded import EmbeddedKafka
from connector.settings import load
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.org import Settings as Org
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.limits import Limits
from connector.simulators.xero.world import Settings as World
from connector.store.projection import Projection

PLENTY = Limits(6000, 10_000_000, 50, 10_000_000)  # limits are another test's matter


@asynccontextmanager
async def lanes_of(folder: Path, cells: Sequence[Sequence[Cell]]) -> AsyncIterator[list[Lane]]:
    """The lanes, with a worker that has caught up and every mapping open."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(EmbeddedKafka())
        http = await stack.enter_async_context(HttpClient(connections=50))
        config = folder / "twinledger.yaml"
        raw: dict[str, Any] = {
            "kafka": {"bootstrap_servers": broker.bootstrap, "partitions": 4, "replication": 1},
            "data_dir": str(folder / "data"), "web": {"port": 0}, "connections": [],
        }  # fmt: skip
        (folder / "data").mkdir(parents=True)
        config.write_text(yaml.safe_dump(raw), "utf-8")
        projection = await stack.enter_async_context(await Projection.open(load(config).store_url))
        lanes = []
        for number, group in enumerate(cells):
            settings, one, other = await _pair(stack, http, f"lane-{number}", folder)
            raw["connections"].append(settings)
            lane = Lane(f"lane-{number}", group, one, other, projection)
            await lane.prepare(folder / lane.name)
            lanes.append(lane)
        config.write_text(yaml.safe_dump(raw, sort_keys=False), "utf-8")
        await create_topics(cluster_of(load(config).kafka))
        await apply_file(config)
        first = lanes[0]
        scene = Stage(broker.bootstrap, first.salesforce, first.xero, "", config, folder / "connector.log", ("", ""))
        stack.push_async_callback(scene.stop_connector)
        await scene.start_connector()
        await scene.ready(300)
        await scene.opened()
        print("ready", file=sys.stderr, flush=True)
        yield lanes


async def _pair(
    stack: AsyncExitStack, http: HttpClient, name: str, folder: Path
) -> tuple[dict[str, Any], Actor, Actor]:
    tenant = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    org, world = Org(), World(tenants=((tenant, f"Demo Company {name}"),), limits=PLENTY)
    sales = await stack.enter_async_context(running(salesforce.build(org)))
    company = await stack.enter_async_context(running(xero.build(world)))
    settings = {
        "name": name, "currency": "GBP", "mappings": [str(folder / name)],
        "salesforce": {"url": sales, "client_id": org.client_id, "client_secret": org.client_secret},
        "xero": [{
            "tenant": tenant, "demo": True, "client_id": world.client_id, "client_secret": world.client_secret,
            "token_url": f"{company}/connect/token", "api_url": f"{company}/api.xro/2.0", "poll_seconds": 30,
            "calls_per_minute": 6000,
        }],
    }  # fmt: skip
    return settings, Actor(sales, http), Actor(company, http)
