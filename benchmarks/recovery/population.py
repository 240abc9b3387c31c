"""What the tables of a deployment with N links hold: links in every state, both their ends, answered reads, lines.

Link ``n`` is the same in every run. 985 of 1,000 are at rest and live, 5 failed, 4 ended, 3 wait for another link and 3
for a time that is far away, so nothing is sent to anybody while recovery is measured. Every value is one that the
product's own tables encode; what differs from link to link is a number of eight hex digits, put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connector.core.identity import LinkId
from connector.core.link_state import End, Hold, Life, Link
from connector.core.records import Side, Version
from connector.core.values import Ref
from connector.kafka.codec import Codec
from connector.kafka.link_codec import Target
from streams.rebuild import Memory
from streams.tables import LinkTable, Parent, ParentTable, Read, ReadTable, TargetTable

MAPPING, EPOCH = "account-contact", 1
BORN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FAR = BORN + timedelta(days=3650)
REWRITTEN = 5  # each fifth link stands there twice: compaction has not taken the first yet
NUMBER = "0a1b2c3d"  # in the place of a link's own
Row = tuple[str, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Scene:
    """Whose links they are."""

    connection: str
    org: str
    tenant: str
    genesis: str


def number(n: int) -> bytes:
    """The eight digits of link ``n``: every number once, in no order, as Xero's ids are."""
    return b"%08x" % (n * 2654435761 % 2**32)


def link(scene: Scene, name: str = NUMBER, place: int = 0) -> Link:
    """The link of a number; ``place`` (of 1,000) says in which state."""
    here, there = f"0015g00000{name}", f"{name}-52a1-4f0e-9d3c-2b7f6c1e8a90"
    texts = {
        "Name": f"t:Customer {name} Limited",
        "Phones.DEFAULT": f"t:+44 20 {name}",
        "Addresses.POBOX": f"t:{name} High Street, Springfield, SP12 1AA, United Kingdom",
        "ContactID": f"t:{there}",
        "Balances.AccountsReceivable.Outstanding": "d:1204.25",
    }
    made = Link(
        LinkId(scene.connection, MAPPING, f"{Side.SALESFORCE.value}:{here}", scene.tenant),
        life=Life.LIVE,
        agreed={path: (text, text) for path, text in texts.items()},
        salesforce=End(here, Version(EPOCH, 20_001), BORN),
        xero=End(there, Version(EPOCH, 20_002), BORN),
        mapping_version="1:5f0c2b77d1a94e36",
        entity="Contact",
        mark=f"TL{name}",
        looked=True,
        status="draft",  # as every contact's
        born=BORN,
        offset=0,
        closed=(f"{name:0>32}",),
    )
    return replace(made, **_state(name, place))  # type: ignore[arg-type]


def _state(name: str, place: int) -> dict[str, object]:
    """Where a link differs from one that is live and at rest."""
    if place < 985:
        return {}
    if place < 990:
        said = {"code": "xero.refused", "message": "The contact's name is taken.", "remedy": "Rename one of them."}
        return {"hold": Hold.FAILED, **said}
    if place < 994:
        return {"life": Life.ENDED, "reason": "deleted"}
    if place < 997:
        return {"hold": Hold.WAITS, "refs": {"Parent": Ref(MAPPING, f"salesforce:0015g00000{name}")}}
    return {"hold": Hold.LATER, "not_before": FAR}


def _linked(scene: Scene, place: int) -> list[Row]:
    """A link and its two ends."""
    codec, links, targets = Codec(), Memory(), Memory()
    one, ends = link(scene, place=place), TargetTable(targets, codec)
    LinkTable(links, codec).put(one, EPOCH, scene.genesis)
    for side in Side:
        target = Target(one.id.key.decode(), one.end(side.other).id, one.life is Life.ENDED)
        ends.put(scene.connection, MAPPING, f"{side.value}:{one.end(side).id}", target, EPOCH)
    return [("links.v1", *row) for row in links.rows.items()] + [("targets.v1", *row) for row in targets.rows.items()]


def _read(scene: Scene) -> list[Row]:
    """The answered question about the link's record."""
    codec, raw, side = Codec(), Memory(), Side.SALESFORCE
    asked = Version(EPOCH, 20_000)
    read = Read(scene.connection, side, scene.org, "Account", f"0015g00000{NUMBER}", asked, BORN, ("change",))
    ReadTable(raw, codec).put(replace(read, gone=True), EPOCH, BORN.date())
    return [("reads.v1", *row) for row in raw.rows.items()]


def _line(scene: Scene) -> list[Row]:
    """A child row of some document."""
    codec, raw = Codec(), Memory()
    line = Parent(scene.connection, scene.org, "OpportunityLineItem", f"00k5g00000{NUMBER}", "Opportunity", "0065g")
    ParentTable(raw, codec).put(line, EPOCH)
    return [("parents.v1", *row) for row in raw.rows.items()]


def rows(numbers: range, scene: Scene) -> Iterator[Row]:
    """(topic, key, value) of everything that the tables hold for these links."""
    states = {first: _linked(scene, first) for first in (0, 985, 990, 994, 997)}
    read, line, mark = _read(scene), _line(scene), NUMBER.encode()
    for n in numbers:
        place, digits = n % 1000, number(n)
        made = list(states[max(first for first in states if first <= place)])
        made += [*(read if n % 10 < 3 else ()), *(line if n % 2 else ())]
        for topic, key, value in made:
            yield topic, key.replace(mark, digits), value.replace(mark, digits)
    for n in numbers[::REWRITTEN]:
        place, digits = n % 1000, number(n)
        topic, key, value = states[max(first for first in states if first <= place)][0]
        yield topic, key.replace(mark, digits), value.replace(mark, digits)
