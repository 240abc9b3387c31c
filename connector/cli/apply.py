"""``twinledger apply``: check the mapping files and make them the applied configuration. Nothing changes before it.

Links that are there keep the text that they were made by, unless ``--old move`` says otherwise.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from connector.cli.options import Old
from connector.cli.scopes import known_lack, needed
from connector.core.applied import Gate
from connector.core.catalog import Catalog
from connector.core.grant import Grants
from connector.core.mapping.bind import bind
from connector.core.mapping.check import Problem, check
from connector.core.mapping.model import Mapping as Rule
from connector.core.mapping.parse import parse
from connector.core.mapping.problem import problem
from connector.core.records import Side
from connector.errors import MappingError
from connector.http import HttpClient
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.producer import Producer
from connector.salesforce.describe import SalesforceCatalog
from connector.settings import ConnectionSettings, load, mapping_files
from connector.store.tokens import grants_of
from streams.clock import clock
from streams.configuration import Entry, Kept, read_entries, write_entry, write_kept
from streams.parties import SalesforceSource, salesforce, sides

MAX_MAPPING_BYTES = 256_000
NAMED_BY_CODE = ("TaxRate", "Currency")


@dataclass(frozen=True, slots=True)
class Change:
    """What applying does to one mapping. ``what`` is new, changed, moved (its old links only), same or removed.

    ``keep`` is the text that old links go on by, ``drop`` are those that none follows any more.
    """

    connection: str
    mapping: str
    what: str
    entry: Entry
    keep: Kept | None = None
    drop: tuple[Kept, ...] = ()

    @property
    def versions(self) -> int:
        """How many earlier texts old links follow afterwards."""
        return len(self.entry.kept) - len(self.drop) + (self.keep is not None)


def load_mappings(settings: ConnectionSettings, base: Path) -> tuple[tuple[Rule, str], ...]:
    """Every mapping of a connection with its text. Raises MappingError, ConfigurationError."""
    found: dict[str, tuple[Rule, str]] = {}
    for path in mapping_files(settings, base):
        text = path.read_text("utf-8")
        if len(text) > MAX_MAPPING_BYTES:
            raise MappingError("mapping.too-large", f"larger than {MAX_MAPPING_BYTES} bytes", file=str(path))
        rule = parse(text, path.name)
        if rule.name in found:
            raise MappingError("mapping.twice", f"a second mapping is named {rule.name}", file=path.name)
        found[rule.name] = (rule, text)
    return tuple(found.values())


def problems(rules: tuple[Rule, ...], catalogs: Mapping[Side, Catalog]) -> tuple[Problem, ...]:
    """All that is wrong with these mappings together."""
    return tuple(check(tuple(bind(rule, catalogs) for rule in rules), catalogs))


async def changes(
    cluster: Cluster, codec: Codec, settings: ConnectionSettings, base: Path, now: datetime, old: Old = Old.KEEP
) -> tuple[Change, ...]:
    """What applying would do. Writes nothing. Raises MappingError."""
    there = {entry.mapping: entry for entry in (await read_entries(cluster, codec, settings.name)).values()}
    out: list[Change] = []
    for rule, text in load_mappings(settings, base):
        before = there.pop(rule.name, None)
        entry = _entry(settings.name, rule, text, before, now)
        out.append(Change(settings.name, rule.name, "new", entry) if before is None else _change(before, entry, old))
    for name, entry in there.items():
        out.append(Change(settings.name, name, "removed", replace(entry, removed=True, at=now)))
    return tuple(out)


def _change(before: Entry, entry: Entry, old: Old) -> Change:
    """A changed text is kept for the links that it made, or all old links follow the new one from now on."""
    was, now = parse(before.text, before.file), parse(entry.text, entry.file)
    if (was.kind, was.source, was.target) != (now.kind, now.source, now.target):
        raise MappingError(
            "mapping.other-ends", f"{now.name} was applied between other objects: its links cannot follow",
            remedy="Give the mapping another name.", file=entry.file,
        )  # fmt: skip
    what = "same" if before.text == entry.text else "changed"
    if old is Old.MOVE:
        return Change(
            entry.connection, now.name, "moved" if what == "same" and before.kept else what, entry, drop=before.kept
        )
    current = tuple(one for one in before.kept if one.version == now.version)
    if was.version == now.version:
        return Change(entry.connection, now.name, what, entry, drop=current)
    keep = Kept(before.connection, was.name, was.version, before.file, before.text, before.by, before.at)
    return Change(entry.connection, now.name, what, entry, keep, current)


def _entry(connection: str, rule: Rule, text: str, before: Entry | None, now: datetime) -> Entry:
    """A new mapping begins with a snapshot; a changed one goes on where it is, with new rules for new work."""
    gate = Gate.SNAPSHOT if before is None else before.gate
    pinned = now if before is None else before.pinned
    paused = before.paused if before is not None else False
    kept = before.kept if before is not None else ()
    return Entry(connection, rule.name, rule.file, text, gate, pinned, paused, getpass.getuser(), now, kept=kept)


async def apply(cluster: Cluster, codec: Codec, planned: tuple[Change, ...]) -> int:
    """Write what changed; gives how many mappings did."""
    moving = [change for change in planned if change.what != "same"]
    async with Producer(cluster) as producer:
        for change in moving:
            if change.keep is not None:  # before the new text: no link is without its own at any moment
                await write_kept(producer, codec, change.keep)
            await write_entry(producer, codec, change.entry)
            for one in change.drop:
                await write_kept(producer, codec, one, removed=True)
    return len(moving)


async def apply_file(config: Path, *, dry_run: bool = False, old: Old = Old.KEEP) -> tuple[Change, ...]:
    """Check and apply the mappings of every connection of a configuration file; gives what changed (or would).

    Raises MappingError for the first problem, with all others beside it.
    """
    settings = load(config)
    cluster, codec = cluster_of(settings.kafka), Codec()
    planned: list[Change] = []
    async with HttpClient() as http:
        grants, base = grants_of(settings), config.parent
        seen = [await inspected(http, connection, base, grants) for connection in settings.connections]
        if wrong := [one for each in seen for one in each.problems]:
            raise _as_error(wrong)
        for connection in settings.connections:
            planned.extend(await changes(cluster, codec, connection, config.parent, clock(), old))
    if not dry_run:
        await apply(cluster, codec, tuple(planned))
    return tuple(planned)


def _as_error(wrong: Sequence[Problem]) -> MappingError:
    first, *others = [
        MappingError(one.code, one.message, remedy=one.remedy, file=one.file, line=one.line) for one in wrong
    ]
    first.others = tuple(others)
    return first


async def check_file(config: Path) -> tuple[Problem, ...]:
    """Everything that is wrong with the mappings of a configuration file, against both sides as they are now."""
    settings = load(config)
    found: list[Problem] = []
    async with HttpClient() as http:
        for connection in settings.connections:
            seen = await inspected(http, connection, config.parent, grants_of(settings))
            found.extend(seen.problems)
            if (lack := await known_lack(settings, connection, needed(seen.rules))) is not None:
                found.append(Problem(config.name, 1, lack.code, lack.message.rstrip("."), lack.remedy))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Inspected:
    """A connection's mapping files beside the objects of its org, as the integration user sees them."""

    source: SalesforceSource
    rules: tuple[Rule, ...]
    catalog: SalesforceCatalog
    problems: tuple[Problem, ...]


async def inspected(http: HttpClient, connection: ConnectionSettings, base: Path, grants: Grants | None) -> Inspected:
    """Raises MappingError for what cannot be parsed, and as the API does."""
    rules = tuple(rule for rule, _ in load_mappings(connection, base))
    source = salesforce(http, connection.salesforce, lambda: int(clock().timestamp() * 1000), grants, connection.name)
    plans = [one.read_plan(Side.SALESFORCE) for rule in rules for one in rule.each]
    catalog = await source.party.seen(plans)
    found = problems(rules, sides(catalog))
    everywhere = _of_everywhere(rules) if len(connection.xero) > 1 else ()
    return Inspected(source, rules, catalog, (*everywhere, *found))


def _of_everywhere(rules: tuple[Rule, ...]) -> Iterator[Problem]:
    """Among several organisations: mappings of what bears the same id in each, that do not say which one is meant."""
    for rule in rules:
        if rule.end(Side.XERO).entity in NAMED_BY_CODE and rule.organisation is None:
            message = f"every Xero organisation has the same ids of a {rule.end(Side.XERO).entity}"
            yield problem(rule, "to", "organisation", message, "Say `organisation:`, one mapping for each.")
