"""What the events themselves do: gaps, merges, repetitions, sizes, silence."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.stream_faults.stand import ENTITY, Stand


async def gap(scene: Stand) -> None:
    for _ in range(5):
        change = scene.untold()
        await scene.page("/gap", {"kind": "GAP_UPDATE", "entity": ENTITY, "ids": [change.record]})


async def wildcard(scene: Stand) -> None:
    for _ in scene.records:
        scene.untold()
    await scene.page("/gap", {"kind": "GAP_UPDATE", "entity": ENTITY, "ids": ["001*"]})


async def overflow(scene: Stand) -> None:
    for _ in scene.records:
        scene.untold()
    await scene.page("/gap", {"kind": "GAP_OVERFLOW", "entity": ENTITY})


async def merged(scene: Stand) -> None:
    """An enriched channel takes merged events apart: several messages, one replay id."""
    scene.org.channels["TwinledgerSync__chn"][ENTITY] = ("Name",)
    for _ in range(10):
        scene.edit_all()
        await asyncio.sleep(0.1)


def _delivering(scene: Stand, change: Any) -> None:
    """From now on the messages of each answer pass through ``change``."""
    sessions = scene.sessions
    plain = type(sessions).pending
    sessions.pending = lambda session: change(plain(sessions, session))


async def duplicates(scene: Stand) -> None:
    _delivering(scene, lambda found: [*found, *found, *found])
    await scene.edits(20)
    del scene.sessions.pending


async def reordered(scene: Stand) -> None:
    _delivering(scene, lambda found: found[::-1])
    for _ in range(8):
        await scene.edits(6, 0)
        await asyncio.sleep(0.3)
    del scene.sessions.pending


async def burst(scene: Stand) -> None:
    for _ in range(30):
        for _ in range(20):
            scene.edit()
        await asyncio.sleep(0.03)


def _raw(scene: Stand, record: str, **header: Any) -> dict[str, Any]:
    last = dict(scene.org.bus.events[-1].header)
    return {**last, "recordIds": [record], "changeType": "UPDATE", "changedFields": ["Description"], **header}


async def huge(scene: Stand) -> None:
    for record in scene.records[:3]:
        replay = scene.org.bus.raw(ENTITY, _raw(scene, record), {"Description": {"diff": "x" * 1_000_000}})
        scene.told(record, replay)


async def poison(scene: Stand) -> None:
    """Among good ones: what cannot be read is kept as a dead letter and stops nothing."""
    for record in scene.records[:3]:
        replay = scene.org.bus.raw(ENTITY, _raw(scene, record, recordIds=7, commitTimestamp="soon"), {})
        scene.told(record, replay)
        await scene.edits(3)


async def turned_off(scene: Stand) -> None:
    """Salesforce tells admins to do so before they update many records."""
    await asyncio.sleep(4)  # what is within two seconds of something heard is read too, but is no alarm
    for _ in range(10):
        scene.untold()
        await asyncio.sleep(0.2)


async def rights(scene: Stand) -> None:
    """A channel of several objects delivers nothing of one that the user may not see, and says nothing."""
    await scene.page("/permissions", {"hide": [ENTITY]})
    await scene.edits(10, 0.3)
    for record in scene.quiet:
        scene.edit(record)
    await scene.page("/permissions", {"show": [ENTITY]})
