"""Dataclasses to plain dictionaries and back, by their own type hints: the last step before and the first after Avro.

Enums become their text, tuples lists, nested dataclasses dictionaries. Each type's way in and out is worked out once.
The reader trusts nothing: a missing or wrong part raises ValueError, which the codec's caller turns into a dead letter.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

Made = TypeVar("Made")
Way: TypeAlias = Callable[[Any], Any]
_LEAVES = (str, int, bool, datetime)


def to_plain(value: Any) -> Any:
    """A tree of dict, list, str, int, bool, datetime and None."""
    return _out_of(typing.cast("Any", type(value)))(value)


def from_plain(kind: type[Made], raw: Any) -> Made:
    """The dataclass that ``to_plain`` took apart. Raises ValueError."""
    try:
        made: Made = _into(typing.cast("Any", kind))(raw)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error
    return made


def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _optional(hint: Any) -> Any:
    """What may also be None, of a union with None; None for any other hint."""
    if get_origin(hint) not in (typing.Union, types.UnionType):
        return None
    return next(part for part in get_args(hint) if part is not type(None))


# --- out ---------------------------------------------------------------------------------------------------------


@cache
def _out_of(hint: Any) -> Way:
    """How a value of this type is taken apart."""
    origin, parts = get_origin(hint), get_args(hint)
    if _optional(hint) is not None:
        return _out_union if len(parts) > 2 else _out_optional(_out_of(_optional(hint)))
    if is_dataclass(hint) and isinstance(hint, type):
        return _out_record([(name, _out_of(part)) for name, part in _hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis and parts[0] not in _LEAVES:
            inner = _out_of(parts[0])
            return lambda value: [inner(part) for part in value]
        return list
    if origin is not None and issubclass(origin, Mapping) and parts[1] not in _LEAVES:
        inside = _out_of(parts[1])
        return lambda value: {name: inside(part) for name, part in value.items()}
    return lambda value: value


def _out_record(ways: list[tuple[str, Way]]) -> Way:
    return lambda value: {name: way(getattr(value, name)) for name, way in ways}


def _out_optional(way: Way) -> Way:
    return lambda value: None if value is None else way(value)


def _out_union(value: Any) -> Any:
    return to_plain(value)


# --- in ----------------------------------------------------------------------------------------------------------


@cache
def _into(hint: Any) -> Way:
    """How a value of this type is put together."""
    origin, parts = get_origin(hint), get_args(hint)
    if _optional(hint) is not None:
        return _in_optional(_into(_optional(hint)))
    if is_dataclass(hint) and isinstance(hint, type):
        return _in_record(hint, [(name, _into(part)) for name, part in _hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if origin is tuple:
        return _in_tuple(parts)
    if origin is not None and issubclass(origin, Mapping):
        inside = _into(parts[1])
        return lambda raw: {name: inside(part) for name, part in raw.items()}
    return _in_leaf(hint) if hint in _LEAVES else lambda raw: raw


def _in_record(kind: Any, ways: list[tuple[str, Way]]) -> Way:
    def made(raw: Any) -> Any:
        return kind(**{name: way(raw[name]) for name, way in ways if name in raw})

    return made


def _in_optional(way: Way) -> Way:
    return lambda raw: None if raw is None else way(raw)


def _in_tuple(parts: tuple[Any, ...]) -> Way:
    """``tuple[X, ...]`` of a list; a fixed pair of a list or of a record's values, in their order."""
    if len(parts) == 2 and parts[1] is Ellipsis:
        inner = _into(parts[0])
        return lambda raw: tuple([inner(part) for part in raw])
    ways = [_into(part) for part in parts]

    def made(raw: Any) -> Any:
        values = list(raw.values()) if isinstance(raw, Mapping) else raw
        return tuple([way(value) for way, value in zip(ways, values, strict=True)])

    return made


def _in_leaf(kind: type[Any]) -> Way:
    def checked(raw: Any) -> Any:
        if not isinstance(raw, kind):
            raise ValueError(f"{raw!r:.40} is not {kind.__name__}")
        return raw

    return checked
