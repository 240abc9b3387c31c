"""Record ids as Salesforce spells them: 15 case-sensitive characters, 18 with a checksum of the cases."""

from __future__ import annotations

import re

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_FORM = re.compile(r"[0-9A-Za-z]{15}([A-Z0-5]{3})?")
POD = "8d0"  # the instance part of every id made here


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the ``number``-th record of a key prefix."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return full_id(prefix + POD + digits.rjust(9, "0"))


def suffix(short: str) -> str:
    """The three checksum characters of a 15-character id."""
    return "".join(
        _SUFFIX[sum(1 << i for i, letter in enumerate(short[at : at + 5]) if letter.isupper())] for at in (0, 5, 10)
    )


def full_id(raw: str) -> str:
    """The 18-character form of an id. Raises ValueError for what is no id or has a wrong checksum."""
    if not _FORM.fullmatch(raw):
        raise ValueError(f"malformed id {raw}")
    whole = raw[:15] + suffix(raw[:15])
    if len(raw) == 18 and raw != whole:
        raise ValueError(f"malformed id {raw}")
    return whole
