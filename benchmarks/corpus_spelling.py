"""How bodies are spelled: each path of a JSON body with the kinds of values that stand there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("/Date(ms+zone)/", r"/Date\(-?\d+[+-]\d{4}\)/"),
        ("/Date(ms)/", r"/Date\(-?\d+\)/"),
        ("day", r"\d{4}-\d\d-\d\d"),
        ("midnight without zone", r"\d{4}-\d\d-\d\dT00:00:00"),
        ("time without zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"),
        ("time Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        ("time +0000", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d{4}"),
    )
)
LOOSE = frozenset({"text", "null"})  # an empty text or a null says nothing of a form


@dataclass(slots=True)
class Spelling:
    """What was seen at one path. ``holders`` objects could have held it, ``seen`` did."""

    kinds: set[str] = field(default_factory=set)
    seen: int = 0
    recorded: int = 0


Shape = dict[str, Spelling]


def kind_of(value: Any) -> str:
    """``number``, ``true or false``, ``text``, ``/Date(ms+zone)/`` …"""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Decimal | int | float):
        return "number"
    if isinstance(value, str):
        return next((name for name, form in _FORMS if form.fullmatch(value)), "text")
    return "object" if isinstance(value, Mapping) else "list"


def note(shape: Shape, raw: Mapping[str, Any], *, recorded: bool = True, path: str = "") -> None:
    """Add one object. Lists add ``[]`` to the path of what they hold."""
    for name, value in raw.items():
        at = f"{path}{name}"
        here = shape.setdefault(at, Spelling())
        here.seen += 1
        here.recorded += recorded
        here.kinds.add(kind_of(value))
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                note(shape, one, recorded=recorded, path=f"{at}[]." if isinstance(value, list) else f"{at}.")


def shape_of(objects: Iterable[Mapping[str, Any]]) -> Shape:
    """The shape of some objects."""
    out: Shape = {}
    for one in objects:
        note(out, one)
    return out


def differences(theirs: Shape, ours: Shape, always: int) -> list[tuple[str, str]]:
    """(path, what differs): another kind of value; a name that was never recorded; one that all recorded objects have.

    ``always`` is how many recorded objects there were; 0 when too few to say what an object always has.
    """
    out = []
    for path, mine in ours.items():
        parent = path.rpartition(".")[0].removesuffix("[]")
        if path not in theirs:
            if not parent or parent in theirs:
                out.append((path, "never recorded"))
            continue
        strange = mine.kinds - theirs[path].kinds - LOOSE
        if strange and theirs[path].kinds - LOOSE:
            out.append((path, f"{', '.join(sorted(mine.kinds))}; recorded {', '.join(sorted(theirs[path].kinds))}"))
    missing = [path for path, one in theirs.items() if always and one.recorded >= always and path not in ours]
    return [*out, *((path, "all recorded ones have it") for path in missing if "." not in path)]
