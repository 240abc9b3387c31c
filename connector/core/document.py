"""Documents: what a mapping wants on the other side, as a flat table of paths.

A scalar stands under its own name (``Contact``, ``Date``), a field inside an object under a dotted one
(``Phones.DEFAULT``), and a line's field under ``<lines>/<line key>/<Field>`` with its percent-encoded key, so that two
states of a document can be compared, merged and agreed upon field by field whatever their shape is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, unquote

from connector.core.failure import Failure
from connector.core.values import Ref, Value

Flat: TypeAlias = Mapping[str, Value]

# Entities of Xero whose lines have no ids: their list, and the text of a line by which people tell them apart.
NAMED: Mapping[str, tuple[str, str]] = {"Contact": ("ContactPersons", "EmailAddress")}
MOST_LINES: Mapping[str, int] = {"ContactPersons": 5}  # Xero's own bound


def named(text: object) -> str:
    """The text by which a line is told apart, as it is compared: without case and space around it."""
    return text.strip().casefold() if isinstance(text, str) else ""


def line_path(lines: str, key: str, name: str) -> str:
    return f"{lines}/{quote(key, safe='')}/{name}"


def split_line_path(path: str) -> tuple[str, str, str] | None:
    """(lines, key, field) of a line's path, None for a scalar's."""
    parts = path.split("/")
    return (parts[0], unquote(parts[1]), parts[2]) if len(parts) == 3 else None


@dataclass(frozen=True, slots=True)
class Document:
    """One target object that a mapping wants of one record, now.

    ``flat`` may hold ``Ref`` values, not yet resolved. ``once`` are the paths that are written at the birth only;
    ``order`` is the line keys in their order. ``find`` are the criteria of the first look-up, ``found`` what a hit
    means.
    ``mark`` is the field and value by which the object is found again. ``money`` is what the brake counts. ``given``
    says of each path that was chosen which part of its expression gave the value.
    """

    entity: str
    flat: Flat
    organisation: str = ""
    once: frozenset[str] = frozenset()
    lines: str = ""
    order: tuple[str, ...] = ()
    find: Mapping[str, Value] = field(default_factory=dict)
    found: str = "stop"
    mark: tuple[str, str] | None = None
    approve: str = "checked"
    money: Value = None
    given: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def refs(self) -> frozenset[Ref]:
        return frozenset(value for value in self.flat.values() if isinstance(value, Ref))


@dataclass(frozen=True, slots=True)
class NotWanted:
    """The record does not match ``when``: nothing is born of it, and what was made of it follows ``life.left``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The record matches, but what it says cannot be written (an ``expect`` fails, a text is too long): a review."""

    failure: Failure


def resolve(flat: Flat, targets: Mapping[Ref, str]) -> tuple[dict[str, Value], tuple[Ref, ...]]:
    """Put ids where the references stand; the references that nobody can resolve yet are returned beside."""
    missing: list[Ref] = []
    out: dict[str, Value] = {}
    for path, value in flat.items():
        if isinstance(value, Ref):
            if value in targets:
                out[path] = targets[value]
                continue
            missing.append(value)
        out[path] = value
    return out, tuple(sorted(set(missing)))


def line_keys(flat: Flat, lines: str) -> tuple[str, ...]:
    """The line keys that a flat table speaks of, in order of appearance."""
    return tuple(dict.fromkeys(key for found, key, _ in _line_paths(flat) if found == lines))


def _line_paths(flat: Flat) -> Iterator[tuple[str, str, str]]:
    for path in flat:
        parts = split_line_path(path)
        if parts is not None:
            yield parts


def nest(flat: Flat, order: tuple[str, ...] = ()) -> dict[str, Value]:
    """The shape the other side takes: scalars by name, lines as a sequence of mappings in ``order``."""
    out: dict[str, Value] = {}
    rows: dict[str, dict[str, dict[str, Value]]] = {}
    for path, value in flat.items():
        parts = split_line_path(path)
        if parts is None:
            out[path] = value
        else:
            rows.setdefault(parts[0], {}).setdefault(parts[1], {})[parts[2]] = value
    for lines, by_key in rows.items():
        keys = [key for key in order if key in by_key] + [key for key in by_key if key not in order]
        out[lines] = [by_key[key] for key in keys]
    return out
