"""What the tables of a deployment with N links hold: links in every state, both their ends, answered reads, lines.

Pure: link ``n`` is the same in every run. 985 of 1,000 are at rest and live, 5 failed, 4 ended, 3 wait for another link
and 3 for a time that is far away, so nothing is sent to anybody while recovery is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connector.core.identity import LinkId
from connector.core.link_state import End, Hold, Life, Link
from connector.core.records import Side, Version
from connector.core.values import Ref
from connector.kafka.codec import Codec
from connector.kafka.link_codec import Target
from streams.tables import LinkTable, Parent, ParentTable, Read, ReadTable, TargetTable

MAPPING, EPOCH = "account-contact", 1
BORN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FAR = BORN + timedelta(days=3650)
REWRITTEN = 5  # each fifth link stands there twice
Row = tuple[str, bytes, bytes]


@dataclass(slots=True)
class Rows:
    """A table of bytes that only keeps what was written last, to be sent on."""

    topic: str
    written: list[Row] = field(default_factory=list)

    def read(self, key: bytes) -> bytes | None:
        del key
        return None

    peek = read

    def write(self, key: bytes, value: bytes) -> None:
        self.written.append((self.topic, key, value))

    def remove(self, key: bytes) -> None:
        del key

    def scan(self, partition: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        del partition, prefix
        yield from ()

    def after(self, key: bytes, count: int) -> list[tuple[bytes, bytes]]:
        del key, count
        return []


def link(n: int, connection: str, tenant: str) -> Link:
    """Link number ``n``."""
    here, there = f"001{n:015d}", f"{n * 2654435761 % 2**32:08x}-52a1-4f0e-9d3c-2b7f6c1e8a90"
    texts = {
        "Name": f"t:Customer {n:08d} Limited",
        "Phones.DEFAULT": f"t:+44 20 {n:08d}",
        "Addresses.POBOX": f"t:{n % 400} High Street, Springfield, SP{n % 90:02d} 1AA, United Kingdom",
        "ContactID": f"t:{there}",
        "Balances.AccountsReceivable.Outstanding": f"d:{n % 10_000}.25",
    }
    made = Link(
        LinkId(connection, MAPPING, f"{Side.SALESFORCE.value}:{here}", tenant),
        life=Life.LIVE,
        agreed={path: (text, text) for path, text in texts.items()},
        salesforce=End(here, Version(EPOCH, 2 * n + 1), BORN),
        xero=End(there, Version(EPOCH, 2 * n + 2), BORN),
        mapping_version="1:5f0c2b77d1a94e36",
        entity="Contact",
        mark=f"TL{n:012d}",
        looked=True,
        born=BORN,
        offset=0,
        closed=(f"{n:032x}",),
    )
    return replace(made, **_state(n))  # type: ignore[arg-type]


def _state(n: int) -> dict[str, object]:
    """Where link ``n`` differs from one that is live and at rest."""
    place = n % 1000
    if place < 985:
        return {}
    if place < 990:
        said = {"code": "xero.refused", "message": "The contact's name is taken.", "remedy": "Rename one of them."}
        return {"hold": Hold.FAILED, **said}
    if place < 994:
        return {"life": Life.ENDED, "reason": "deleted"}
    if place < 997:
        return {"hold": Hold.WAITS, "refs": {"Parent": Ref(MAPPING, f"salesforce:001{n + 1:015d}")}}
    return {"hold": Hold.LATER, "not_before": FAR}


def rows(numbers: range, connection: str, org: str, tenant: str, genesis: str) -> Iterator[Row]:
    """(topic, key, value) of everything that the tables hold for these links."""
    codec, kept = Codec(), [Rows(f"{name}.v1") for name in ("links", "targets", "reads", "parents")]
    links, targets = LinkTable(kept[0], codec), TargetTable(kept[1], codec)
    reads, parents = ReadTable(kept[2], codec), ParentTable(kept[3], codec)
    for n in numbers:
        one = link(n, connection, tenant)
        links.put(one, EPOCH, genesis)
        for side in Side:
            target = Target(one.id.key.decode(), one.end(side.other).id, one.life is Life.ENDED)
            targets.put(connection, MAPPING, f"{side.value}:{one.end(side).id}", target, EPOCH)
        if n % 10 < 3:
            read = Read(
                connection, Side.SALESFORCE, org, "Account", one.salesforce.id, Version(EPOCH, n), BORN, ("change",)
            )
            reads.put(replace(read, gone=True), EPOCH, BORN.date())
        if n % 2:
            line = Parent(connection, org, "OpportunityLineItem", f"00k{n:015d}", "Opportunity", f"006{n:015d}")
            parents.put(line, EPOCH)
        for table in kept:
            yield from table.written
            table.written.clear()
    for n in numbers[::REWRITTEN]:  # what compaction has not taken yet
        links.put(link(n, connection, tenant), EPOCH, genesis)
        yield from kept[0].written
        kept[0].written.clear()
