"""Dataclasses to plain dictionaries and back, by their own type hints: the last step before and the first after Avro.

Enums become their text, tuples lists, nested dataclasses dictionaries. The reader trusts nothing: a missing or wrong
part raises ValueError, which the codec's caller turns into a dead letter.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Made = TypeVar("Made")


def to_plain(value: Any) -> Any:
    """A tree of dict, list, str, int, bool, datetime and None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): to_plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [to_plain(part) for part in value]
    return value


def from_plain(kind: type[Made], raw: Any) -> Made:
    """The dataclass that ``to_plain`` took apart. Raises ValueError."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"{kind.__name__} is not an object")
    hints = _hints(typing.cast("Any", kind))
    try:
        return kind(**{name: _make(hint, raw[name]) for name, hint in hints.items() if name in raw})
    except (TypeError, KeyError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _make(hint: Any, raw: Any) -> Any:
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return None if raw is None else _make(next(part for part in get_args(hint) if part is not type(None)), raw)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(raw)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, raw)
    if origin is tuple:
        parts = get_args(hint)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(_make(parts[0], part) for part in raw)
        values = list(raw.values()) if isinstance(raw, Mapping) else raw
        return tuple(_make(part, value) for part, value in zip(parts, values, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: _make(get_args(hint)[1], part) for name, part in raw.items()}
    return _checked(hint, raw)


def _checked(hint: Any, raw: Any) -> Any:
    if hint in (str, int, bool, datetime) and not isinstance(raw, hint):
        raise ValueError(f"{raw!r:.40} is not {hint.__name__}")
    return raw
