"""SOQL: the grammar, and the tree that a query becomes.

Covers what the connector and ordinary clients ask. What is left out (TYPEOF, HAVING, ROLLUP, WITH, FOR UPDATE, scopes,
functions other than the aggregates and FIELDS) is a MALFORMED_QUERY that says so. As on the platform, AND and OR do not
mix without parentheses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

GRAMMAR = r"""
start: query
query: "SELECT"i select "FROM"i name where? group? order? limit? offset?
select: item ("," item)*
?item: path | aggregate | fields | "(" query ")" -> subquery
aggregate: function "(" path? ")" name?
fields: "FIELDS"i "(" SCOPE ")"
function: COUNT_DISTINCT | COUNT | MAX | MIN | SUM | AVG
path: NAME ("." NAME)*
name: NAME

where: "WHERE"i condition
?condition: unit | conjunction | disjunction
conjunction: unit ("AND"i unit)+
disjunction: unit ("OR"i unit)+
?unit: "(" condition ")" | negation | comparison | membership
negation: "NOT"i unit
comparison: path OPERATOR value | path LIKE string -> like
membership: path "IN"i set | path "NOT"i "IN"i set -> exclusion
set: "(" value ("," value)* ")" | "(" query ")" -> semijoin

?value: string | number | moment | day | literal | TRUE -> true | FALSE -> false | NULL -> null
string: STRING
number: NUMBER
moment: MOMENT
day: DAY
literal: DATE_LITERAL (":" NUMBER)?

group: "GROUP"i "BY"i path ("," path)*
order: "ORDER"i "BY"i ordering ("," ordering)*
ordering: path direction? nulls?
direction: ASC | DESC
nulls: "NULLS"i (FIRST | LAST)
limit: "LIMIT"i NUMBER
offset: "OFFSET"i NUMBER

SCOPE: /ALL|STANDARD|CUSTOM/i
COUNT_DISTINCT.3: /COUNT_DISTINCT(?=\s*\()/i
COUNT.2: /COUNT(?=\s*\()/i
MAX.2: /MAX(?=\s*\()/i
MIN.2: /MIN(?=\s*\()/i
SUM.2: /SUM(?=\s*\()/i
AVG.2: /AVG(?=\s*\()/i
ASC.2: /ASC\b/i
DESC.2: /DESC\b/i
FIRST.2: /FIRST\b/i
LAST.2: /LAST\b/i
TRUE.2: /TRUE\b/i
FALSE.2: /FALSE\b/i
NULL.2: /NULL\b/i
LIKE.2: /LIKE\b/i
OPERATOR: "!=" | "<>" | "<=" | ">=" | "=" | "<" | ">"
STRING: /'(?:[^'\\\n]|\\.)*'/
MOMENT.4: /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})/i
DAY.3: /\d{4}-\d{2}-\d{2}/
NUMBER: /[+-]?\d+(\.\d+)?/
DATE_LITERAL.3: RELATIVE_DAY | PERIOD | NINETY_DAYS | COUNTED
RELATIVE_DAY: /(YESTERDAY|TODAY|TOMORROW)\b/i
PERIOD: /(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR)\b/i
NINETY_DAYS: /(LAST|NEXT)_90_DAYS\b/i
COUNTED: /((LAST|NEXT)_N_(DAYS|WEEKS|MONTHS|YEARS)|N_DAYS_AGO)\b/i
NAME: /[A-Za-z][A-Za-z0-9_]*/
%ignore /\s+/
"""


@dataclass(frozen=True, slots=True)
class Path:
    """A field, dotted over parent relationships."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Aggregate:
    function: str
    path: Path | None
    alias: str | None


@dataclass(frozen=True, slots=True)
class AllFields:
    scope: str


@dataclass(frozen=True, slots=True)
class DateLiteral:
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    path: Path
    operator: str  # = != < > <= >= like
    value: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    path: Path
    values: tuple[Literal, ...] | Query
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    every: bool  # AND, else OR
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Ordering:
    path: Path
    descending: bool = False
    nulls_last: bool | None = None


@dataclass(frozen=True, slots=True)
class Query:
    items: tuple[Path | Aggregate | AllFields | Query, ...]
    source: str
    where: Condition | None = None
    group: tuple[Path, ...] = ()
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0


Literal: TypeAlias = "None | bool | str | Decimal | date | datetime | DateLiteral"
Condition: TypeAlias = "Comparison | Membership | Not | Junction"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


class Malformed(Exception):
    """The text is no SOQL that this simulator speaks."""


@v_args(inline=True)
class _Tree(Transformer[Token, Any]):
    def start(self, query: Query) -> Query:
        return query

    def query(self, items: tuple[Any, ...], source: str, *clauses: tuple[str, Any]) -> Query:
        return Query(items, source, **dict(clauses))

    def select(self, *items: Any) -> tuple[Any, ...]:
        return items

    def subquery(self, query: Query) -> Query:
        return query

    def aggregate(self, function: str, *rest: Any) -> Aggregate:
        path = next((part for part in rest if isinstance(part, Path)), None)
        alias = next((part for part in rest if isinstance(part, str)), None)
        return Aggregate(function, path, alias)

    def function(self, name: Token) -> str:
        return str(name).upper()

    def fields(self, scope: Token) -> AllFields:
        return AllFields(str(scope).upper())

    def path(self, *parts: Token) -> Path:
        return Path(tuple(str(part) for part in parts))

    def name(self, name: Token) -> str:
        return str(name)

    def where(self, condition: Condition) -> tuple[str, Any]:
        return "where", condition

    def conjunction(self, *parts: Condition) -> Junction:
        return Junction(every=True, parts=parts)

    def disjunction(self, *parts: Condition) -> Junction:
        return Junction(every=False, parts=parts)

    def negation(self, part: Condition) -> Not:
        return Not(part)

    def comparison(self, path: Path, operator: Token, value: Literal) -> Comparison:
        return Comparison(path, "!=" if operator == "<>" else str(operator), value)

    def like(self, path: Path, _word: Token, value: str) -> Comparison:
        return Comparison(path, "like", value)

    def membership(self, path: Path, values: Any) -> Membership:
        return Membership(path, values, negated=False)

    def exclusion(self, path: Path, values: Any) -> Membership:
        return Membership(path, values, negated=True)

    def set(self, *values: Literal) -> tuple[Literal, ...]:
        return values

    def semijoin(self, query: Query) -> Query:
        return query

    def string(self, token: Token) -> str:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], "\\" + found[1]), str(token)[1:-1])

    def number(self, token: Token) -> Decimal:
        return Decimal(str(token))

    def moment(self, token: Token) -> datetime:
        return datetime.fromisoformat(str(token).upper())

    def day(self, token: Token) -> date:
        return date.fromisoformat(str(token))

    def literal(self, name: Token, count: Token | None = None) -> DateLiteral:
        return DateLiteral(str(name).upper(), None if count is None else int(count))

    def true(self, _token: Token) -> bool:
        return True

    def false(self, _token: Token) -> bool:
        return False

    def null(self, _token: Token) -> None:
        return None

    def group(self, *paths: Path) -> tuple[str, Any]:
        return "group", paths

    def order(self, *orderings: Ordering) -> tuple[str, Any]:
        return "order", orderings

    def ordering(self, path: Path, *words: str) -> Ordering:
        last = True if "LAST" in words else False if "FIRST" in words else None
        return Ordering(path, "DESC" in words, last)

    def direction(self, token: Token) -> str:
        return str(token).upper()

    def nulls(self, token: Token) -> str:
        return str(token).upper()

    def limit(self, token: Token) -> tuple[str, Any]:
        return "limit", int(token)

    def offset(self, token: Token) -> tuple[str, Any]:
        return "offset", int(token)


_PARSER = Lark(GRAMMAR, parser="lalr", lexer="contextual", transformer=_Tree(), maybe_placeholders=False)
_LEFT_OUT = re.compile(
    r"\b(TYPEOF|HAVING|ROLLUP|CUBE|FOR\s+(?:VIEW|REFERENCE|UPDATE)|USING\s+SCOPE|WITH\s+\w+|ALL\s+ROWS|INCLUDES|EXCLUDES|"
    r"toLabel|convertCurrency|FORMAT|DISTANCE|GEOLOCATION|CALENDAR_\w+|FISCAL_\w+|DAY_\w+|HOUR_\w+|WEEK_\w+)\b",
    re.IGNORECASE,
)


def parse(text: str) -> Query:
    """The tree of one query. Raises Malformed with the platform's way of pointing at the place."""
    try:
        query: Query = _PARSER.parse(text)  # type: ignore[assignment]
    except UnexpectedInput as wrong:
        raise Malformed(_pointing(text, wrong)) from None
    except (ValueError, ArithmeticError) as wrong:
        raise Malformed(f"bad literal: {wrong}") from None
    return query


def _pointing(text: str, wrong: UnexpectedInput) -> str:
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "''", text)
    left_out = _LEFT_OUT.search(bare)
    if left_out is not None:
        return f"{left_out[0]} is SOQL that this simulator does not support"
    at = wrong.pos_in_stream or 0
    at = at if at >= 0 else len(text)
    excerpt = text[max(0, at - 30) : at + 10].replace("\n", " ")
    word = re.match(r"\S*", text[at:])
    token = word[0] if word and word[0] else "<EOF>"
    pointer = " " * min(at, 30) + "^"
    row, column = max(wrong.line, 1), max(wrong.column, 1)
    return f"\n{excerpt}\n{pointer}\nERROR at Row:{row}:Column:{column}\nunexpected token: '{token}'"
