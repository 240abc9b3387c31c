"""What a side does to a value only because of the type of its field: trims a text, rounds a number, cuts off seconds.

Salesforce answers a write without fields, so what it kept is read afterwards: a value that its type explains is the
answer to our write, any other is somebody's edit.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from connector.core.link_events import GONE
from connector.core.values import Value, from_canonical


def explained(sent: str, shown: str, *, exact: bool = False) -> bool:
    """Whether ``shown`` is what a side may make of ``sent``. Both are canonical texts, empty for what is gone.

    ``exact``: a number was rounded to the places of its field before it was sent, so another number is an edit. Else
    7.75 that a person makes 8 could not be told from a field without decimal places.
    """
    if sent == shown:
        return True
    if GONE in (sent, shown):
        return _nothing(_value(sent or shown))
    return _alike(_value(sent), _value(shown), exact=exact)


def is_number(text: str) -> bool:
    """Whether a canonical text is a number."""
    return text != GONE and isinstance(_value(text), Decimal)


def _value(text: str) -> Value:
    return from_canonical(text)


def _alike(sent: Value, shown: Value, *, exact: bool) -> bool:
    if isinstance(sent, str) and isinstance(shown, str):
        return sent.split() == shown.split()
    if isinstance(sent, Decimal) and isinstance(shown, Decimal):
        return not exact and _rounded(sent, shown)
    if isinstance(sent, datetime) and isinstance(shown, datetime):
        return abs(sent - shown).total_seconds() < 1
    return sent is not False and _nothing(sent) and _nothing(shown)


def _nothing(value: Value) -> bool:
    return value is None or value == "" or value is False


def _rounded(sent: Decimal, shown: Decimal) -> bool:
    """Half a unit of the last place that is shown, and fewer places than were sent."""
    kept, given = _places(shown), _places(sent)
    return kept < given and abs(sent - shown) <= Decimal(5).scaleb(-kept - 1)


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
