"""Does the money agree? Every pair of linked money fields of a stage, on both ends, to the cent.

Four looks at each document that a link keeps and that nobody is asked about, by it or by another mapping's link of both
its ends: what both sides agreed; what its target
shows in the simulator against what is wanted of it; what both simulators show of a field that is plainly copied; and
what the record's lines come to against the document's total.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

from connector.cli.stage import Json, Stage, until
from connector.core.applied import rules_of
from connector.core.document import split_line_path
from connector.core.link import state
from connector.core.link_state import Life, Link, State
from connector.core.mapping.model import Kind
from connector.core.mapping.model import Mapping as Rule
from connector.core.mapping.rows import BEHIND
from connector.core.records import Side
from connector.core.values import from_canonical
from connector.errors import Unavailable
from tests.integration.kafka_views import links

NO_MONEY = re.compile(
    r"quantity|hours|terms|percent|payments__c$|days|(tax|currency|discount|exchange)_?rate|^rate__c$", re.IGNORECASE
)
COPIED = re.compile(r"record\.(\w+)")
Found = tuple[str, Decimal, Decimal]


@dataclass(slots=True)
class Pennies:
    """``documents`` had money on both ends, ``reviews`` wait for a person, ``apart`` says which amounts differ."""

    documents: int = 0
    fields: int = 0
    reviews: int = 0
    difference: Decimal = Decimal("0.00")
    apart: list[str] = field(default_factory=list)

    def add(self, link: Link, pairs: list[Found]) -> None:
        self.documents += bool(pairs)
        self.fields += len(pairs)
        for what, one, other in pairs:
            if one != other:
                self.difference += abs(one - other)
                self.apart.append(f"{link.id.mapping} {link.id.document} {what}: {one} and {other}")


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that stands in both simulators, by id; the rows of Salesforce by their parent too."""

    rows: Mapping[str, Json]
    children: Mapping[str, list[Json]]

    @staticmethod
    async def of(scene: Stage) -> Books:
        rows: dict[str, Json] = {}
        children: dict[str, list[Json]] = defaultdict(list)
        for actor in (scene.salesforce, scene.xero):
            for entity, count in (await actor.call("GET", "/__sim/objects")).items():
                for row in await actor.objects(entity) if count else ():
                    name = entity.rpartition(":")[2]
                    rows[str(row.get("Id") or row.get(f"{name}ID"))] = row
                    for value in row.values() if "Id" in row and not row.get("IsDeleted") else ():
                        if isinstance(value, str) and len(value) == 18:
                            children[value].append(row)
        return Books(rows, children)

    def amount(self, rule: Rule, link: Link, side: Side, path: str) -> Decimal | None:
        """What an end of a link shows at a path of its own."""
        shown = self.rows.get(link.end(side).id)
        parts = split_line_path(path)
        if shown is not None and parts is not None:
            shown, path = self._line(rule, link, shown, parts[0], parts[1]), parts[2]
        value: object = shown
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return Decimal(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else None

    def _line(self, rule: Rule, link: Link, shown: Json, lines: str, key: str) -> Json | None:
        block = next((block for block in rule.blocks if block.rows == lines), None)
        if block is not None and block.mark:
            rows = self.children[str(shown["Id"])]
            marks = (key, f"{shown.get(rule.mark)}{BEHIND}{key}")
            return next((row for row in rows if row.get(block.mark) in marks), None)
        rows = shown.get(lines) or []
        return next((row for row in rows if row.get("LineItemID") == link.line_ids.get(key, "?")), None)


async def agreed(scene: Stage, rules: Mapping[str, Rule]) -> Pennies:
    """Compare, and look again for a while where amounts differ: what a person did last may be on its way."""
    last: list[Pennies] = []

    async def same() -> bool:
        last[:] = [await counted(scene, rules)]
        return not last[0].apart

    with suppress(Unavailable):
        await until("the money agrees", same, 20)
    return last[0]


async def counted(scene: Stage, rules: Mapping[str, Rule]) -> Pennies:
    """Compare every living document of a stage."""
    books, sum_of, found = await Books.of(scene), Pennies(), await links(scene)
    asked = {link.end(side).id for link in found if link.code and link.life is Life.LIVE for side in Side} - {""}
    for link in found:
        rule = rules.get(link.id.mapping)
        if rule is None or link.life is not Life.LIVE:
            continue
        ends = {link.salesforce.id, link.xero.id}
        if state(link, rules_of(rule)) is State.CLEAN and len(ends & asked) < len(ends):
            sum_of.add(link, list(_pairs(rule, link, books)))
        else:
            sum_of.reviews += link.code != ""
    return sum_of


def _pairs(rule: Rule, link: Link, books: Books) -> Iterator[Found]:
    for path, (salesforce, xero) in link.agreed.items():
        one, other = _money(path, salesforce), _money(path, xero)
        if one is not None and other is not None:
            yield f"{path} as agreed", one, other
    if rule.kind is Kind.TWO_WAY:
        yield from _two_way(rule, link, books)
        return
    target = rule.target.side
    for path, text in link.seen(link.id.side).items():
        wanted, there = _money(path, text), books.amount(rule, link, target, path)
        if wanted is not None and there is not None:
            yield f"{path} in {target.value}", wanted, there
    if not link.id.part:  # a sum of several, or one of several: what was agreed says what it is
        yield from _copied(rule, link, books)
    yield from _total(rule, link, books)


def _two_way(rule: Rule, link: Link, books: Books) -> Iterator[Found]:
    for pair in rule.pairs:
        one = books.amount(rule, link, Side.SALESFORCE, pair.name)
        other = books.amount(rule, link, Side.XERO, pair.xero)
        if not NO_MONEY.search(pair.name) and not pair.using and one is not None and other is not None:
            yield f"{pair.name} in both", one, other


def _copied(rule: Rule, link: Link, books: Books) -> Iterator[Found]:
    """Fields that a mapping copies as they are: both simulators are asked, and nobody else."""
    for setting in rule.settings:
        named = COPIED.fullmatch(setting.value.text.strip())
        if named is None or setting.once or NO_MONEY.search(setting.path):
            continue
        one = books.amount(rule, link, link.id.side, named[1])
        other = books.amount(rule, link, link.id.side.other, setting.path)
        if one is not None and other is not None:
            yield f"{setting.path} in both", one, other


def _total(rule: Rule, link: Link, books: Books) -> Iterator[Found]:
    """What the record's lines come to, and the document's net (its total, where prices are with tax) without the lines
    that others have added to it."""
    shown = books.rows.get(link.end(Side.XERO).id, {})
    wanted = from_canonical(link.money) if link.money else None
    net = any(setting.path == "NetAmount" for block in rule.blocks for setting in block.settings)
    there = shown.get("Total" if shown.get("LineAmountTypes") == "Inclusive" and not net else "SubTotal")
    if rule.target.side is Side.XERO and isinstance(wanted, Decimal) and isinstance(there, Decimal):
        ours = set(link.line_ids.values())
        rows = shown.get("LineItems") or () if ours else ()
        others = sum((Decimal(row["LineAmount"]) for row in rows if row.get("LineItemID") not in ours), Decimal(0))
        yield "the total", wanted, there - others


def _money(path: str, text: str) -> Decimal | None:
    value = from_canonical(text) if text and not NO_MONEY.search(path.rpartition("/")[2]) else None
    return value if isinstance(value, Decimal) else None
