"""``twinledger check``: what lacks before it can work, in words: mappings, permissions, scopes, selections.

Beside the mapping files' own problems it says which object or field the integration user cannot read or write and which
mapping needs it, what the sign-in to Xero was not given, and of which objects Salesforce's stream does not tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import typer

from connector.cli.apply import Inspected, inspected
from connector.cli.options import Format
from connector.cli.printing import note, show, table
from connector.cli.scopes import known_lack, needed, refused_lack
from connector.core.mapping.beside import ways
from connector.core.mapping.problem import Problem
from connector.core.mapping.rights import FILE, needs
from connector.core.records import ReadPlan, Side
from connector.errors import ConfigurationError, MappingError, TwinledgerError
from connector.http import HttpClient
from connector.salesforce.describe import SalesforceCatalog
from connector.salesforce.rights import lacks, unselected
from connector.salesforce.sync_object import OBJECT, lacking
from connector.settings import ConnectionSettings, SalesforceSettings, Settings, load
from connector.store.tokens import grants_of
from streams.clock import now_ms
from streams.followed import Capture, captured
from streams.parties import sides

UNTOLD = (
    "Which objects are selected for change data capture cannot be told: the integration user lacks View Setup and "
    "Configuration."
)


def main(config: Path, output: Format) -> None:
    """Say it, and end with 65 where a mapping is wrong, with 78 where only rights lack."""
    found, notes = asyncio.run(check(config))
    rows = [(f"{each.file}:{each.line}", each.message, each.remedy, each.code) for each in found]
    if rows or output is Format.JSON:
        heads = ("where", "what is wrong", "what to do", "code")
        show({"problems": found, "notes": notes}, output, table(heads, rows))
    for each in notes:
        note(each)
    if found:
        mapping = any(each.code.startswith("mapping.") for each in found)
        raise typer.Exit(MappingError.exit_code if mapping else ConfigurationError.exit_code)
    note("Nothing lacks: mappings, permissions, scopes and selections are as they must be.")


async def check(config: Path) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """All problems of all connections, and what could not be told. Raises AuthError, Unavailable, MappingError."""
    settings = load(config)
    found: list[Problem] = []
    notes: list[str] = []
    async with HttpClient() as http:
        for connection in settings.connections:
            seen = await inspected(http, connection, config.parent, grants_of(settings))
            rights = list(_rights(connection, seen.catalog, config, await _more(seen), seen))
            found += rights
            found += [one for one in seen.problems if not _told(one, rights)]
            found += [one async for one in _package(connection, seen, config)]
            found += [one async for one in _scopes(http, settings, connection, seen, config)]
            selected = await seen.source.party.selected() if connection.salesforce.channels else frozenset[str]()
            if selected is None:
                notes.append(UNTOLD)
            elif connection.salesforce.channels:
                found += _selections(connection, seen, selected, config)
    return tuple(found), tuple(dict.fromkeys(notes))


async def _more(seen: Inspected) -> SalesforceCatalog:
    """The objects that mappings need beside those that they read: the bytes of files."""
    wanted = {need.entity for rule in seen.rules for need in needs(rule)} & {FILE}
    return await seen.source.party.seen([ReadPlan(name) for name in wanted])


def _rights(
    connection: ConnectionSettings, catalog: SalesforceCatalog, config: Path, more: SalesforceCatalog, seen: Inspected
) -> Iterator[Problem]:
    whole = catalog.with_objects(more.objects.values())
    for lack in lacks((need for rule in seen.rules for need in needs(rule)), whole):
        message = f"{connection.name}: {lack.message}"
        yield Problem(config.name, 1, "salesforce.right-missing", message, lack.remedy)


def _told(one: Problem, rights: list[Problem]) -> bool:
    """Whether a mapping's problem is that an object is not to be seen, which has been said better."""
    entity = one.message.rpartition(" ")[2]
    hidden = any(f"cannot read {entity} records" in right.message for right in rights)
    return one.code == "mapping.unknown-entity" and hidden


async def _package(connection: ConnectionSettings, seen: Inspected, config: Path) -> AsyncIterator[Problem]:
    """What shows how records stand, where that is switched on."""
    if not connection.salesforce.sync_state:
        return
    shape = (await seen.source.party.seen([ReadPlan(OBJECT)])).objects.get(OBJECT)
    remedy = f"Deploy salesforce-package with {OBJECT} and assign its permission set, or set `sync_state: no`."
    if shape is None:
        words = [f"cannot read {OBJECT} records"]
    else:
        names = lacking(shape)
        words = [
            f"cannot {name} {OBJECT} records" if name == "create" else f"cannot edit {OBJECT}.{name}" for name in names
        ]
    for said in words:
        message = f"{connection.name}: the integration user {said}, needed by sync_state"
        yield Problem(config.name, 1, "salesforce.right-missing", message, remedy)


async def _scopes(
    http: HttpClient, settings: Settings, connection: ConnectionSettings, seen: Inspected, config: Path
) -> AsyncIterator[Problem]:
    """What the sign-in to each organisation was not given."""
    wanted = needed(seen.rules)
    if (lack := await known_lack(settings, connection, wanted)) is not None:
        yield _of(config, f"{connection.name}: {lack.message}", lack)
        return
    for tenant in connection.xero:
        if (lack := await refused_lack(http, tenant, wanted, now_ms)) is not None:
            yield _of(config, f"{connection.name}, {tenant.name or tenant.tenant}: {lack.message}", lack)


def _of(config: Path, message: str, error: TwinledgerError) -> Problem:
    return Problem(config.name, 1, error.code, message.rstrip("."), error.remedy)


def _selections(
    connection: ConnectionSettings, seen: Inspected, selected: frozenset[str], config: Path
) -> Iterator[Problem]:
    """The objects that are to be heard by change events, and of which no channel tells."""
    for entity in unselected(heard(connection.salesforce, seen), selected):
        yield Problem(
            config.name, 1, "salesforce.not-selected",
            f"{connection.name}: {entity} is not selected for change data capture: its changes are not heard",
            f"Select it (Setup, Change Data Capture, or a member of a channel) or say `capture: {{ {entity}: poll }}`.",
        )  # fmt: skip


def heard(settings: SalesforceSettings, seen: Inspected) -> tuple[str, ...]:
    """The objects whose change events mappings begin with: sources, both ends of two-way ones, rows that are read, what
    is depended on live. What people change in an object that is only written is seen at the latest before a write."""
    names: dict[str, tuple[str, ...]] = {}
    for rule in (one for whole in seen.rules for one in whole.each):
        entity = rule.end(Side.SALESFORCE).entity
        if not rule.takes(Side.SALESFORCE, entity):
            continue
        names[entity] = (entity,)
        for rows in rule.read_plan(Side.SALESFORCE).children:
            child = seen.catalog.children(entity, rows)
            if child is not None:
                names.setdefault(child, (child, entity))
        for other in ways(rule, sides(seen.catalog)):
            names.setdefault(other, (other,))
    followed = (name for name, said in names.items() if captured(settings, *said) is not Capture.POLL)
    return tuple(sorted(name for name in followed if seen.catalog.has(name)))
