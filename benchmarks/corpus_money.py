"""The totals that ``money.totals`` computes, beside those that Xero wrote on its own documents.

Each document is computed twice: with the tax that stands on its lines (sums and rounding), and without it, from the
rates (tax arithmetic). Rates are those of the corpus's own lists of tax rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.corpus_lines import Line
from connector.core.values import Fields
from connector.errors import DataError
from connector.xero.entities import ENTITIES
from connector.xero.money import Chart, totals
from connector.xero.records import load, read_fields

NO_TAX = ("NONE", "ZERORATED", "EXEMPTOUTPUT", "EXEMPTINPUT", "BASEXCLUDED")


@dataclass(frozen=True, slots=True)
class Sum:
    """One document, one way of computing it. ``said`` is what differs."""

    document: str
    exact: bool
    said: str


def sums(lines: Iterable[Line]) -> list[Sum]:
    """Every document with lines in the answers, once per file line that holds it."""
    found = [line for line in lines if line.file.startswith("xero/") and line.status == 200]
    rates = _rates(found)
    out: list[Sum] = []
    for line in found:
        for entity, raw in _documents(line):
            fields = read_fields(raw, entity)
            known = ENTITIES[entity]
            name = f"{line.number} {raw.get(f'{entity}Number') or raw.get(known.id_field)}"
            out.append(_sum(f"{name}, sums", raw, fields, Chart(_given(fields, rates)), entity))
            bare = _without_tax(fields)
            # published examples of other kinds are of organisations whose rates stand in no list
            if entity == "Invoice" and bare is not None and _known(fields, rates):
                out.append(_sum(f"{name}, tax", raw, bare, Chart(rates), entity))
    return out


def _documents(line: Line) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Documents with lines, by their entity."""
    body = line.message if isinstance(line.message, Mapping) else {}
    for about in ENTITIES.values():
        found = body.get(about.plural) or body.get(about.plural.lower())
        for row in found if isinstance(found, list) else ():
            if isinstance(row, Mapping) and row.get("LineItems") and "Total" in row and "SubTotal" in row:
                yield about.name, row


def _rates(lines: Iterable[Line]) -> dict[str, Decimal]:
    out: dict[str, Decimal] = dict.fromkeys(NO_TAX, Decimal(0))
    for line in lines:
        if isinstance(line.message, Mapping) and "TaxRates" in line.raw:
            rows = load(line.data).get("TaxRates") or ()
            out |= {
                str(r["TaxType"]): Decimal(r["EffectiveRate"]) for r in rows if "TaxType" in r and "EffectiveRate" in r
            }
    return out


def _lines(fields: Fields) -> list[Fields]:
    rows = fields["LineItems"]
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _given(fields: Fields, rates: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Rates for a document whose lines carry their tax: any, because the tax on the line counts."""
    return {
        str(row["TaxType"]): rates.get(str(row["TaxType"]), Decimal(0)) for row in _lines(fields) if "TaxType" in row
    }


def _known(fields: Fields, rates: Mapping[str, Decimal]) -> bool:
    return all(str(row.get("TaxType")) in rates for row in _lines(fields))


def _without_tax(fields: Fields) -> Fields | None:
    rows = [{name: value for name, value in row.items() if name != "TaxAmount"} for row in _lines(fields)]
    return {**fields, "LineItems": rows} if any("TaxAmount" in row for row in _lines(fields)) else None


def _sum(name: str, raw: Mapping[str, Any], fields: Fields, chart: Chart, entity: str) -> Sum:
    try:
        ours = totals(fields, chart, entity)
    except DataError as error:
        return Sum(name, exact=False, said=error.message)
    theirs = tuple(Decimal(raw.get(part, 0)) for part in ("SubTotal", "TotalTax", "Total"))
    mine = (ours.sub_total, ours.total_tax, ours.total)
    if mine == theirs:
        return Sum(name, exact=True, said="")
    said = f"computed {mine[0]} + {mine[1]} = {mine[2]}, Xero wrote {theirs[0]} + {theirs[1]} = {theirs[2]}"
    return Sum(name, exact=False, said=said)
