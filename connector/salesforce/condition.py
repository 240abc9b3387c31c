"""A condition that a person gives to choose records: read, checked and spelled anew. Pure.

It goes into a query, so nothing of the given text does: what is not one of the forms below is refused. Source: SOQL and
SOSL Reference, "Condition Expression Syntax" (AND and OR do not mix without parentheses). Left out are subqueries,
functions, and everything that comes after WHERE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.errors import ConfigurationError

MOST_LETTERS, MOST_PARTS, DEEPEST = 4000, 200, 12
_TOKENS = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^'\\\x00-\x1f]|\\['"\\nrtbf_%])*')
    | (?P<moment>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2}))
    | (?P<day>\d{4}-\d{2}-\d{2})
    | (?P<number>[+-]?\d{1,18}(?:\.\d{1,18})?)
    | (?P<name>[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z][A-Za-z0-9_]{0,79}){0,5}(?::\d{1,5})?)
    | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_DATES = re.compile(
    r"(YESTERDAY|TODAY|TOMORROW|(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR)|(LAST|NEXT)_90_DAYS"
    r"|((LAST|NEXT)_N_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS)|N_(DAYS|WEEKS|MONTHS|YEARS)_AGO):\d+)",
    re.IGNORECASE,
)
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "TRUE", "FALSE", "NULL", "INCLUDES", "EXCLUDES"})
_SIGNS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_VALUES = frozenset({"text", "moment", "day", "number"})
REMEDY = "Give a condition as it would stand behind WHERE, such as: Type = 'Customer' AND CreatedDate >= LAST_YEAR"


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked condition: its text for a query, and the paths of the fields that it compares."""

    text: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else self.text


_END = _Token("end", "the end")


def read_filter(text: str) -> Filter:
    """Raises ConfigurationError (``snapshot.bad-filter``)."""
    if len(text) > MOST_LETTERS:
        raise _refused(f"it has {len(text)} characters, and {MOST_LETTERS} are the most")
    return _Reader(tuple(_tokens(text))).read()


def moved_since(start: datetime) -> Filter:
    """The records whose SystemModstamp is at or after a time."""
    return read_filter(f"SystemModstamp >= {start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKENS.match(text, at)
        if found is None or found.lastgroup is None:
            raise _refused(f"{text[at : at + 20].strip()!r} cannot stand there")
        yield _Token(found.lastgroup, found[found.lastgroup])
        at = found.end()


class _Reader:
    """Reads tokens from left to right; each method gives the text of what it has read."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._fields: dict[str, None] = {}
        self._parts = 0

    def read(self) -> Filter:
        text = self._condition(0)
        if self._peek() is not _END:
            raise _refused(f"{self._peek().text[:40]!r} stands behind its end")
        return Filter(text, tuple(self._fields))

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _take(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, sign: str) -> None:
        token = self._take()
        if token.word != sign:
            raise _refused(f"{token.text[:40]!r} stands where {sign!r} must")

    def _condition(self, depth: int) -> str:
        if depth > DEEPEST:
            raise _refused(f"it is nested deeper than {DEEPEST} levels")
        parts, word = [self._unit(depth)], self._peek().word
        while word in ("AND", "OR") and self._peek().word == word:
            self._take()
            parts.append(self._unit(depth))
        if self._peek().word in ("AND", "OR"):
            raise _refused("AND and OR do not mix without parentheses")
        return f" {word} ".join(parts)

    def _unit(self, depth: int) -> str:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _refused(f"it has more than {MOST_PARTS} parts")
        if self._peek().word == "NOT":
            self._take()
            if depth >= DEEPEST:
                raise _refused(f"it is nested deeper than {DEEPEST} levels")
            return f"(NOT {self._unit(depth + 1)})"
        if self._peek().text == "(":
            self._take()
            inner = self._condition(depth + 1)
            self._expect(")")
            return f"({inner})"
        return self._comparison()

    def _comparison(self) -> str:
        field = self._take()
        if field.kind != "name" or ":" in field.text or field.word in _WORDS or _DATES.fullmatch(field.text):
            raise _refused(f"{field.text[:40]!r} stands where a field must")
        self._fields[field.text] = None
        operator = self._take()
        if operator.text in _SIGNS:
            return f"{field.text} {'!=' if operator.text == '<>' else operator.text} {self._value()}"
        if operator.word == "LIKE" and self._peek().kind == "text":
            return f"{field.text} LIKE {self._take().text}"
        if operator.word == "NOT":
            self._expect("IN")
            return f"{field.text} NOT IN {self._list()}"
        if operator.word in ("IN", "INCLUDES", "EXCLUDES"):
            return f"{field.text} {operator.word} {self._list()}"
        raise _refused(f"{operator.text[:40]!r} stands where an operator must (= != < <= > >= LIKE IN NOT IN)")

    def _list(self) -> str:
        self._expect("(")
        values = [self._value()]
        while self._peek().text == ",":
            self._take()
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise _refused(f"it has more than {MOST_PARTS} parts")
            values.append(self._value())
        self._expect(")")
        return f"({', '.join(values)})"

    def _value(self) -> str:
        token = self._take()
        if token.kind in _VALUES:
            return token.text
        if token.word in ("TRUE", "FALSE", "NULL"):
            return token.word.lower()
        if token.kind == "name" and _DATES.fullmatch(token.text):
            return token.text.upper()
        raise _refused(f"{token.text[:40]!r} stands where a value must (texts are quoted: 'like this')")


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError("snapshot.bad-filter", f"The filter cannot be used: {why}.", remedy=REMEDY)
