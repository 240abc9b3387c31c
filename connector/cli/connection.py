"""``twinledger connection``: the connections of a deployment: list, add, pause, resume, remove."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import yaml

from connector.cli.mapping import applied
from connector.cli.options import DEFAULT_CONFIG, Config, Format, Output, Yes, settings_of
from connector.cli.printing import ask, note, show, table
from connector.cli.signals import Signal, send
from connector.errors import ConfigurationError, DataError
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.producer import Producer
from connector.settings import ConnectionSettings, XeroSettings

app = typer.Typer(no_args_is_help=True, help="Connections: one Salesforce org with its Xero organisations each.")

Name = Annotated[str, typer.Argument(metavar="CONNECTION", help="Its name.")]
Url = Annotated[str, typer.Option("--salesforce-url", prompt="Salesforce My Domain address", metavar="URL")]
Client = Annotated[str, typer.Option("--salesforce-client", prompt="Client id of the Salesforce app", metavar="ID")]
Tenant = Annotated[str, typer.Option("--xero-tenant", prompt="Xero tenant id", metavar="ID")]
XeroClient = Annotated[str, typer.Option("--xero-client", prompt="Client id of the Xero app", metavar="ID")]


@app.command("list")
def list_connections(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """List the configured connections and how many of their mappings run."""
    settings = settings_of(config)
    found = asyncio.run(applied(cluster_of(settings.kafka)))
    running, paused = (Counter(row.connection for row in found if row.paused is state) for state in (False, True))
    rows = [
        (each.name, each.salesforce.url, ", ".join(one.name or one.tenant for one in each.xero), running[each.name],
         paused[each.name])
        for each in settings.connections
    ]  # fmt: skip
    heads = ("connection", "salesforce", "xero", "running", "paused")
    data = [dict(zip(heads, row, strict=True)) for row in rows]
    show({"connections": data}, output, table(heads, rows, right="running paused"))


@app.command("add")
def add(
    name: Name, url: Url, client: Client, tenant: Tenant, xero_client: XeroClient, config: Config = DEFAULT_CONFIG
) -> None:
    """Write one more connection at the end of the configuration file, after asking both sides who they are."""
    known, text = settings_of(config), config.read_text("utf-8")
    if any(each.name == name for each in known.connections):
        raise ConfigurationError("connection.exists", f"{config} has a connection {name} already.")
    room = import_module("connector.cli.init")
    wanted = room.Wanted(name, url, client, tenant, xero_client, _addresses(known.connections))
    found = asyncio.run(room.look(wanted))
    grown = text.rstrip("\n") + "\n" + _as_the_others(text, room.block(wanted, found))
    _check_grown(config, text, grown)
    config.write_text(grown, "utf-8")
    note(
        f"Added {name} ({found.org.name}, {found.company.name}) to {config}. "
        "Fill in its currency where it is empty, and put its secrets into the environment, as the file says. "
        "Restart the workers after `apply`."
    )


def _addresses(known: Sequence[ConnectionSettings]) -> dict[str, str]:
    """Where Xero is reached, if all other connections reach it elsewhere than at its own addresses."""
    names, own = ("token_url", "api_url"), XeroSettings.model_fields
    found = {tuple(str(getattr(one, name)) for name in names) for each in known for one in each.xero}
    usual = tuple(str(own[name].default) for name in names)
    return dict(zip(names, *found, strict=True)) if len(found) == 1 and usual not in found else {}


def _as_the_others(text: str, block: str) -> str:
    """The block moved to where the items of the list stand: two spaces in, or none."""
    items = [line for line in text.splitlines() if line.lstrip().startswith("- name:")]
    return textwrap.dedent(block) if items and items[-1].startswith("-") else block


def _check_grown(config: Path, before: str, after: str) -> None:
    """The file must say what it said, and one connection more."""
    old = yaml.safe_load(before)
    try:
        new = yaml.safe_load(after)
    except yaml.YAMLError:
        new = None
    there, grown = (one.get("connections") or [] if isinstance(one, dict) else [] for one in (old, new))
    if len(grown) != len(there) + 1 or new != {**old, "connections": [*there, grown[-1]]}:
        raise ConfigurationError(
            "connection.file", f"{config} does not end with its list of connections.",
            remedy="Move `connections:` to the end of the file, its items indented by two spaces.",
        )  # fmt: skip


@app.command("pause")
def pause(name: Name, config: Config = DEFAULT_CONFIG) -> None:
    """Stop writing for every mapping of a connection. Changes are still taken in and wait."""
    _each(name, config, "mapping.pause")
    note(f"Every mapping of {name} is told to pause. `twinledger connection resume {name}` goes on.")


@app.command("resume")
def resume(name: Name, config: Config = DEFAULT_CONFIG) -> None:
    """Write again for every mapping of a connection."""
    _each(name, config, "mapping.resume")
    note(f"Every mapping of {name} is told to go on.")


@app.command("remove")
def remove(name: Name, config: Config = DEFAULT_CONFIG, yes: Yes = False) -> None:
    """Take every mapping of a connection out of what runs. Links and topics stay, so that it can come back."""
    if not yes:
        ask(f"Take all mappings of {name} out of what runs?")
    number = asyncio.run(_removed(cluster_of(settings_of(config).kafka), name))
    note(f"{number} mappings of {name} run no more. Take the connection out of {config} and restart the workers.")


async def _removed(cluster: Cluster, name: str) -> int:
    configuration, codec = import_module("streams.configuration"), Codec()
    entries = (await configuration.read_entries(cluster, codec, name)).values()
    if not entries:
        raise _unknown(name)
    async with Producer(cluster) as producer:
        for entry in entries:
            gone = replace(entry, removed=True, at=datetime.now(UTC))
            await configuration.write_entry(producer, codec, gone)
    return len(entries)


def _each(name: str, config: Path, kind: str) -> None:
    cluster = cluster_of(settings_of(config).kafka)
    rows = asyncio.run(applied(cluster, name))
    if not rows:
        raise _unknown(name)
    asyncio.run(send(cluster, [Signal(kind, name, row.mapping) for row in rows]))


def _unknown(name: str) -> DataError:
    return DataError(
        "connection.not-applied", f"No mapping of a connection {name} is applied.",
        remedy="`twinledger connection list` shows them.",
    )  # fmt: skip
