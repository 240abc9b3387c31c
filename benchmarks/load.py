"""Edits by people at a rate, and what became of each on the other side, from both simulators' logs of commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.cli.stage import Actor, Stage, until
from connector.core.values import Value

AT_ONCE = 16  # edits under way together


@dataclass(frozen=True, slots=True)
class End:
    """One side of a pair: where people edit it, and how its number is read and written."""

    actor: Actor
    entity: str
    fields: Callable[[int], Mapping[str, Value]]
    number: Callable[[Mapping[str, Any]], int | None]


@dataclass(frozen=True, slots=True)
class Commit:
    """One change in a simulator's log."""

    n: int
    at: datetime
    id: str
    origin: str
    number: int


def phone(number: int) -> Mapping[str, Value]:
    return {"Phone": str(number)}


def phones(number: int) -> Mapping[str, Value]:
    return {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": str(number)}]}


def number_of_phone(fields: Mapping[str, Any]) -> int | None:
    return _number(fields.get("Phone"))


def number_of_phones(fields: Mapping[str, Any]) -> int | None:
    rows = fields.get("Phones") or ()
    return next((_number(row.get("PhoneNumber")) for row in rows if row.get("PhoneType") == "DEFAULT"), None)


def _number(raw: object) -> int | None:
    return int(str(raw)) if str(raw or "").isdigit() else None


async def customers(scene: Stage, count: int, seconds: float) -> list[str]:
    """New accounts of customers, once each has its contact."""
    made = [await scene.salesforce.edit("Account", {"Name": f"Customer {n}", "Type": "Customer"}) for n in range(count)]

    async def linked() -> bool:
        return {row.get("ContactNumber") for row in await scene.xero.objects("Contact")}.issuperset(made)

    await until("every customer is a contact", linked, seconds)
    return made


async def last(actor: Actor) -> int:
    """The number of a log's newest commit."""
    rows = await actor.call("GET", "/__sim/writes")
    return int(rows[-1]["n"]) if rows else 0


async def commits(end: End, since: int) -> list[Commit]:
    """Commits that gave the pair's field a number."""
    rows = await end.actor.call("GET", f"/__sim/writes?since={since}")
    return [
        Commit(int(row["n"]), datetime.fromisoformat(row["at"]), row["id"], row["origin"], number)
        for row in rows
        if row["entity"] == end.entity and (number := end.number(row["fields"])) is not None
    ]


async def at_rate(end: End, ids: Sequence[str], first: int, count: int, per_second: float) -> None:
    """``count`` edits, one every 1/``per_second`` seconds by the clock, whatever the other ones take."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for n in range(count):
            await asyncio.sleep(max(0.0, began + n / per_second - loop.time()))
            group.create_task(end.actor.edit(end.entity, end.fields(first + n), ids[n % len(ids)]))


async def at_once(end: End, ids: Sequence[str], first: int) -> None:
    """One edit of each, as fast as the simulator takes them."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def edit(n: int, object_id: str) -> None:
        async with gate:
            await end.actor.edit(end.entity, end.fields(first + n), object_id)

    async with asyncio.TaskGroup() as group:
        for n, object_id in enumerate(ids):
            group.create_task(edit(n, object_id))


@dataclass(frozen=True, slots=True)
class Passage:
    """One direction: milliseconds of each edit until a write that holds it or a later one; the writes it took."""

    milliseconds: tuple[int, ...]
    writes: int
    lost: int
    seconds: float  # from the first edit to the last write

    def percentile(self, part: float) -> int:
        """The nearest-rank percentile."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0


async def arrived(
    source: End, target: End, marks: tuple[int, int], pairs: Mapping[str, str], seconds: float
) -> Passage:
    """Wait until the newest edit of each object stands on the other side; then pair edits and writes."""
    edits = [one for one in await commits(source, marks[0]) if one.origin == "ui"]
    newest = {pairs[one.id]: one.number for one in edits}

    async def look() -> bool:
        seen: dict[str, int] = {}
        for one in await commits(target, marks[1]):
            seen[one.id] = max(one.number, seen.get(one.id, 0))
        return all(seen.get(target_id, 0) >= number for target_id, number in newest.items())

    await until(f"{len(newest)} objects of {target.entity} show the newest edits", look, seconds)
    return passage(edits, [one for one in await commits(target, marks[1]) if one.origin == "api"], pairs)


def passage(edits: Sequence[Commit], writes: Sequence[Commit], pairs: Mapping[str, str]) -> Passage:
    """Each edit with the first write to its pair that is not older than it."""
    by_target: dict[str, list[Commit]] = {}
    for write in writes:
        by_target.setdefault(write.id, []).append(write)
    took, lost = [], 0
    for edit in edits:
        hit = next((one for one in by_target.get(pairs[edit.id], ()) if one.number >= edit.number), None)
        if hit is None:
            lost += 1
        else:
            took.append(round((hit.at - edit.at).total_seconds() * 1000))
    ends = [one.at for one in writes] or [edits[-1].at]
    return Passage(tuple(took), len(writes), lost, (max(ends) - edits[0].at).total_seconds())
