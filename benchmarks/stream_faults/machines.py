"""What happens to our own side: workers killed, frozen, away; Kafka slow or killed; time that passes."""

from __future__ import annotations

import asyncio
import signal

from benchmarks.stream_faults.hands import Hand
from benchmarks.stream_faults.stand import ENTITY, Stand

HOUR = 3600


async def kill(scene: Stand) -> None:
    scene.hands.all[0].send(signal.SIGKILL)
    await scene.wait("it is gone", lambda: not scene.samples[-1].ready)


async def kill_merged(scene: Stand) -> None:
    """Some of the messages under one replay id have been taken, others not."""
    scene.org.channels["TwinledgerSync__chn"][ENTITY] = ("Name",)
    before = len(scene.tape.hints)
    for _ in range(40):
        scene.edit_all()
    await scene.wait("the first are there", lambda: len(scene.tape.hints) > before)
    await kill(scene)


async def pause(scene: Stand) -> None:
    hand = scene.hands.all[0]
    hand.send(signal.SIGSTOP)
    await asyncio.sleep(15)
    hand.send(signal.SIGCONT)


async def slow_kafka(scene: Stand) -> None:
    scene.broker.freeze()
    await asyncio.sleep(15)
    scene.broker.thaw()


async def kafka_killed(scene: Stand) -> None:
    await scene.broker.restart()


async def outage(scene: Stand) -> None:
    await scene.hands.all[0].away()
    await asyncio.sleep(20)
    scene.hands.all[0].start()


async def outage_73h(scene: Stand) -> None:
    await scene.hands.all[0].away()
    await scene.edits(12)
    scene.advance(73 * HOUR)
    await scene.edits(6)
    scene.hands.all[0].start()


async def idle(scene: Stand) -> None:
    """The stored id would be unknown by now. The clock goes in steps: polls are answered all the while."""
    for _ in range(20):
        scene.advance(4 * HOUR)
        await asyncio.sleep(0.7)
    await scene.page("/forget-sessions", {})


async def two_workers(scene: Stand) -> None:
    """The owner sleeps longer than its session; the other takes over; then both are awake."""
    (owner,) = [hand for hand in scene.hands.all if await _owns(hand, scene)]
    owner.send(signal.SIGSTOP)
    await asyncio.sleep(30)
    owner.send(signal.SIGCONT)
    await asyncio.sleep(3)


async def _owns(hand: Hand, scene: Stand) -> bool:
    port = (hand.folder / "web.port").read_text("ascii")
    answer = await scene.http.request("GET", f"http://127.0.0.1:{port}/metrics", seconds=5)
    return b'twinledger_write_links_ready{connection="demo"}' in answer.body
