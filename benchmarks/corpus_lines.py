"""The files of a corpus: one wrapped message a line, its text kept as it stood.

A line is ``{"source", "kind", "message" or "body", ...}``. What goes into the product is the exact text of the
message, cut out of the line: digits, spelling and order are as recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from connector.errors import Unavailable

FILES = (
    "salesforce/cdc-events.jsonl", "salesforce/cdc-derived.jsonl", "salesforce/bayeux.jsonl",
    "salesforce/bayeux-derived.jsonl", "salesforce/rest.jsonl", "xero/responses.jsonl",
)  # fmt: skip
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal)
_BETWEEN = re.compile(r"[ \t\r\n,:]*")


@dataclass(frozen=True, slots=True)
class Line:
    """One message. ``wrap`` is what was noted about it, ``raw`` the text that was on the wire."""

    file: str
    number: int
    wrap: Mapping[str, Any]
    raw: str

    @property
    def kind(self) -> str:
        return str(self.wrap.get("kind", ""))

    @property
    def form(self) -> str:
        return str(self.wrap.get("form", ""))

    @property
    def operation(self) -> str:
        return str(self.wrap.get("operation", ""))

    @property
    def status(self) -> int | None:
        found = self.wrap.get("status")
        return int(found) if found is not None else None

    @property
    def source(self) -> str:
        return str(self.wrap.get("source", ""))

    @property
    def message(self) -> Any:
        """The parsed message, every number a Decimal."""
        return self.wrap["message"] if "message" in self.wrap else self.wrap.get("body")

    @property
    def data(self) -> bytes:
        return self.raw.encode()

    @property
    def headers(self) -> dict[str, str]:
        found = self.wrap.get("headers")
        return {str(k).lower(): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def lines(directory: Path) -> Iterator[Line]:
    """Every message of every file. Raises Unavailable when the directory or one of its files is not there."""
    for name in FILES:
        path = directory / name
        if not path.is_file():
            raise Unavailable(
                "corpus.missing", f"There is no {name} under {str(directory)!r}.",
                remedy="Name the directory of the recorded messages: make corpus DIR=...",
            )  # fmt: skip
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield read_line(name, number, text)


def read_line(file: str, number: int, text: str) -> Line:
    """One line of a file. A message that was no JSON on the wire (``body_is_text``) is its text."""
    wrap: dict[str, Any] = {}
    raw, at = "", text.index("{") + 1
    while True:
        at = _skip(text, at)
        if text[at] == "}":
            return Line(file, number, wrap, raw)
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, at)
        wrap[name], at = _DECODER.raw_decode(text, start)
        if name in ("message", "body"):
            raw = text[start:at]
            if wrap.get("body_is_text") or (isinstance(wrap[name], str) and file.startswith("xero/")):
                raw = wrap[name]


def member(text: str, *path: str) -> str:
    """The text of a member inside an object's text, digit by digit. Raises KeyError."""
    for name in path:
        text = _member(text, name)
    return text


def items(text: str) -> list[str]:
    """The texts of an array's elements."""
    out: list[str] = []
    at = text.index("[") + 1
    while True:
        at = _skip(text, at)
        if text[at] == "]":
            return out
        _, end = _DECODER.raw_decode(text, at)
        out.append(text[at:end])
        at = end


def _member(text: str, wanted: str) -> str:
    at = text.index("{") + 1
    while True:
        at = _skip(text, at)
        if text[at] == "}":
            raise KeyError(wanted)
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, at)
        _, at = _DECODER.raw_decode(text, start)
        if name == wanted:
            return text[start:at]


def _skip(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at
