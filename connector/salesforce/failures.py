"""What Salesforce's refusals mean for us. One table of its error codes; the remedy is for the person who must act.

Source: REST API Developer Guide, "Status Codes and Error Responses"; Object Reference, "Core Data Types".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connector.core.failure import Failure, Kind
from connector.core.party import Answer

LONGEST = 1000
DAILY_RETRY = 900  # seconds: the daily limit rolls on, some calls come free all the time


@dataclass(frozen=True, slots=True)
class Rule:
    """What an error code becomes."""

    kind: Kind
    remedy: str = ""
    retry_after: int | None = None


_RETRY, _FIX = Rule(Kind.RETRY), Rule(Kind.FIX, "Correct the record or the mapping.")
_RIGHTS = Rule(Kind.FIX, "Give the integration user the right, then retry.")
RULES: Mapping[str, Rule] = {
    "INVALID_SESSION_ID": Rule(Kind.RENEW),
    "UNABLE_TO_LOCK_ROW": _RETRY,
    "SERVER_UNAVAILABLE": _RETRY,
    "UNKNOWN_EXCEPTION": _RETRY,
    "QUERY_TIMEOUT": _RETRY,
    "REQUEST_RUNNING_TOO_LONG": _RETRY,
    "API_CURRENTLY_DISABLED": Rule(Kind.RETRY, retry_after=60),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": _RETRY,
    "REQUEST_LIMIT_EXCEEDED": Rule(
        Kind.STOP, "The org's API calls of the day are spent: wait, or buy more.", DAILY_RETRY
    ),
    "STORAGE_LIMIT_EXCEEDED": Rule(Kind.STOP, "The org's storage is full.", DAILY_RETRY),
    "EXCEEDED_QUOTA": Rule(Kind.STOP, "A quota of the org is spent.", DAILY_RETRY),
    "API_DISABLED_FOR_ORG": Rule(Kind.STOP, "The org or the user has no API access."),
    "INVALID_CROSS_REFERENCE_KEY": Rule(Kind.WAIT, "A record that it points to is not there."),
    "DUPLICATE_VALUE": Rule(Kind.RESOLVE, "Another record has this key."),
    "DUPLICATES_DETECTED": Rule(Kind.FIX, "A duplicate rule of the org blocks it: link to the duplicate, or allow it."),
    "DUPLICATE_EXTERNAL_ID": Rule(Kind.FIX, "Several records carry this external id: make the field unique."),
    "ENTITY_IS_DELETED": Rule(Kind.FIX, "It is in the recycle bin: restore it, or end the link."),
    "NOT_FOUND": Rule(Kind.FIX, "The object, field or record is not there for the integration user."),
    "INVALID_TYPE": Rule(Kind.FIX, "The object is not there for the integration user."),
    "INVALID_FIELD": Rule(Kind.FIX, "The field is not there for the integration user."),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Rule(Kind.FIX, "The field cannot be written by the integration user."),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Rule(Kind.FIX, "A trigger or flow of the org refuses it: read its words."),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Rule(Kind.FIX, "A validation rule of the org refuses it: read its words."),
    "FIELD_INTEGRITY_EXCEPTION": _FIX,
    "REQUIRED_FIELD_MISSING": Rule(Kind.FIX, "Give the field a value in the mapping."),
    "MISSING_ARGUMENT": _FIX,
    "STRING_TOO_LONG": Rule(Kind.FIX, "Shorten the text, or say long: cut in the mapping."),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Rule(Kind.FIX, "Use a value of the picklist, or add this one to it."),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": _FIX,
    "NUMBER_OUTSIDE_VALID_RANGE": Rule(Kind.FIX, "The field takes fewer digits: widen it or correct the number."),
    "INVALID_EMAIL_ADDRESS": Rule(Kind.FIX, "Correct the e-mail address."),
    "MALFORMED_ID": _FIX,
    "JSON_PARSER_ERROR": _FIX,
    "MALFORMED_QUERY": _FIX,
    "ENTITY_IS_LOCKED": Rule(Kind.FIX, "It is locked, for approval perhaps: unlock it, then retry."),
    "STANDARD_PRICE_NOT_DEFINED": _FIX,
    "DELETE_FAILED": _FIX,
    "INSUFFICIENT_ACCESS": _RIGHTS,
    "INSUFFICIENT_ACCESS_OR_READONLY": _RIGHTS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _RIGHTS,
}
OTHER = Rule(Kind.FIX, "Read Salesforce's words and correct the record or the mapping.")
# What another code wraps (triggers pass on what failed inside), and the two meanings of one code. First match wins.
_INSIDE: tuple[tuple[str, str, Rule], ...] = (
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "UNABLE_TO_LOCK_ROW", _RETRY),
    ("REQUEST_LIMIT_EXCEEDED", "Concurrent", Rule(Kind.RETRY, retry_after=5)),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One error of an answer, in Salesforce's words."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


def failure(said: Said) -> Failure:
    """The failure of one element or of a whole call."""
    rule = RULES.get(said.code, OTHER)
    for code, words, inside in _INSIDE:
        if said.code == code and words in said.message:
            rule = inside
    if said.code == "INVALID_CROSS_REFERENCE_KEY" and not said.fields:  # the record itself, not one it points to
        rule = replace(OTHER, remedy="The record is gone: restore it, or end the link.")
    code = f"salesforce.{said.code.lower().replace('_', '-')}"[:80]
    named = f" ({', '.join(said.fields)})" if said.fields else ""
    return Failure(code, rule.kind, f"{said.message}{named}"[:LONGEST], rule.remedy, rule.retry_after)


def errors_of(raw: object) -> tuple[Said, ...]:
    """The errors of an error array or of a row's ``errors``; empty if there are none to be read."""
    found = raw if isinstance(raw, list) else [raw]
    return tuple(_said(one) for one in found if isinstance(one, dict) and ("errorCode" in one or "statusCode" in one))


def _said(raw: Mapping[str, Any]) -> Said:
    code = raw.get("errorCode", raw.get("statusCode"))
    fields = raw.get("fields")
    names = tuple(str(name) for name in fields) if isinstance(fields, Sequence) and not isinstance(fields, str) else ()
    return Said(str(code or "UNKNOWN")[:80], str(raw.get("message") or "no message")[:LONGEST], names[:20])


def refusal(answer: Answer) -> Said:
    """What a whole answer that is no success says; a body that is no error array is quoted by its status."""
    try:
        found = errors_of(json.loads(answer.body))
    except (ValueError, RecursionError):
        found = ()
    return found[0] if found else Said(f"HTTP_{answer.status}", f"Salesforce answered HTTP {answer.status}")
