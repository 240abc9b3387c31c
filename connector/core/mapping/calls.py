"""How the named functions run: the checks that all share, and the own rules of those that see more than values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from connector.core.catalog import FieldType
from connector.core.identity import document_key
from connector.core.mapping.functions import FUNCTIONS, MAX_RESULT, Function, spoken, text
from connector.core.mapping.operators import sound
from connector.core.mapping.scope import Run, Scope
from connector.core.mapping.shapes import REFERENCES, member
from connector.core.mapping.syntax import Call, ExpressionError, Literal, Path, Tree
from connector.core.money import total
from connector.core.records import Side
from connector.core.values import Ref, sought

MOST_ASKED = 5  # fields of a find()

_PYTHON: Mapping[FieldType, type] = {FieldType.TEXT: str, FieldType.NUMBER: Decimal, FieldType.DATE: date}


def call(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    """The closure of one function call. Raises ExpressionError for an unknown name or a wrong number of arguments."""
    function = FUNCTIONS.get(tree.name)
    if function is None:
        raise ExpressionError(
            "mapping.unknown-function", f"there is no function {tree.name}()", remedy="See docs/mappings.md."
        )
    _count(tree, function)
    own = _OWN.get(tree.name)
    if own is not None:
        return own(tree, compiled)
    return _ordinary(tree.name, function, tuple(compiled(part) for part in tree.parts))


def _count(tree: Call, function: Function) -> None:
    given, needed = len(tree.parts), len(function.takes)
    if given < needed or (given > needed and not function.repeats):
        more = " or more" if function.repeats else ""
        raise ExpressionError("mapping.arguments", f"{tree.name}() takes {needed}{more} values, not {given}")
    for name, _ in tree.options:
        if name not in function.options:
            raise ExpressionError("mapping.arguments", f"{tree.name}() has no option {name}=")


def _ordinary(name: str, function: Function, runs: tuple[Run, ...]) -> Run:
    rule, takes = function.run or _first_value, function.takes
    types = tuple(_PYTHON.get(kind) if kind else None for kind in takes)

    def run(scope: Scope) -> object:
        values = [part(scope) for part in runs]
        if not function.sees_null and any(value is None for value in values):
            return None
        for value, kind in zip(values, types, strict=False):
            if kind is not None and value is not None and not isinstance(value, kind):
                raise ExpressionError("mapping.type", f"{name}() was given {spoken(value)}")
        return sound(rule(*values))

    return run


def _first_value(*values: object) -> object:
    return values[0]


def _first(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    runs = tuple(compiled(part) for part in tree.parts)

    def run(scope: Scope) -> object:
        for part in runs:
            value = part(scope)
            if value is not None and value != "":
                return value
        return None

    return run


def _rows(value: object, name: str) -> Sequence[object]:
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    raise ExpressionError("mapping.type", f"{name}() goes over rows, not over {spoken(value)}")


def _sum(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    rows, names = compiled(tree.parts[0]), _literal_text(tree, 1).split(".")

    def amount(row: object) -> Decimal:
        value = _at(row, names)
        if value is None:
            return Decimal(0)
        if not isinstance(value, Decimal):
            raise ExpressionError("mapping.type", f"sum() of {spoken(value)} in {'.'.join(names)}")
        sound(value)
        return value

    return lambda scope: sound(total(amount(row) for row in _rows(rows(scope), "sum")))


def _listed(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    rows = compiled(tree.parts[0])
    paths = [_literal_text(tree, place).split(".") for place in range(1, len(tree.parts))]

    def run(scope: Scope) -> object:
        out: list[str] = []
        for row in _rows(rows(scope), "listed"):
            values = (_at(row, names) for names in paths)
            out.append(": ".join(text(value) for value in values if value not in (None, "")))
        found = "; ".join(one for one in out if one)
        if len(found) > MAX_RESULT:
            raise ExpressionError("mapping.text-size", f"a text of more than {MAX_RESULT} characters")
        return found or None

    return run


def _at(row: object, names: Sequence[str]) -> object:
    """What lies at a path of a row."""
    value = row
    for under, name in zip(["row", *names], names, strict=False):
        value = member(value, name, under)
    return value


def _size(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    inner, name = compiled(tree.parts[0]), tree.name

    def run(scope: Scope) -> object:
        value = inner(scope)
        if isinstance(value, str) and name == "len":
            return Decimal(len(value))
        return Decimal(len(_rows(value, name)))

    return run


def _lookup(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    table, key = _literal_text(tree, 0), compiled(tree.parts[1])
    options = dict(tree.options)
    otherwise = compiled(options["otherwise"]) if "otherwise" in options else None

    def run(scope: Scope) -> object:
        rows = scope.lookups.get(table)
        if rows is None:
            raise ExpressionError("mapping.lookup", f"there is no lookup table {table}",
                                  remedy="Add it to `lookups` in the connection file.")  # fmt: skip
        value = key(scope)
        if value is not None and text(value) in rows:
            return rows[text(value)]
        if otherwise is not None:
            return otherwise(scope)
        if value is None:
            return None
        raise ExpressionError("mapping.lookup", f"the lookup table {table} has no {text(value)[:60]!r}",
                              remedy="Add the key, or say otherwise= in the mapping.")  # fmt: skip

    return run


def _find(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    """The question, which is answered when the field is written. Nothing is asked for where a value is null."""
    if len(tree.parts) % 2 == 0 or len(tree.parts) > MOST_ASKED * 2 + 1:
        raise ExpressionError("mapping.arguments", f"find() takes an object, then up to {MOST_ASKED} fields, each with "
                              "its value")  # fmt: skip
    entity = _literal_text(tree, 0)
    names = [_literal_text(tree, place) for place in range(1, len(tree.parts), 2)]
    runs = [compiled(part) for part in tree.parts[2::2]]

    def run(scope: Scope) -> object:
        values = [one(scope) for one in runs]
        if any(value is None for value in values):
            return None
        if not all(isinstance(value, str | bool | Decimal | date) for value in values):
            raise ExpressionError("mapping.type", "find() compares texts, numbers, dates, yes and no")
        return sought(entity, dict(zip(names, values, strict=True)))  # type: ignore[arg-type]

    return run


def _reference(tree: Call, compiled: Callable[[Tree], Run]) -> Run:
    mapping, record = _literal_text(tree, 0), tree.parts[1]
    wait = dict(tree.options).get("wait", Literal(tree.name == "target"))
    if not isinstance(wait, Literal) or not isinstance(wait.value, bool):
        raise ExpressionError("mapping.arguments", f"{tree.name}(): wait= is yes or no")
    if not isinstance(record, Path):
        raise ExpressionError("mapping.arguments", f"{tree.name}() takes a record or the field that holds its id")
    path, inner, optional = record, compiled(record), not wait.value
    part = _document_of(tree)

    def run(scope: Scope) -> object:
        found = scope.ids.get(path.root) if not path.names else None
        if found is None:
            found = _id_of(inner(scope), path, scope.side)
        return Ref(mapping, document_key(scope.side, found, part), optional) if found else None

    return run


def _document_of(tree: Call) -> str:
    """Which of several documents of a record is meant; empty where a mapping makes one."""
    part = dict(tree.options).get("document", Literal(""))
    if not isinstance(part, Literal) or not isinstance(part.value, str) or "#" in part.value:
        raise ExpressionError("mapping.arguments", f"{tree.name}(): document= is a key in quotes")
    return part.value


def _id_of(value: object, path: Path, side: Side) -> str | None:
    """The id behind a parent object, or the id itself."""
    if isinstance(value, Mapping):
        name = "Id" if side is Side.SALESFORCE else REFERENCES.get(path.names[-1] if path.names else path.root, "")
        value = value.get(name)
        if value is None:
            raise ExpressionError("mapping.reference", f"{path} has no {name or 'id that we know'}")
    if value is None or isinstance(value, str):
        return value
    raise ExpressionError("mapping.reference", f"{path} is {spoken(value)}, not a record")


def _literal_text(tree: Call, place: int) -> str:
    part = tree.parts[place]
    if isinstance(part, Literal) and isinstance(part.value, str) and part.value:
        return part.value
    raise ExpressionError("mapping.arguments", f"{tree.name}(): value {place + 1} is a name in quotes")


_OWN: Mapping[str, Callable[[Call, Callable[[Tree], Run]], Run]] = {
    "first": _first,
    "sum": _sum,
    "listed": _listed,
    "count": _size,
    "len": _size,
    "lookup": _lookup,
    "find": _find,
    "target": _reference,
    "source": _reference,
}
