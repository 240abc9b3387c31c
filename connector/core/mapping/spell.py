"""From a flat table with ids to the fields that one side is sent, in its own names and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table

from connector.core.catalog import FieldType
from connector.core.document import NAMED, Flat, split_line_path
from connector.core.mapping.amounts import priced
from connector.core.mapping.convert import CONVERTERS
from connector.core.mapping.model import Kind, Mapping
from connector.core.mapping.observe import keyed_rows, line_rows, line_settings, rows
from connector.core.mapping.people import all_of_them
from connector.core.mapping.shapes import KEYED, LINES, place
from connector.core.records import Side
from connector.core.values import Fields, Value

# What Xero takes of a line. Totals are left to Xero: one that no longer fits its line is refused.
LINE_FIELDS = ("LineItemID", "Description", "Quantity", "UnitAmount", "ItemCode", "AccountCode", "TaxType", "TaxAmount",
               "DiscountRate", "DiscountAmount", "Tracking")  # fmt: skip
_PERSON_FIELDS = ("FirstName", "LastName", "EmailAddress", "IncludeInEmails")
_UNNAMED_FIELDS = (*LINE_FIELDS[1:], "LineAmount")  # of a journal: the amount is all that its line has
# An empty text clears these in Xero, where null means to leave a field alone. Nothing clears a date or a number.
_CLEARED = (FieldType.TEXT, FieldType.OBJECT)
# Objects of Xero that are sent whole: their parts, and what is sent of each part.
WHOLE: Table[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"PaymentTerms": (("Bills", "Sales"), ("Day", "Type"))}
_COMPUTED = frozenset({"TaxAmount"})  # of our own lines: worked out again from what we send


def spell(
    mapping: Mapping,
    side: Side,
    flat: Flat,
    order: tuple[str, ...],
    *,
    line_ids: Table[str, str],
    foreign: Sequence[Fields] = (),
    before: Fields | None = None,
    lines: bool = False,
) -> Fields:
    """The fields to send to ``side``. ``flat`` holds the paths to write, references resolved to ids.

    Lines are replaced as a whole by Xero, so ``flat`` must hold all lines when it holds one; they keep their LineItemID
    (``line_ids``: our key → id), what the mapping does not name of them (``before``), and ``foreign`` lines
    follow. ``lines``: they are sent though none of ours is left.
    """
    out: dict[str, Value] = {}
    types = {part.path: part.info.type for part in mapping.settings if part.info}
    types.update({pair.name: pair.info.type for pair in mapping.pairs if pair.info})
    names = {pair.name: pair for pair in mapping.pairs} if mapping.kind is Kind.TWO_WAY else {}
    for path, value in flat.items():
        if split_line_path(path) is not None:
            continue
        pair = names.get(path)
        if pair is not None and pair.using:
            value = CONVERTERS[pair.using].spelled(side, value)
        if value is None and side is Side.XERO:
            if types.get(path, FieldType.TEXT) not in _CLEARED:
                continue
            value = ""
        place(side, out, pair.path(side) if pair else path, value)
    if side is Side.XERO:
        _keep_entries(out, before or {})
        _keep_parts(out, before or {})
    if mapping.lines and (lines or any(split_line_path(path) for path in flat)):
        out[mapping.lines] = _lines(mapping, side, flat, order, line_ids, foreign, before or {}, out)
    return out


def line_ids(mapping: Mapping, order: tuple[str, ...], answer: Fields) -> dict[str, str]:
    """Our line key → the target's line id, from the answer to what ``spell`` made: ours come first, in order."""
    name, own_id = LINES.get(mapping.target.entity, ("", ""))
    found = line_rows(answer, name, own_id)
    return {key: line_id for key, (line_id, _) in zip(order, found, strict=False) if line_id}


def ordered_keys(present: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    """The keys of the lines that are sent, in the order in which they are sent."""
    there = set(present)
    return (*(key for key in order if key in there), *sorted(there - set(order)))


def _lines(
    mapping: Mapping,
    side: Side,
    flat: Flat,
    order: tuple[str, ...],
    ids: Table[str, str],
    foreign: Sequence[Fields],
    before: Fields,
    out: Fields,
) -> list[Value]:
    own_id, by_name = LINES[mapping.target.entity][1], mapping.target.entity in NAMED
    known = {line_id: row for line_id, row in line_rows(before, mapping.lines, own_id) if line_id}
    takes = _PERSON_FIELDS if by_name else LINE_FIELDS if own_id else _UNNAMED_FIELDS
    by_key: dict[str, dict[str, Value]] = {}
    for path, value in flat.items():
        parts = split_line_path(path)
        if parts is None or parts[0] != mapping.lines or value is None:
            continue
        if parts[1] not in by_key:
            ours = frozenset(line_settings(mapping, parts[1]))
            by_key[parts[1]] = _carried(known.get(ids.get(parts[1], "")), ours | _COMPUTED, takes)
        place(side, by_key[parts[1]], parts[2], value)
    theirs = [_carried(row, frozenset(), takes) for row in foreign]
    sent: list[Value] = [by_key[key] for key in ordered_keys(by_key, order)]
    if by_name:
        return all_of_them(mapping.target.entity, sent, theirs)
    for key, row in by_key.items():
        if key in ids and own_id:
            row[own_id] = ids[key]
        if own_id:
            priced(mapping.target.entity, {**before, **out}, known.get(ids.get(key, "")), row)
    return [*sent, *theirs]


def _carried(row: Fields | None, ours: frozenset[str], takes: Sequence[str]) -> dict[str, Value]:
    """What is sent back of a line as it stands there: all but the fields that the mapping names."""
    if row is None:
        return {}
    out = {name: row[name] for name in takes if name not in ours and row.get(name) is not None}
    if "Tracking" in out:
        entries = [{part: entry.get(part) for part in ("Name", "Option")} for entry in rows(row, "Tracking")]
        out["Tracking"] = [entry for entry in entries if f"Tracking.{entry['Name']}" not in ours]
    return out


def sends_back(mapping: Mapping, side: Side, paths: Iterable[str]) -> bool:
    """Whether what is written is sent together with what stands beside it, which must be known then."""
    if side is not Side.XERO:
        return False
    names = {pair.name: pair.xero for pair in mapping.pairs}
    return any(names.get(path, path).partition(".")[0] in WHOLE for path in paths)


def _keep_parts(out: dict[str, Value], before: Fields) -> None:
    """Terms of sales are sent with those of bills, and a day with its type: nobody says what Xero makes of half."""
    for name, (holders, parts) in WHOLE.items():
        sent, known = out.get(name), before.get(name)
        if not isinstance(sent, Table):
            continue
        whole: dict[str, Value] = {}
        for holder in holders:
            kept, new = (one.get(holder) if isinstance(one, Table) else None for one in (known, sent))
            inner = {part: kept[part] for part in parts if part in kept} if isinstance(kept, Table) else {}
            inner |= new if isinstance(new, Table) else {}
            if inner:
                whole[holder] = inner
        out[name] = whole


def _keep_entries(out: dict[str, Value], before: Fields) -> None:
    """An entry of Phones or Addresses is sent with what it held beside ours (a person's name on an address)."""
    for name, keyed in KEYED.items():
        entries = out.get(name)
        if not isinstance(entries, list):
            continue
        known = keyed_rows(before, name, keyed.name)
        out[name] = [
            {**known.get(str(entry.get(keyed.name)), {}), **entry} for entry in entries if isinstance(entry, Table)
        ]
