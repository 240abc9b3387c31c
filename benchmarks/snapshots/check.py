"""What stands in Kafka after a snapshot, against what stands in the org, asked by a client that is none of ours."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from connector.cli.stage import Actor
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.partition import partition_of

RECORDS = "salesforce.records.v1"
OBJECT = "Account"
PAGE = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """``missing``: records of the org that the topic does not hold. ``twice``: read again after a kill. ``stale``: live
    records whose last message is older than one before it."""

    there: int
    missing: int
    twice: int
    stale: int
    messages: int


async def ids_of(salesforce: Actor, app: tuple[str, str]) -> list[str]:
    """Every live account, by plain REST calls."""
    form = urlencode({"grant_type": "client_credentials", "client_id": app[0], "client_secret": app[1]}).encode()
    signed = await salesforce.http.request(
        "POST", f"{salesforce.base}/services/oauth2/token", body=form,
        headers=[("Content-Type", "application/x-www-form-urlencoded")],
    )  # fmt: skip
    headers = [("Authorization", f"Bearer {json.loads(signed.body)['access_token']}")]
    found: list[str] = []
    while True:
        where = f" WHERE Id > '{found[-1]}'" if found else ""
        soql = f"SELECT Id FROM {OBJECT}{where} ORDER BY Id LIMIT {PAGE}"  # noqa: S608  (ids of the simulator)
        path = f"{salesforce.base}/services/data/v62.0/query"
        answer = await salesforce.http.request("GET", path, headers=headers, query=[("q", soql)], seconds=60)
        rows = json.loads(answer.body)["records"]
        found += [row["Id"] for row in rows]
        if len(rows) < PAGE:
            return found


async def check(cluster: Cluster, connection: str, ids: Sequence[str], live: Mapping[str, str]) -> Found:
    """Every message of the object in the connection's partition. ``live`` accounts were edited all the time."""
    codec, place = Codec(), {one: number for number, one in enumerate(ids)}
    times = array("H", bytes(2 * len(ids)))
    newest: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    messages = 0
    async for message in read_to_end(cluster, RECORDS, [partition_of(connection.encode() + b"/", cluster.partitions)]):
        _, _, entity, record_id = message.key.decode("ascii").split("/")
        if entity != OBJECT or record_id not in place or message.value is None:
            continue
        messages += 1
        times[place[record_id]] = min(times[place[record_id]] + 1, 60_000)
        if record_id in live and isinstance(decoded := codec.decode(message.value), Decoded):
            last[record_id] = decoded.value["stamp"]
            newest[record_id] = max(last[record_id], newest.get(record_id, last[record_id]))
    again = sum(number > 1 for one, number in zip(ids, times, strict=True) if one not in live)
    stale = sum(last[one] < newest[one] for one in last)
    return Found(len(ids), sum(number == 0 for number in times), again, stale, messages)
