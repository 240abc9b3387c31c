"""``twinledger schemas``: Avro schemas of an org's own objects, made from what it says of them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli.options import DEFAULT_CONFIG, Config, Connection, DryRun, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.records import ReadPlan, Side
from connector.errors import ConfigurationError, DataError
from connector.http import HttpClient
from connector.salesforce.avro import Pulled, pull
from connector.salesforce.drift import Policy
from connector.settings import ConnectionSettings, Settings
from connector.store.tokens import grants_of

DIFFERENT = 3
app = typer.Typer(no_args_is_help=True, help="Avro schemas of the org's own objects.")

Objects = Annotated[list[str] | None, typer.Argument(metavar="OBJECT…", help="Those of the mappings by default.")]
Folder = Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where the .avsc files are.")]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one object's schema."""

    object: str
    file: str
    what: str
    added: int
    gone: int
    clashes: tuple[str, ...]


@app.callback()
def group() -> None:
    """Avro schemas of the org's own objects."""


@app.command("pull")
def pull_schemas(
    objects: Objects = None,
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    folder: Folder = Path("schemas/salesforce"),
    drift: Annotated[Policy | None, typer.Option(help="What a field of another type does.", show_default=False)] = None,
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Write the schema of each object; every version reads every other. A clash is held back, and ends with 3."""
    settings = settings_of(config)
    chosen = _chosen(settings, connection)
    policy = drift or Policy(chosen.salesforce.drift)
    found, organisation = asyncio.run(_pulled(settings, chosen, config.parent, objects or [], folder, policy))
    rows = [_kept(each, folder / organisation[:15], dry_run=dry_run) for each in found]
    lines = [(row.object, row.what, row.added, row.gone, ", ".join(row.clashes) or "-") for row in rows]
    show({"schemas": rows}, output, table(("object", "schema", "added", "gone", "clashes"), lines))
    if any(row.what == "held" for row in rows):
        note("Fields of another type are held back. Look at them, then use --drift follow.")
        raise typer.Exit(DIFFERENT)


def _chosen(settings: Settings, name: str) -> ConnectionSettings:
    known = [each for each in settings.connections if name in ("", each.name)]
    if len(known) != 1:
        raise ConfigurationError(
            "schemas.connection", f"{len(known)} connections fit; one is needed.", remedy="Name it with --connection."
        )
    return known[0]


async def _pulled(
    settings: Settings, connection: ConnectionSettings, base: Path, objects: list[str], folder: Path, policy: Policy
) -> tuple[list[Pulled], str]:
    """Each object's next schema, and the org's id. Raises DataError where the policy is to stop at a clash."""
    from connector.cli.apply import load_mappings
    from streams.clock import now_ms
    from streams.parties import salesforce

    names = objects or sorted({rule.end(Side.SALESFORCE).entity for rule, _ in load_mappings(connection, base)})
    async with HttpClient() as http:
        party = salesforce(http, connection.salesforce, now_ms, grants_of(settings), connection.name).party
        organisation = (await party.organisation()).id
        catalog = await party.describe([ReadPlan(name) for name in names])
    where = folder / organisation[:15]
    found = [pull(catalog.objects[name], organisation, _before(where / f"{name}.avsc"), policy) for name in names]
    wrong = [f"{each.entity}.{name}" for each in found for name in each.clashes]
    if wrong and policy is Policy.STOP:
        raise DataError(
            "salesforce.schema-clash", f"Fields have another type than in their schema: {', '.join(wrong[:10])}.",
            remedy="Correct the org, or use --drift hold or follow.",
        )  # fmt: skip
    return found, organisation


def _before(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        raw = json.loads(file.read_text("utf-8"))
        return {**raw, "fields": [{**field} for field in raw["fields"]]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            "salesforce.schema-file", f"{file} is no Avro schema.", remedy="Restore or delete it."
        ) from error


def _kept(each: Pulled, folder: Path, *, dry_run: bool) -> Row:
    file = folder / f"{each.entity}.avsc"
    if each.document is None:
        return Row(each.entity, str(file), "held", 0, 0, each.clashes)
    text = json.dumps(each.document, indent=2, ensure_ascii=False) + "\n"
    same = file.exists() and file.read_text("utf-8") == text
    what = "same" if same else "changed" if file.exists() else "new"
    if not same and not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return Row(each.entity, str(file), what, len(each.added), len(each.gone), each.clashes)
