"""``twinledger doctor``: everything that must be right before a worker can run, tried out one by one."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import typer
from rich.text import Text

from connector.cli import host
from connector.cli.options import DEFAULT_CONFIG, Config, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.mapping.parse import parse
from connector.core.party import NoAnswer
from connector.errors import ConfigurationError, TwinledgerError, Unavailable
from connector.kafka import admin
from connector.kafka.connection import cluster_of
from connector.settings import ConnectionSettings, Settings, mapping_files
from connector.store.projection import Projection
from connector.store.tokens import grants_of

SECONDS = 30  # for one check: a firewall that swallows packets must not hang the doctor


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``code`` is empty when all is well."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""
    code: str = ""
    exit_code: int = 0


def doctor(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Check this machine, the configuration, Kafka, its topics, the store, and both parties' sign-in."""
    findings = asyncio.run(_all(config))
    rows = [(_sign(each), each.check, each.detail, each.remedy) for each in findings]
    show({"findings": findings}, output, table(("", "check", "found", "what to do"), rows))
    wrong = [each for each in findings if not each.ok]
    if wrong:
        note(f"\n{len(wrong)} of {len(findings)} checks failed.")
        raise typer.Exit(wrong[0].exit_code)
    note("\nAll is well.")


async def _all(config: Path) -> list[Finding]:
    findings = [await examine("machine", _machine), await examine("libraries", _libraries)]
    try:
        settings = settings_of(config)
    except TwinledgerError as error:
        return [*findings, _wrong("configuration", error)]
    connections = len(settings.connections)
    findings.append(
        Finding("configuration", ok=True, detail=f"{config}: {connections} connection{'s' * (connections != 1)}")
    )
    async for name, check in _checks(settings, config.parent):
        findings.append(await examine(name, check))
    return findings


Check = Callable[[], Awaitable[str]]


async def _checks(settings: Settings, base: Path) -> AsyncIterator[tuple[str, Check]]:
    yield "kafka", lambda: _kafka(settings)
    yield "topics", lambda: _topics(settings)
    yield "store", lambda: _store(settings)
    for connection in settings.connections:
        yield f"mappings of {connection.name}", lambda each=connection: _mappings(each, base)  # type: ignore[misc]
        for name, check in _parties(settings, connection, base):
            yield name, check


async def examine(name: str, check: Check) -> Finding:
    """One check with its time limit; what it raises is what it found."""
    try:
        async with asyncio.timeout(SECONDS):
            return Finding(name, ok=True, detail=await check())
    except TwinledgerError as error:
        return _wrong(name, error)
    except NoAnswer as error:
        return _wrong(name, Unavailable("party.no-answer", f"{error}.", remedy="Check the address and the network."))
    except TimeoutError:
        return _wrong(name, Unavailable("doctor.slow", f"No answer within {SECONDS} s.", remedy="Check the network."))


def _wrong(name: str, error: TwinledgerError) -> Finding:
    return Finding(
        name, ok=False, detail=error.message, remedy=error.remedy, code=error.code, exit_code=error.exit_code
    )


def _sign(finding: Finding) -> Text:
    return Text("✓", style="green") if finding.ok else Text("✗", style="bold red")


async def _machine() -> str:
    found = host.objection(sys.version_info[:2], sys.implementation.name, platform.system(), host.c_library())
    if found:
        raise Unavailable("host.unsupported", found)
    return f"CPython {platform.python_version()} on {platform.system()} {platform.machine()}"


async def _libraries() -> str:
    pins = dict(pinned(requires("twinledger") or ()))
    for name, wanted in pins.items():
        try:
            there = version(name)
        except PackageNotFoundError:
            there = "not installed"
        if there != wanted:
            raise ConfigurationError(
                "engine.version",
                f"{name} is {there}, and {wanted} is needed.",
                remedy="Install Twinledger anew, in an environment of its own.",
            )
    return ", ".join(f"{name} {wanted}" for name, wanted in pins.items())


def pinned(requirements: list[str] | tuple[()]) -> Iterator[tuple[str, str]]:
    """Name and version of every requirement that is pinned exactly and not part of an extra."""
    for line in requirements:
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([0-9][\w.]*)", line.replace(" ", ""))
        if found:
            yield found[1], found[2]


async def _kafka(settings: Settings) -> str:
    cluster = cluster_of(settings.kafka)
    async with admin.admin_client(cluster) as client:
        brokers = (await client.describe_cluster())["brokers"]
    return f"{cluster.bootstrap}: {len(brokers)} broker{'s' * (len(brokers) != 1)}, {cluster.security.protocol}"


async def _topics(settings: Settings) -> str:
    await admin.check_topics(cluster_of(settings.kafka))
    return "as the registry says"


async def _store(settings: Settings) -> str:
    async with await Projection.open(settings.store_url) as projection:
        links = sum(count.number for count in await projection.counts())
    return f"{links} links"


async def _mappings(connection: ConnectionSettings, base: Path) -> str:
    files = mapping_files(connection, base)
    names = [parse(file.read_text("utf-8"), file.name).name for file in files]
    return ", ".join(names) or "none"


def _parties(settings: Settings, connection: ConnectionSettings, base: Path) -> Iterator[tuple[str, Check]]:
    """Sign-in and identity of each party, where this installation has them."""
    if importlib.util.find_spec("streams.parties") is None:
        return
    yield f"salesforce of {connection.name}", lambda: _salesforce(settings, connection)
    if connection.salesforce.sync_state:
        yield f"sync states of {connection.name}", lambda: _sync_states(settings, connection)
    for number, tenant in enumerate(connection.xero):
        name = f"xero {tenant.name or tenant.tenant[:8]} of {connection.name}"
        yield name, lambda n=number: _xero(settings, connection, n, base)  # type: ignore[misc]


async def _salesforce(settings: Settings, connection: ConnectionSettings) -> str:
    from connector.http import HttpClient
    from streams import parties

    async with HttpClient() as http:
        source = parties.salesforce(http, connection.salesforce, _milliseconds, grants_of(settings), connection.name)
        found = await source.party.organisation()
        currency = connection.currency or await parties.corporate_currency(connection, source.party)
    return f"signed in to {found.name} ({found.id}), {currency}"


async def _sync_states(settings: Settings, connection: ConnectionSettings) -> str:
    from connector.http import HttpClient
    from streams import parties
    from streams.sync_state import lacks_of, missing

    async with HttpClient() as http:
        source = parties.salesforce(http, connection.salesforce, _milliseconds, grants_of(settings), connection.name)
        lacks = await lacks_of(source.party)
    if lacks:
        raise missing(connection.name, lacks)
    return "the org has the object, and we may write it"


async def _xero(settings: Settings, connection: ConnectionSettings, number: int, base: Path) -> str:
    from connector.cli.apply import load_mappings
    from connector.cli.scopes import known_lack, needed, refused_lack
    from connector.http import HttpClient
    from streams import parties

    wanted, tenant = needed(rule for rule, _ in load_mappings(connection, base)), connection.xero[number]
    async with HttpClient() as http:
        lack = await known_lack(settings, connection, wanted) or await refused_lack(http, tenant, wanted, _milliseconds)
        if lack is not None:
            raise lack
        company = parties.xero(http, tenant, _milliseconds, grants_of(settings), connection.name)
        found = await company.organisation()
    kind = ", a demo company" if found.is_demo else ""
    return f"signed in to {found.name} ({found.id}){kind}, for {', '.join(wanted)}"


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
