"""What a stage knew when its test failed: links, reviews, the last events and calls. A test that fails once in a
thousand runs is told apart by this, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps

from connector.cli.stage import Json, Stage
from connector.core.applied import rules_of
from connector.core.link import state
from connector.core.mapping.parse import parse
from streams.configuration import read_entries
from tests.integration.kafka_views import CODEC, cluster, events, letters, links

SECONDS = 20
EVENTS = 40
CALLS = 20
FEW = 5
OK = (200, 304)
WIDTH = 400
LOG = 6000


def telling(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The test; where it fails, the last words of the stages that it was given are printed."""

    @wraps(test)
    async def played(*args: object, **given: object) -> None:
        try:
            await test(*args, **given)
        except BaseException:
            for scene in given.values():
                if isinstance(scene, Stage):
                    print(await last_words(scene))  # noqa: T201
            raise

    return played


async def last_words(scene: Stage) -> str:
    """For a person. Never raises: what cannot be told is said to be so."""
    log = scene.log.read_text("utf-8", errors="replace") if scene.log.exists() else ""
    said = [log[-LOG:]]
    try:
        async with asyncio.timeout(SECONDS):
            said += await _kafka(scene)
            for actor in (scene.salesforce, scene.xero):
                said += ["", f"Last calls to {actor.base}:", *_calls(await actor.requests())]
    except Exception as error:  # noqa: BLE001  the test's own error must be the one that is shown
        said.append(f"The rest cannot be told: {error!r}")
    return "\n".join(said)


async def _kafka(scene: Stage) -> list[str]:
    entries = {entry.mapping: entry for entry in (await read_entries(cluster(scene), CODEC)).values()}
    rules = {name: rules_of(parse(entry.text, entry.file)) for name, entry in entries.items()}
    gates = [f"  {name}: {entry.gate.value}{' paused' if entry.paused else ''}" for name, entry in entries.items()]
    known = [link for link in await links(scene) if link.id.mapping in rules]
    told = [f"  {state(link, rules[link.id.mapping]).value} {link.code} {link}"[: 4 * WIDTH] for link in known]
    asked = [link for link in known if link.code]
    why = [f"  {link.code} {link.id} {link.hold_paths} {link.message} {link.attempt}" for link in asked]
    open_letters = [f"  {letter}"[:WIDTH] for letter in await letters(scene)]
    all_told = await events(scene)
    keys = {link.id.key.decode() for link in asked}
    theirs = [f"  {event}"[: 4 * WIDTH] for event in all_told if event.link in keys][-EVENTS:]
    last = [f"  {event}"[:WIDTH] for event in all_told[-EVENTS:]]
    return [
        *("", "Mappings:", *gates, "Links:", *told, "Reviews:", *why, "Their events:", *theirs),
        *("Dead letters:", *open_letters, "Last events:", *last),
    ]


def _calls(requests: list[Json]) -> Iterator[str]:
    """The writes and the refusals, and the very last calls of all."""
    ours = [one for one in requests if "/__sim" not in one["path"]]
    telling = [one for one in ours[:-FEW] if one["method"] != "GET" or one["status"] not in OK]
    for one in (*telling[-CALLS:], *ours[-FEW:]):
        fault = f" {one['fault']}" if one["fault"] else ""
        yield f"  {one['at']} {one['method']} {one['path']}?{one['query']} {one['status']}{fault}"[:WIDTH]
