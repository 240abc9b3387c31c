"""The snapshot with which a mapping begins goes on where a killed worker left it; its gate opens once it is whole."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from connector.cli.stage import Json, Stage, until
from connector.kafka.codec import Codec
from connector.kafka.compacted import read_to_end
from connector.kafka.positions import read_positions
from streams.snapshot import SOURCE
from tests.integration.kafka_views import cluster, decoded
from tests.integration.spine_stage import kill, opened, spine, start_again

pytestmark = pytest.mark.timeout(180)
MANY = 6000


async def chunks(scene: Stage) -> list[str]:
    """The queries of walks through all accounts, in their order."""
    asked = [unquote_plus(call["query"]) for call in await scene.salesforce.requests() if "/query" in call["path"]]
    return [text for text in asked if "FROM Account" in text and "LIMIT 2000" in text]


async def test_a_first_snapshot_goes_on_where_it_was(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path, start=False) as scene:
        fields: Json = {"Name": "P {n}", "Type": "Prospect"}
        body: Json = {"entity": "Account", "count": Decimal(MANY), "days": Decimal(30), "fields": fields}
        await scene.salesforce.call("POST", "/__sim/fill", body)
        await scene.prepare()
        await scene.start_connector()

        async def stored() -> bool:
            known = await read_positions(cluster(scene), Codec())
            mine = [one for one in known.values() if one.source == f"{SOURCE}salesforce.Account"]
            return bool(mine) and '"cursor": "001' in mine[0].value

        await until("some of it is behind us", stored)
        await kill(scene)
        before = len(await chunks(scene))
        await start_again(scene)
        await opened(scene)
        first = (await chunks(scene))[before]
        assert "Id > '001" in first  # not from the beginning

        async def all_read() -> bool:  # those too that the connector made meanwhile
            found = [decoded(m.value) async for m in read_to_end(cluster(scene), "salesforce.records.v1") if m.value]
            there = {row["Id"] for row in await scene.salesforce.objects("Account")}
            return there == {one["id"] for one in found if one["object"] == "Account"}

        await until("every account is in Kafka", all_read)
