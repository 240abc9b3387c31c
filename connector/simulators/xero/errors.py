"""How the simulated API refuses.

::

    Refusal            the whole request is refused with a status and a body
    Invalid            one element is refused; its siblings live on
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ZERO_ID = "00000000-0000-0000-0000-000000000000"


class Refusal(Exception):
    """The whole request is refused. ``body`` None means an empty one, text means HTML."""

    def __init__(
        self, status: int, body: Mapping[str, Any] | str | None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class Invalid(Exception):
    """One element breaks rules; ``messages`` are Xero's words for each."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages: Sequence[str] = messages


def not_found() -> Refusal:
    return Refusal(404, "The resource you're looking for cannot be found")


def unreadable(message: str) -> Refusal:
    """The body cannot be turned into objects: number 14."""
    return Refusal(400, {"ErrorNumber": 14, "Type": "PostDataInvalidException", "Message": message})


def bad_query(message: str) -> Refusal:
    """A parameter cannot be read: number 16."""
    return Refusal(400, {"ErrorNumber": 16, "Type": "QueryParseException", "Message": message})


def unsupported(what: str) -> Refusal:
    """Xero may know it, this simulator does not. Never silently ignored."""
    return Refusal(501, {"Type": "NotSupportedBySimulator", "Message": f"The Xero simulator does not support {what}."})


def unauthorised(detail: str, correlation: str) -> Refusal:
    """Capitalised keys, as recorded."""
    return Refusal(
        401, {"Type": None, "Title": "Unauthorized", "Status": 401, "Detail": detail, "Instance": correlation}
    )


def forbidden(correlation: str) -> Refusal:
    """Lower-case keys, as recorded: wrong tenant, disconnected, or no permission."""
    body = {
        "type": None,
        "title": "Forbidden",
        "status": 403,
        "detail": "AuthenticationUnsuccessful",
        "instance": correlation,
    }
    return Refusal(403, body)
