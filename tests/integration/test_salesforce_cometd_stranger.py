"""The CometD project's own Java client against the simulated streaming endpoint: it knows nothing of ours.

It judges what our own client and the simulator could otherwise agree upon wrongly: handshake, connect, subscribe,
replay, and what the platform answers when it refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connector.kafka.jars import classpath, pinned
from tests.integration import cometd_java
from tests.integration.salesforce_org import Client, an_org

CHANNEL = "/data/TwinledgerSync__chn"
SOON = 30  # a bound of every wait, not a measure of anything
Json = dict[str, Any]


@pytest.fixture(scope="module")
def jars() -> str:
    """The class path of the Java client."""
    return classpath(pinned(Path(__file__).with_name("cometd_java.lock")))


@dataclass
class Stranger:
    """The Java client's process."""

    process: asyncio.subprocess.Process
    messages: list[Json] = field(default_factory=list)

    async def next(self, channel: str) -> Json:
        """The next message of a channel; those of others are kept aside."""
        async with asyncio.timeout(SOON):
            while True:
                found = next((one for one in self.messages if one["channel"] == channel), None)
                if found is not None:
                    self.messages.remove(found)
                    return found
                assert self.process.stdout is not None
                line = await self.process.stdout.readline()
                assert line, "the Java client ended"
                self.messages.append(json.loads(line))

    async def name(self) -> str:
        """The name of the account that the next event tells of."""
        return str((await self.next(CHANNEL))["data"]["payload"]["Name"])

    def do(self, **order: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def subscribe(self, replay: int, channel: str = CHANNEL) -> Json:
        self.do(subscribe=channel, replay=replay)
        return await self.next("/meta/subscribe")


@contextlib.asynccontextmanager
async def a_stranger(client: Client, jars: str, token: str | None = None) -> AsyncIterator[Stranger]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, cometd_java.__file__, f"{client.base}/cometd/62.0", token or client.token, jars,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
    )  # fmt: skip
    try:
        yield Stranger(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_salesforce_stranger_is_told_everything_in_order_and_leaves(jars: str) -> None:
    async with an_org() as client, a_stranger(client, jars) as java:
        shaken = await java.next("/meta/handshake")
        assert (shaken["successful"], shaken["ext"]["replay"]) == (True, True)
        first = await java.next("/meta/connect")
        assert (first["successful"], first["advice"]["reconnect"]) == (True, "retry")
        for number in range(3):
            await client.create("Account", Name=f"A{number}")
        assert (await java.subscribe(-2))["successful"] is True
        assert [await java.name() for _ in range(3)] == ["A0", "A1", "A2"]
        await client.create("Account", Name="live")
        event = await java.next(CHANNEL)
        assert event["data"]["event"]["replayId"] == client.org.bus.tip
        assert event["data"]["payload"]["ChangeEventHeader"]["changeType"] == "CREATE"
        java.do(disconnect=True)
        assert (await java.next("/meta/disconnect"))["successful"] is True


async def test_salesforce_stranger_takes_up_where_it_was(jars: str) -> None:
    async with an_org() as client, a_stranger(client, jars) as java:
        for number in range(3):
            await client.create("Account", Name=f"A{number}")
        second = client.org.bus.events[1].replay
        answer = await java.subscribe(second)
        assert answer["successful"] is True, answer
        assert await java.name() == "A2"
        java.do(unsubscribe=CHANNEL)
        assert (await java.next("/meta/unsubscribe"))["successful"] is True
        await client.create("Account", Name="before")
        assert (await java.subscribe(-1))["successful"] is True  # only what comes from now on
        await client.create("Account", Name="after")
        assert await java.name() == "after"


async def test_salesforce_stranger_is_told_that_its_id_has_expired(jars: str) -> None:
    async with an_org() as client, a_stranger(client, jars) as java:
        await client.create("Account", Name="A")
        old = client.org.bus.tip
        client.org.clock.advance(73 * 3600)
        await client.create("Account", Name="B")
        refused = await java.subscribe(old)
        assert refused["successful"] is False
        assert refused["error"].startswith(f"400::The replayId {{{old}}} you provided was invalid.")
        java.do(unsubscribe=CHANNEL)
        answer = await java.subscribe(-2)
        assert answer["successful"] is True, answer
        assert await java.name() == "B"


async def test_salesforce_stranger_comes_back_after_a_forgotten_session(jars: str) -> None:
    async with an_org() as client, a_stranger(client, jars) as java:
        before = (await java.next("/meta/handshake"))["clientId"]
        await java.subscribe(-1)
        await client.create("Account", Name="A")
        assert await java.name() == "A"
        await client.sim("/forget-sessions", {})
        again = await java.next("/meta/handshake")
        assert again["successful"] is True
        assert again["clientId"] != before
        unknown = [one for one in java.messages if one.get("error") == "403::Unknown client"]
        assert [one["advice"]["reconnect"] for one in unknown] == ["handshake"]
        await client.create("Account", Name="B")
        assert (await java.next("/meta/subscribe"))["successful"] is True
        assert await java.name() == "B"  # behind the id that it had: neither A again nor B lost


async def test_salesforce_stranger_is_refused_for_its_token_and_its_channel(jars: str) -> None:
    async with an_org() as client:
        async with a_stranger(client, jars, "no-token-of-this-org") as java:
            denied = await java.next("/meta/handshake")
            assert (denied["successful"], denied["error"]) == (False, "403::Handshake denied")
            assert denied["ext"]["sfdc"]["failureReason"] == "401::Authentication invalid"
            assert denied["advice"]["reconnect"] == "none"
        async with a_stranger(client, jars) as java:
            refused = await java.subscribe(-1, "/data/Nothing__chn")
            assert refused["error"].startswith("400::The channel you requested to subscribe to doesn")


async def test_salesforce_stranger_is_stopped_by_the_daily_limit(jars: str) -> None:
    async with an_org() as client, a_stranger(client, jars) as java:
        await java.subscribe(-1)
        await client.sim("/settings", {"event_limit": 1})
        await client.create("Account", Name="A")
        assert await java.name() == "A"

        async def refused() -> str:
            while True:
                error = (await java.next("/meta/connect")).get("error")
                if error:
                    return str(error)

        assert await refused() == "403::Organization total events daily limit exceeded"
