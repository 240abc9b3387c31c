"""Date literals of SOQL: the span of time that each names, seen from now. Weeks begin on Sunday, as in a US locale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

Span = tuple[date, date]  # first day, day after the last


def span(name: str, count: int | None, today: date) -> Span:
    """The days of a literal. Raises ValueError for a count that is missing or not taken."""
    if name in _PLAIN:
        if count is not None:
            raise ValueError(f"{name} takes no number")
        return _PLAIN[name](today)
    if count is None:
        raise ValueError(f"{name} needs a number, like {name}:7")
    return _COUNTED[name](today, count)


def moments(days: Span) -> tuple[datetime, datetime]:
    return datetime.combine(days[0], time(), UTC), datetime.combine(days[1], time(), UTC)


def _day(today: date, offset: int) -> Span:
    return today + timedelta(offset), today + timedelta(offset + 1)


def _week(today: date, offset: int, length: int = 1) -> Span:
    first = today - timedelta((today.weekday() + 1) % 7) + timedelta(weeks=offset)
    return first, first + timedelta(weeks=length)


def _month_start(today: date, offset: int) -> date:
    months = today.year * 12 + today.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)


def _month(today: date, offset: int, length: int = 1) -> Span:
    return _month_start(today, offset), _month_start(today, offset + length)


def _quarter(today: date, offset: int) -> Span:
    back = (today.month - 1) % 3
    return _month(today, offset * 3 - back, 3)


def _year(today: date, offset: int, length: int = 1) -> Span:
    return date(today.year + offset, 1, 1), date(today.year + offset + length, 1, 1)


_PLAIN: dict[str, Callable[[date], Span]] = {
    "YESTERDAY": lambda d: _day(d, -1), "TODAY": lambda d: _day(d, 0), "TOMORROW": lambda d: _day(d, 1),
    "LAST_WEEK": lambda d: _week(d, -1), "THIS_WEEK": lambda d: _week(d, 0), "NEXT_WEEK": lambda d: _week(d, 1),
    "LAST_MONTH": lambda d: _month(d, -1), "THIS_MONTH": lambda d: _month(d, 0), "NEXT_MONTH": lambda d: _month(d, 1),
    "LAST_QUARTER": lambda d: _quarter(d, -1), "THIS_QUARTER": lambda d: _quarter(d, 0),
    "NEXT_QUARTER": lambda d: _quarter(d, 1),
    "LAST_YEAR": lambda d: _year(d, -1), "THIS_YEAR": lambda d: _year(d, 0), "NEXT_YEAR": lambda d: _year(d, 1),
    "LAST_90_DAYS": lambda d: (d - timedelta(90), d + timedelta(1)),
    "NEXT_90_DAYS": lambda d: (d + timedelta(1), d + timedelta(91)),
}  # fmt: skip
_COUNTED: dict[str, Callable[[date, int], Span]] = {
    "LAST_N_DAYS": lambda d, n: (d - timedelta(n), d + timedelta(1)),
    "NEXT_N_DAYS": lambda d, n: (d + timedelta(1), d + timedelta(n + 1)),
    "N_DAYS_AGO": lambda d, n: _day(d, -n),
    "LAST_N_WEEKS": lambda d, n: _week(d, -n, n), "NEXT_N_WEEKS": lambda d, n: _week(d, 1, n),
    "LAST_N_MONTHS": lambda d, n: _month(d, -n, n), "NEXT_N_MONTHS": lambda d, n: _month(d, 1, n),
    "LAST_N_YEARS": lambda d, n: _year(d, -n, n), "NEXT_N_YEARS": lambda d, n: _year(d, 1, n),
}  # fmt: skip
