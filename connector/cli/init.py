"""``twinledger init``: the starting files of a deployment, from what both sides say of themselves.

Both sides are signed in to and asked who they are; each ready-made mapping is checked against the objects that are
there. Those that fit are written down to run, the others beside them with what they lack.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connector.cli.demo import shipped_mappings
from connector.cli.options import Format
from connector.cli.printing import note, show, table
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.model import Mapping as Rule
from connector.core.mapping.parse import parse
from connector.core.party import Organisation
from connector.core.records import Side
from connector.errors import ConfigurationError, TwinledgerError
from connector.http import HttpClient
from connector.salesforce.describe import SalesforceCatalog
from connector.settings import ConnectionSettings
from streams.clock import now_ms, refuse_elsewhere
from streams.parties import SalesforceSource, salesforce, sides, xero

#  Members of the package's channel: as many as may be selected for change data capture without an add-on.
CHANNEL = frozenset({"Account", "Expense__c", "Opportunity", "OpportunityLineItem", "Product2"})
ALSO = ("metadata", "persons", "products", "shop")
FILE, FOLDER, LATER = "twinledger.yaml", "mappings", "not-yet"
SECRETS = {"salesforce": "TWINLEDGER_SALESFORCE_SECRET", "xero": "TWINLEDGER_XERO_SECRET"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person named."""

    name: str
    salesforce_url: str
    salesforce_client: str
    xero_tenant: str
    xero_client: str
    xero_addresses: Mapping[str, str] = field(default_factory=dict)  # api_url, token_url: of a test's own
    also: tuple[str, ...] = ()  # folders of ready-made mappings beside those that everybody gets


@dataclass(frozen=True, slots=True)
class Fit:
    """One ready-made mapping. ``lacks`` is empty where it can run."""

    rule: Rule
    text: str
    lacks: str


@dataclass(frozen=True, slots=True)
class Found:
    """Both sides as they are."""

    org: Organisation
    company: Organisation
    fits: tuple[Fit, ...]
    children: Mapping[str, tuple[str, ...]]  # Salesforce object → the objects of its rows that mappings read
    currency: str  # of the org's amounts; empty where it has one currency, which none of its APIs names


def main(wanted: Wanted, folder: Path, output: Format) -> None:
    """Ask both sides and write the files. Nothing that is there is written over. Raises TwinledgerError."""
    target = folder / FILE
    if target.exists():
        raise ConfigurationError(
            "init.exists", f"{target} is there already.",
            remedy="Choose another --folder, or `twinledger connection add` for one more connection.",
        )  # fmt: skip
    found = asyncio.run(look(wanted))
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(HEAD + block(wanted, found), "utf-8")
    write_mappings(found.fits, folder / FOLDER)
    show(summary(found), output, table(("mapping", "", "what it lacks"), rows(found.fits)))
    note(
        f"Wrote {target} and {sum(not each.lacks for each in found.fits)} mappings. Next: "
        f"{'' if found.currency else 'fill in the currency, '}put both secrets into the "
        "environment as the file says, then `twinledger topics apply`, `twinledger check`, `twinledger apply`, "
        "`twinledger run`."
    )


UNKNOWN_CURRENCY = "  # fill it in as Setup, Company Information shows it (GBP, EUR, …); never taken from Xero"
HEAD = """\
# Written by `twinledger init`. Every value and what it means: docs/configuration.md.
kafka: { bootstrap_servers: 127.0.0.1:9092, partitions: 48, replication: 3 }
data_dir: .twinledger
connections:
"""


async def look(wanted: Wanted) -> Found:
    """Sign in to both sides and see what fits. Raises AuthError, Unavailable, ConfigurationError."""
    settings = _settings(wanted)
    refuse_elsewhere([wanted.salesforce_url, *wanted.xero_addresses.values()])
    async with HttpClient() as http:
        source = salesforce(http, settings.salesforce, now_ms)
        org = await source.party.organisation()
        currency = await source.party.corporate_currency() or ""
        company = await xero(http, settings.xero[0], now_ms).organisation()
        texts = {file.name: file.read_text("utf-8") for file in _files(wanted.also)}
        fits = await _fits([(parse(text, name), text) for name, text in texts.items()], source)
        children = _children(source.party.catalog, fits)
    return Found(org, company, fits, children, currency)


def _files(also: Iterable[str]) -> list[Path]:
    """Ready-made mappings, those of the first folder and of each that is named. Raises ConfigurationError."""
    root = shipped_mappings()
    for name in also:
        if name not in ALSO:
            raise ConfigurationError(
                "init.folder", f"There is no folder of mappings {name[:80]!r}.", remedy=f"There are: {', '.join(ALSO)}."
            )
    folders = [root, *(root / name for name in dict.fromkeys(also))]
    return [file for folder in folders for file in sorted(folder.glob("*.yaml"))]


def _settings(wanted: Wanted) -> ConnectionSettings:
    secret = {side: os.environ.get(name, "") for side, name in SECRETS.items()}
    missing = [SECRETS[side] for side, value in secret.items() if not value]
    if missing:
        raise ConfigurationError(
            "init.secrets", f"{' and '.join(missing)} are not set.",
            remedy="Give both client secrets in the environment, for this command alone: they are written nowhere.",
        )  # fmt: skip
    return ConnectionSettings.model_validate({
        "name": wanted.name,
        "salesforce": {
            "url": wanted.salesforce_url, "client_id": wanted.salesforce_client, "client_secret": secret["salesforce"],
        },
        "xero": [{
            "tenant": wanted.xero_tenant, "client_id": wanted.xero_client, "client_secret": secret["xero"],
            **wanted.xero_addresses,
        }],
    })  # fmt: skip


async def _fits(rules: list[tuple[Rule, str]], source: SalesforceSource) -> tuple[Fit, ...]:
    """Each mapping against both sides; one that names a mapping which does not fit does not fit either."""
    lacks: dict[str, str] = {}
    for rule, _ in rules:
        try:
            await source.catalog([rule.read_plan(Side.SALESFORCE)])
        except TwinledgerError as error:
            lacks[rule.name] = error.message
    while True:
        left = [rule for rule, _ in rules if rule.name not in lacks]
        catalogs = sides(source.party.catalog)
        wrong: dict[str, str] = {}
        for rule in left:
            try:
                bind(rule, catalogs)
            except TwinledgerError as error:
                wrong[rule.name] = error.message
        if not wrong:
            bound = tuple(bind(rule, catalogs) for rule in left)
            by_file = {rule.file: rule.name for rule in left}
            wrong = {by_file[one.file]: one.message for one in reversed(tuple(check(bound, catalogs)))}
        if not wrong:
            return tuple(Fit(rule, text, lacks.get(rule.name, "")) for rule, text in rules)
        lacks |= wrong


def _children(catalog: SalesforceCatalog, fits: Iterable[Fit]) -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for fit in fits:
        if fit.lacks:
            continue
        plan = fit.rule.read_plan(Side.SALESFORCE)
        shape = catalog.objects.get(plan.entity)
        rows = [shape.children[name][0] for name in plan.children if shape is not None and name in shape.children]
        out[plan.entity] = tuple(dict.fromkeys([*out.get(plan.entity, ()), *rows]))
    return out


def polled(found: Found) -> tuple[str, ...]:
    """Objects that are polled: those that are only written, and those of which the package's channel does not tell,
    also where they are rows of one that is streamed."""
    made = [fit.rule for fit in found.fits if not fit.lacks]
    sources = {rule.source.entity for rule in made if rule.source.side is Side.SALESFORCE or rule.pairs}
    streamed = sources & CHANNEL & set(found.children)
    rows = {row for name in streamed for row in found.children[name]}
    return tuple(sorted({*found.children, *rows} - streamed - (rows & CHANNEL)))


def block(wanted: Wanted, found: Found) -> str:
    """The connection as it stands in the file."""
    settings: dict[str, Any] = {
        "name": wanted.name,
        "currency": found.currency,
        "salesforce": {
            "url": wanted.salesforce_url, "organisation": found.org.id, "client_id": wanted.salesforce_client,
            "capture": dict.fromkeys(polled(found), "poll"),
        },
        "xero": [{
            "tenant": wanted.xero_tenant, "organisation": found.company.id, "name": found.company.name,
            "demo": bool(found.company.is_demo), "client_id": wanted.xero_client, **wanted.xero_addresses,
        }],
        "mappings": [FOLDER],
    }  # fmt: skip
    text = yaml.safe_dump([settings], sort_keys=False, allow_unicode=True)
    text = text.replace("currency: ''\n", f"currency: ''{UNKNOWN_CURRENCY}\n", 1)
    said = f"# {found.org.name} and {found.company.name}. The secrets belong into the environment:\n"
    said += "#   TWINLEDGER_CONNECTIONS__<place, from 0>__SALESFORCE__CLIENT_SECRET, …__XERO__0__CLIENT_SECRET\n"
    return "".join(f"  {line}\n" for line in (said + text).splitlines())


def write_mappings(fits: Iterable[Fit], folder: Path) -> None:
    """Those that fit into the folder, the others below it, where nothing runs them. A file that is there stays."""
    for fit in fits:
        place = folder / LATER if fit.lacks else folder
        place.mkdir(parents=True, exist_ok=True)
        target = place / fit.rule.file
        if not target.exists():
            target.write_text((f"# Does not fit yet: {fit.lacks}\n" if fit.lacks else "") + fit.text, "utf-8")


def rows(fits: Iterable[Fit]) -> list[tuple[str, str, str]]:
    return [(fit.rule.name, "not yet" if fit.lacks else "ready", fit.lacks) for fit in fits]


def summary(found: Found) -> dict[str, Any]:
    """For programs."""
    return {
        "salesforce": {"id": found.org.id, "name": found.org.name},
        "xero": {"id": found.company.id, "name": found.company.name, "currency": found.company.base_currency,
                 "demo": found.company.is_demo},
        "polled": polled(found),
        "mappings": [{"mapping": fit.rule.name, "ready": not fit.lacks, "lacks": fit.lacks} for fit in found.fits],
    }  # fmt: skip
