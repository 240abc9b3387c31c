"""Takes secrets out of what is about to be shown: by the name of the field, by what they look like, by their value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
_SHORTEST = 6  # a shorter known secret would blank out ordinary words
_DEPTH = 8

_NAMES = re.compile(
    r"(?i)(secret|passw|token|authori[sz]ation|cookie|credential|assertion|api[-_]?key|private[-_]?key|session[-_]?id)"
)
_HARMLESS = frozenset({"token_url"})  # an address

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Bearer …, Basic …
    (re.compile(r"(?i)\b(bearer|basic|oauth)\s+[A-Za-z0-9._~+/!=-]{8,}"), rf"\1 {HIDDEN}"),
    # A Salesforce session id: the org's id, an exclamation mark, the rest
    (re.compile(r"\b00D[A-Za-z0-9]{9,15}![A-Za-z0-9._]{10,}"), HIDDEN),
    # A JSON Web Token: Xero's access tokens are ones
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), HIDDEN),
    # name=value and "name": "value" within a text, a URL or a form
    (
        re.compile(
            r"(?i)\b((?:client_secret|refresh_token|access_token|password|passwd|assertion)\"?'?\s*[=:]\s*\"?'?)"
            r"[^\s\"'&,;}]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # https://user:password@host
    (re.compile(r"(://[^/\s:@]+:)[^/\s@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), HIDDEN),
)


class Mask:
    """Masks values. ``known`` are secrets of this deployment: they are hidden wherever they stand."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = sorted({text for text in known if len(text) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text with everything hidden that is, or looks like, a secret."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        for shape, shown in _SHAPES:
            text = shape.sub(shown, text)
        return text

    def value(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """A tree of mappings, sequences and texts with the same done to every part; numbers and times as they are."""
        if _is_secret(name) and value not in ("", b"") and not isinstance(value, int | float | None):
            return HIDDEN
        if depth > _DEPTH:
            return "…"
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping):
            return {str(key): self.value(part, str(key), depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part, "", depth + 1) for part in value]
        return value


def _is_secret(name: str) -> bool:
    return name not in _HARMLESS and _NAMES.search(name) is not None
