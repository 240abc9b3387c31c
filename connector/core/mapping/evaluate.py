"""From records to what a mapping wants of the other side. Pure; a bad record gives Refused, never an exception.

``document`` and ``back_write`` are one-way, ``end`` projects either end of a two-way mapping to its neutral names.
``observed``, ``foreign_lines``, ``identities``, ``match_criteria``, ``sends_back`` and ``spell`` are offered here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from decimal import Decimal

from connector.core.below import LOOKED_FOR, located
from connector.core.document import NAMED, Document, Flat, NotWanted, Refused, line_path, split_line_path
from connector.core.failure import Failure, Kind
from connector.core.mapping.convert import fitted, from_plain
from connector.core.mapping.expect import expectation, subtotal
from connector.core.mapping.expression import Expression
from connector.core.mapping.functions import text
from connector.core.mapping.matching import identities, match_criteria
from connector.core.mapping.model import LineBlock, Mapping, Setting
from connector.core.mapping.observe import foreign_lines, neutral, observed, projection
from connector.core.mapping.operators import is_empty
from connector.core.mapping.people import named_lines
from connector.core.mapping.rows import mark_of_row
from connector.core.mapping.scope import Scope
from connector.core.mapping.shapes import own_fields, reach
from connector.core.mapping.spell import line_ids, ordered_keys, sends_back, spell
from connector.core.mapping.syntax import ExpressionError
from connector.core.marks import WITHIN, mark_of
from connector.core.records import Record, Side
from connector.core.values import Ref, Value
from connector.errors import ConfigurationError, DataError

__all__ = ["BackWrite", "Context", "back_write", "document", "end", "foreign_lines", "identities", "line_ids",
           "match_criteria", "neutral", "observed", "ordered_keys", "parts", "sends_back", "spell"]  # fmt: skip

MAX_LINES = 1_000
MAX_DOCUMENTS = 100


@dataclass(frozen=True, slots=True)
class Context:
    """What a record does not say. ``organisation`` is the tenant that is written to, or that the record stands in;
    ``organisations`` are all there are: name or id → id."""

    connection: Table[str, Value] = field(default_factory=dict)
    lookups: Table[str, Table[str, str]] = field(default_factory=dict)
    generation: int = 1
    organisation: str = ""
    salesforce_url: str = ""
    organisations: Table[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackWrite:
    """``flat`` goes to the other end of the link that ``of`` names."""

    of: Ref
    flat: Flat
    once: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()
    given: Table[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class _Made:
    """What is being put together: values by path, and what gave those that were chosen."""

    flat: dict[str, Value] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)


def document(mapping: Mapping, record: Record, context: Context, part: str = "") -> Document | NotWanted | Refused:
    """The target object that a DOCUMENT mapping wants of this record; of several, the one that ``part`` names."""
    _need_bound(mapping)
    try:
        scope = _part_scope(mapping, _scope(mapping, record, context), part)
        if scope is None:
            return NotWanted(f"there is no {part}")
        if not _wanted(mapping, record.side, scope):
            return NotWanted("the record does not match `when`")
        organisation = _organisation(mapping, scope, context)
        if organisation and context.organisation and organisation != context.organisation:
            return NotWanted(f"it belongs to the organisation {organisation}")
        return _document(mapping, record, context, scope, organisation, part)
    except DataError as error:
        return _refused(mapping, record, error)


def parts(mapping: Mapping, record: Record, context: Context) -> tuple[str, ...] | Refused:
    """Which documents a mapping of several may make of this record: a key, or ``<name>:<key of the row>``."""
    _need_bound(mapping)
    try:
        found = [part for one in mapping.documents for part, _ in _parts(one, _scope(one, record, context))]
        twice = next((part for number, part in enumerate(found) if part in found[:number]), None)
        if twice is not None:
            raise ExpressionError("mapping.document-key", f"two documents have the key {twice[:60]}",
                                  remedy="Give every row its own key.")  # fmt: skip
        return tuple(found)
    except DataError as error:
        return _refused(mapping, record, error)


def _parts(mapping: Mapping, scope: Scope) -> Iterator[tuple[str, Scope]]:
    """Each part that one of several documents stands for, with what it sees."""
    part = mapping.part
    if part is None or part.key is None:
        yield (part.name if part is not None else ""), scope
        return
    for number, inner in enumerate(_rows(part.each, part.name, scope), 1):
        if number > MAX_DOCUMENTS:
            raise ExpressionError("mapping.too-many-documents", f"more than {MAX_DOCUMENTS} documents of one record",
                                  remedy="Split the record.")  # fmt: skip
        value = part.key.evaluate(inner)
        key = "" if value is None else text(value)
        if not key or "#" in key or "~" in key:
            raise ExpressionError("mapping.document-key", f"a row of {part.name} has no key, or one with # or ~",
                                  remedy="Use the id of the row as its key.")  # fmt: skip
        yield f"{part.name}:{key}", inner


def _part_scope(mapping: Mapping, scope: Scope, part: str) -> Scope | None:
    if mapping.part is None:
        return scope if not mapping.documents else None
    return next((inner for key, inner in _parts(mapping, scope) if key == part), None)


def back_write(mapping: Mapping, record: Record, context: Context) -> BackWrite | NotWanted | Refused:
    """What a BACK_WRITE mapping writes to an object that another mapping tied to this record."""
    _need_bound(mapping)
    try:
        scope = _scope(mapping, record, context)
        if mapping.of is None or not _wanted(mapping, record.side, scope):
            return NotWanted("the record does not match `when`")
        of = mapping.of.evaluate(scope)
        if not isinstance(of, Ref):
            return NotWanted("the record names no object")
        made, scope = _fields(mapping, scope)
        order = _all_lines(mapping, scope, made)
        return BackWrite(of, made.flat, _once(mapping, made.flat), order, made.given)
    except DataError as error:
        return _refused(mapping, record, error)


def end(mapping: Mapping, record: Record, context: Context) -> Flat | NotWanted | Refused:
    """Either end of a TWO_WAY mapping by its neutral names. Nulls are left out unless the field says `empty: clear`."""
    _need_bound(mapping)
    try:
        alias = "sf" if record.side is Side.SALESFORCE else "xero"
        scope = Scope({alias: own_fields(record), "connection": context.connection}, record.side)
        if not _wanted(mapping, record.side, scope):
            return NotWanted("the record does not match `when`")
        if _organisation(mapping, scope, context) not in ("", context.organisation):
            return NotWanted("it stands in another organisation")
        return projection(mapping, record)
    except DataError as error:
        return _refused(mapping, record, error)


def _need_bound(mapping: Mapping) -> None:
    if not mapping.bound:
        raise ConfigurationError("mapping.unbound", f"{mapping.name} does not know its fields' types",
                                 remedy="Call bind(mapping, catalogs) first.")  # fmt: skip


def _refused(mapping: Mapping, record: Record, error: DataError) -> Refused:
    where = f"{mapping.name}: {record.entity} {record.id}: {error.message}"
    remedy = error.remedy or "Change the record, or the mapping and apply it."
    return Refused(Failure(error.code, Kind.FIX, where, remedy))


def _scope(mapping: Mapping, record: Record, context: Context) -> Scope:
    fields = own_fields(record)
    names: dict[str, object] = {
        "record": fields,
        "connection": context.connection,
        "generation": Decimal(context.generation),
    }
    names.update({name: reach(fields, path) for name, path in mapping.read.items()})
    return Scope(names, record.side, {"record": record.id}, context.lookups)


def _wanted(mapping: Mapping, side: Side, scope: Scope) -> bool:
    when = mapping.when.get(side)
    if when is None:
        return True
    return not is_empty(_at("when", when, _with_let(mapping, scope, _let_needed(mapping, when))))


def _let_needed(mapping: Mapping, expression: Expression) -> set[str]:
    """The names of `let` that an expression builds on: only those are worked out before it."""
    needed = set(expression.roots())
    for name, value in reversed(list(mapping.let.items())):
        if name in needed:
            needed |= value.roots()
    return needed


def _with_let(mapping: Mapping, scope: Scope, wanted: set[str]) -> Scope:
    for name, value in mapping.let.items():
        if name in wanted:
            scope = scope.also(**{name: _at(f"let {name}", value, scope)})
    return scope


def _at(path: str, value: Expression, scope: Scope) -> object:
    try:
        return value.evaluate(scope)
    except ExpressionError as error:
        raise ExpressionError(error.code, f"{path}: {error.message}", remedy=error.remedy) from None


def _value(setting: Setting, scope: Scope) -> tuple[Value, str]:
    """The value of a field, and what gave it where its expression is a choice."""
    try:
        if setting.plain:
            return from_plain(str(setting.value.literal or ""), setting.info), ""
        value, given = setting.value.given(scope)
        return fitted(value, setting.info, cut=setting.cut), given
    except ExpressionError as error:
        raise ExpressionError(error.code, f"{setting.path}: {error.message}", remedy=error.remedy) from None


def _fields(mapping: Mapping, scope: Scope) -> tuple[_Made, Scope]:
    """The scalars of the target, and a scope that sees them."""
    scope, made = _with_let(mapping, scope, set(mapping.let)), _Made()
    for setting in mapping.settings:
        value, given = _value(setting, scope)
        if "." not in setting.path:
            scope = scope.also(**{setting.path: value})
        _keep(made, setting.path, setting, (value, given), birth=mapping.of is None)
    return made, scope


def _keep(made: _Made, path: str, setting: Setting, found: tuple[Value, str], *, birth: bool) -> None:
    value, given = found
    if value is None and birth and setting.info is not None and setting.info.required:
        raise ExpressionError("mapping.missing", f"{setting.path} is required, and {setting.value.text} is empty",
                              remedy="Fill it in, or give the mapping another value with `or`.")  # fmt: skip
    if value is not None or setting.clear:
        made.flat[path] = value
        if given:
            made.given[path] = given


def constant(expression: Expression) -> str:
    """The text of a plain value."""
    return str(expression.evaluate(Scope({}, Side.XERO)))


def _organisation(mapping: Mapping, scope: Scope, context: Context) -> str:
    """The id of the tenant that `organisation` names; empty where it says nothing."""
    if mapping.organisation is None:
        return ""
    scope = _with_let(mapping, scope, _let_needed(mapping, mapping.organisation))
    value = _at("organisation", mapping.organisation, scope)
    name = "" if value is None else text(value)
    if name and context.organisations and name not in context.organisations:
        known = ", ".join(sorted(set(context.organisations) - set(context.organisations.values()))) or "their ids"
        raise ExpressionError("mapping.organisation", f"`organisation` says {name[:80]!r}, which this connection lacks",
                              remedy=f"It has {known}.")  # fmt: skip
    return context.organisations.get(name, name)


def _document(
    mapping: Mapping, record: Record, context: Context, scope: Scope, organisation: str, part: str
) -> Document:
    made, scope = _fields(mapping, scope)
    flat, order = made.flat, _all_lines(mapping, scope, made)
    expectation(mapping, flat, scope)
    url, generation = context.salesforce_url, context.generation
    mark = mark_of(mapping, record, flat, generation=generation, salesforce_url=url, part=part)
    once = set(_once(mapping, flat))
    if mark is not None and mark[0] not in flat:
        flat[mark[0]] = mark[1]
        once.add(mark[0])
    elif mark is not None and mark[0] in WITHIN:
        flat[mark[0]] = mark[1]
    find = {name: fitted(_at(f"find {name}", value, scope), None) for name, value in mapping.find.items()}
    if not find and mapping.target.entity in LOOKED_FOR:
        find = located(mapping.target.entity, flat)
    return Document(
        mapping.target.entity,
        flat,
        organisation=organisation,
        once=frozenset(once),
        lines=mapping.lines,
        order=order,
        find=find if all(value is not None for value in find.values()) else {},
        found=mapping.found,
        mark=mark,
        approve=mapping.approve,
        money=subtotal(flat, mapping.lines),
        given=made.given,
    )


def _all_lines(mapping: Mapping, scope: Scope, made: _Made) -> tuple[str, ...]:
    """Puts the lines of all blocks into what is made; gives their keys, in their order."""
    order: list[str] = []
    for block in mapping.blocks:
        _lines(mapping, block, scope, made, order)
    if mapping.lines and mapping.target.entity in NAMED:
        named_lines(mapping.target.entity, order, made.flat)
    elif mapping.lines and not order:
        raise ExpressionError("mapping.no-lines", "the document would have no line", remedy="Add a line, or a `when`.")
    return tuple(order)


def _once(mapping: Mapping, flat: Flat) -> frozenset[str]:
    return frozenset({one.path for one in mapping.settings if one.once} | _once_of_lines(mapping, flat))


def _lines(mapping: Mapping, block: LineBlock, scope: Scope, made: _Made, order: list[str]) -> None:
    for inner in _rows(block.each, block.name, scope):
        if block.when is not None and is_empty(block.when.evaluate(inner)):
            continue
        value = block.key.evaluate(inner)
        key = "" if value is None else text(value)
        if not key or key in order:
            what = f"two lines have the key {key[:40]}" if key else "a line has no key"
            raise ExpressionError("mapping.line-key", what, remedy="Give every line its own key.")
        if len(order) >= MAX_LINES:
            raise ExpressionError("mapping.too-many-lines", f"more than {MAX_LINES} lines", remedy="Split the record.")
        order.append(key)
        name = block.rows or mapping.lines
        if block.rows:
            made.flat[line_path(name, key, block.mark)] = mark_of_row(block, key, made.flat.get(mapping.mark))
        for setting in block.settings:
            _keep(made, line_path(name, key, setting.path), setting, _value(setting, inner), birth=True)


def _once_of_lines(mapping: Mapping, flat: Flat) -> set[str]:
    """The paths of lines that are written at the birth of their line only."""
    once = {(block.rows or mapping.lines, setting.path) for block in mapping.blocks for setting in block.settings
            if setting.once}  # fmt: skip
    split = ((path, split_line_path(path)) for path in flat) if once else ()
    return {path for path, parts in split if parts is not None and (parts[0], parts[2]) in once}


def _rows(each: Expression | None, name: str, scope: Scope) -> Iterator[Scope]:
    if each is None:
        yield scope
        return
    rows = each.evaluate(scope)
    if rows is None:
        return
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ExpressionError("mapping.type", f"each: {each.text} is no list of rows")
    for row in rows:
        if not isinstance(row, Table):
            raise ExpressionError("mapping.type", f"each: a row of {each.text} is no object")
        own = row.get("Id") or row.get("LineItemID")
        ids = {**scope.ids, name: own} if isinstance(own, str) else scope.ids
        yield Scope({**scope.names, name: row}, scope.side, ids, scope.lookups)
