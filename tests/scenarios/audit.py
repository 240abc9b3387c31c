"""What an auditor asks at the end of a stage: has all come to rest, and is there one document of each?

Three looks that do not depend on each other: at the links; at the marks that stand in the documents themselves; and at
the simulators' own logs, where each object that the connector has made must be the end of a link.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from connector.cli.stage import Actor, Json, Stage, until
from connector.core.applied import rules_of
from connector.core.link import state
from connector.core.link_state import Life, Link, State
from connector.core.mapping.model import Mapping as Rule
from connector.core.mapping.parse import parse
from connector.core.marks import MARKS
from connector.core.records import Side
from connector.errors import Unavailable
from streams.configuration import read_entries
from tests.integration.kafka_views import CODEC, cluster, links
from tests.integration.spine_stage import advance

MOVING = (State.DIRTY, State.IN_FLIGHT, State.UNKNOWN)
GONE = frozenset({"DELETED", "VOIDED"})
PROBE, TWICE = 460, 40  # seconds until a lost call is looked for, and until it is looked for once more
BELOW = frozenset({"HistoryRecord", "Attachment"})  # told by what they say: a note has no id in Xero
ROUNDS, LOOKS = 4, 20
SYNC_STATE = ("Twinledger_Sync__c", "Key__c")


async def applied(scene: Stage) -> dict[str, Rule]:
    """The mappings that run at a stage, by name."""
    entries = await read_entries(cluster(scene), CODEC)
    return {entry.mapping: parse(entry.text, entry.file) for entry in entries.values()}


async def moving(scene: Stage, rules: Mapping[str, Rule]) -> list[Link]:
    """Links with something under way, or still to be done."""
    known = [link for link in await links(scene) if link.id.mapping in rules]
    return [link for link in known if state(link, rules_of(rules[link.id.mapping])) in MOVING]


async def rests(scene: Stage, rules: Mapping[str, Rule]) -> None:
    """Wait until nothing moves. What was lost beyond its repeats is looked for after a time: that passes here."""

    async def still() -> bool:
        return not await moving(scene, rules)

    for _ in range(ROUNDS):
        try:
            await until("every link is at rest", still, 45)
        except Unavailable:
            await advance(scene, PROBE)
            with suppress(Unavailable):  # seen once by then, at the latest
                await until("every link is at rest", still, 15)
            await advance(scene, TWICE)
            continue
        return
    raise AssertionError([(link, state(link, rules_of(rules[link.id.mapping]))) for link in await moving(scene, rules)])


def same_source(found: list[Link]) -> list[str]:
    """Records of which a mapping keeps two living documents at once."""
    living = Counter((link.id.mapping, link.id.document, link.id.tenant) for link in found if link.life is Life.LIVE)
    return [f"{count} living documents of {of}" for of, count in living.items() if count > 1]


async def same_mark(scene: Stage, found: list[Link], rules: Mapping[str, Rule]) -> list[str]:
    """Marks of ours that two living objects carry."""
    ours = {tuple(json.loads(link.mark)) for link in found if link.mark}
    doubles: list[str] = []
    for entity in await _entities(scene.xero):
        kind = entity.rpartition(":")[2]
        rows = [row for row in await scene.xero.objects(entity) if row.get("Status") not in GONE]
        for field in MARKS.get(kind, ()):
            doubles += _twice(f"Xero {entity}", [row[field] for row in rows if (field, row.get(field)) in ours])
    marks = {(rule.end(Side.SALESFORCE).entity, rule.mark) for rule in rules.values() if rule.mark}
    of_rows = {block.mark for rule in rules.values() for block in rule.blocks if block.mark}
    marks.add(SYNC_STATE)
    for entity in await _entities(scene.salesforce):
        rows = [row for row in await scene.salesforce.objects(entity) if not row.get("IsDeleted")]
        for field in sorted({mark for of, mark in marks if of == entity} or of_rows):
            doubles += _twice(f"Salesforce {entity}.{field}", [row[field] for row in rows if row.get(field)])
    return doubles


async def strays(scene: Stage, found: list[Link], rules: Mapping[str, Rule]) -> list[str]:
    """Objects that the connector made and that no link knows, notes and files that it wrote twice."""
    known = {link.end(side).id.rpartition("/")[2] for link in found for side in Side}  # of a part: a path to it
    ends = {rule.end(side).entity for rule in rules.values() for side in Side if side in (rule.target.side, *rule.when)}
    known |= {row["ContactID"] for row in await scene.xero.objects("Contact") if row.get("MergedToContactID")}
    made = [entry for actor in (scene.salesforce, scene.xero) for entry in await _made(actor)]
    lost = [
        f"{entry['entity']} {entry['id']} was made and is no end of a link"
        for entry in made
        if entry["entity"].rpartition(":")[2] in ends - BELOW and entry["id"] not in known
    ]
    below = [f"{one['entity']} {json.dumps(one['fields'], sort_keys=True)}" for one in made if one["entity"] in BELOW]
    return lost + _twice("below", below)


async def _made(actor: Actor) -> list[Json]:
    """What the connector's own calls have created."""
    calls = {
        call["n"]
        for call in await actor.requests()
        if call["idempotency_key"] is not None or "/composite" in call["path"]
    }
    rows: list[Json] = await actor.call("GET", "/__sim/writes")
    return [row for row in rows if row["operation"] == "create" and row["request"] in calls]


async def _entities(actor: Actor) -> list[str]:
    return [name for name, count in (await actor.call("GET", "/__sim/objects")).items() if count]


def _twice(what: str, values: Iterable[str]) -> list[str]:
    return [f"{what}: {count} of {value}" for value, count in Counter(values).items() if count > 1]


async def one_of_each(scene: Stage, rules: Mapping[str, Rule]) -> tuple[int, list[str]]:
    """(documents that the connector keeps, what is there twice or belongs to nobody).

    A stage lives on while it is looked at: a poll may still bring an invoice whose row is made after the links were
    read. So a look counts when nothing was written since before the links were at rest; else it is made again.
    """
    for _ in range(LOOKS):
        before = await _writes(scene)
        if scene.worker is not None and scene.worker.returncode is None:
            await rests(scene, rules)
        looked = await _look(scene, rules)
        if await _writes(scene) == before:
            return looked
    raise AssertionError(f"something was written during each of {LOOKS} looks")


async def _writes(scene: Stage) -> list[int]:
    return [len(await actor.call("GET", "/__sim/writes")) for actor in (scene.salesforce, scene.xero)]


async def _look(scene: Stage, rules: Mapping[str, Rule]) -> tuple[int, list[str]]:
    found = await links(scene)
    wrong = [*same_source(found), *await same_mark(scene, found, rules), *await strays(scene, found, rules)]
    return sum(1 for link in found if link.life is Life.LIVE), wrong
