"""The ``where`` and ``order`` parameters: a small grammar over the stored objects.

::

    condition := and_part (OR and_part)*            OR: ``OR`` or ``||``
    and_part  := term (AND term)*                   AND: ``AND`` or ``&&``
    term      := "(" condition ")" | path operator literal | path method "(" text ")" | path
    operator  := == | != | < | <= | > | >=  (= is read as ==)
    method    := .Contains | .StartsWith | .EndsWith
    literal   := "text" | number | true | false | null | Guid("...") | DateTime(y,m,d[,h,m,s])

Text compares without case. A path is dotted (``Contact.ContactID``); a name that no object of the entity can have is an
error, so that a typo cannot pass as "nothing found".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from connector.simulators.xero.errors import bad_query

Predicate = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<call>Guid|DateTime)\s*\(\s*(?P<inside>[^)]*)\)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<operator>==|!=|<=|>=|<|>|=)
    | (?P<logic>&&|\|\||\bAND\b|\bOR\b)
    | (?P<sign>[()])
    | (?P<path>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_METHODS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda value, part: part in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_MAX_TOKENS = 2000
_MAX_DEPTH = 50


def parse_where(text: str, names: frozenset[str]) -> Predicate:
    """The filter as a function of one object. ``names`` are the first parts that paths may have."""
    tokens = _tokens(text)
    reader = _Reader(tokens, names)
    predicate = reader.condition(0)
    if reader.at < len(tokens):
        raise bad_query(f"Syntax error at '{tokens[reader.at][1]}' in where.")
    return predicate


def parse_order(text: str, names: frozenset[str]) -> Callable[[list[Any]], list[Any]]:
    """``Date DESC, InvoiceNumber`` as a sorting function. Objects without the field come first."""
    keys: list[tuple[str, bool]] = []
    for part in text.split(","):
        words = part.split()
        if not 1 <= len(words) <= 2 or (len(words) == 2 and words[1].upper() not in ("ASC", "DESC")):
            raise bad_query(f"Syntax error in order: '{part.strip()}'.")
        keys.append((_known(words[0], names), len(words) == 2 and words[1].upper() == "DESC"))

    def sort(records: list[Any]) -> list[Any]:
        for path, downwards in reversed(keys):
            records = sorted(records, key=lambda record: _sort_key(value_at(record, path)), reverse=downwards)
        return records

    return sort


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    value: Any = record
    for name in path.split("."):
        if name == "Value" and not isinstance(value, Mapping):
            continue  # .NET clients write Date.Value
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None or len(out) > _MAX_TOKENS:
            raise bad_query(f"Syntax error in where at '{text[at : at + 20]}'.")
        kind = str(found.lastgroup if found.lastgroup != "inside" else "call")
        whole = found[0].strip()
        out.append((kind, whole))
        at = found.end()
    return out


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: Sequence[tuple[str, str]], names: frozenset[str]) -> None:
        self.tokens, self.names, self.at = tokens, names, 0

    def condition(self, depth: int) -> Predicate:
        if depth > _MAX_DEPTH:
            raise bad_query("The where is nested too deeply.")
        parts = [self._both(depth)]
        while self._logic("||", "OR"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _both(self, depth: int) -> Predicate:
        parts = [self._term(depth)]
        while self._logic("&&", "AND"):
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _term(self, depth: int) -> Predicate:
        kind, word = self._next()
        if (kind, word) == ("sign", "("):
            inner = self.condition(depth + 1)
            self._expect(")")
            return inner
        if kind != "path":
            raise bad_query(f"Syntax error at '{word}' in where.")
        head, _, method = word.rpartition(".")
        if method.lower() in _METHODS and self._peek() == ("sign", "("):
            return self._call(_known(head, self.names), method.lower())
        path = _known(word, self.names)
        if self._peek()[0] != "operator":
            return lambda record: value_at(record, path) is True
        return _comparison(path, self._next()[1].replace("==", "="), _literal(*self._next()))

    def _call(self, path: str, method: str) -> Predicate:
        self._expect("(")
        wanted = _literal(*self._next())
        self._expect(")")
        if not isinstance(wanted, str):
            raise bad_query(f"{method} takes a text.")
        test = _METHODS[method]
        return lambda record: test(_plain(value_at(record, path) or ""), wanted.casefold())

    def _logic(self, *spellings: str) -> bool:
        if self._peek()[0] == "logic" and self._peek()[1].upper() in spellings:
            self.at += 1
            return True
        return False

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token

    def _expect(self, sign: str) -> None:
        kind, word = self._next()
        if (kind, word) != ("sign", sign):
            raise bad_query(f"Syntax error at '{word}' in where: '{sign}' is expected.")


def _known(path: str, names: frozenset[str]) -> str:
    if path.partition(".")[0] not in names:
        raise bad_query(f"No property or field '{path}' exists in type of this endpoint.")
    return path


def _literal(kind: str, word: str) -> Any:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if kind == "number":
        return Decimal(word)
    if kind == "path" and word.lower() in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word.lower()]
    if kind == "call":
        inside = word[word.index("(") + 1 : -1].strip()
        if word.lower().startswith("guid"):
            return inside.strip('"').lower()
        try:
            return datetime(*(int(part) for part in inside.split(",")), tzinfo=UTC)  # type: ignore[misc, arg-type]
        except (ValueError, TypeError):
            raise bad_query(f"DateTime({inside}) is not a time.") from None
    raise bad_query(f"Syntax error at '{word}' in where: a value is expected.")


def _plain(value: Any) -> Any:
    """Comparable: text without case, dates as the moment of their midnight."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def _comparison(path: str, operator: str, literal: Any) -> Predicate:
    wanted = _plain(literal)

    def compare(record: Mapping[str, Any]) -> bool:
        value = _plain(value_at(record, path))
        if operator in ("=", "!="):
            return bool(value == wanted) is (operator == "=")
        if value is None or wanted is None:
            return False
        try:
            return _COMPARE[operator](value, wanted)
        except TypeError:
            raise bad_query(f"'{path}' cannot be compared with {literal!r}.") from None

    return compare


def _sort_key(value: Any) -> tuple[bool, Any]:
    plain = _plain(value)
    return (plain is not None, plain if plain is not None else 0)
