"""What a refusal means for us. The parties' tables turn an answer into one of these; the shells obey."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the caller does next."""

    RETRY = "retry"  # the same again after `retry_after` or a back-off: nothing was written
    RENEW = "renew"  # sign in again, then once more
    WAIT = "wait"  # a prerequisite is missing (parent, contact): wait for its link
    RESOLVE = "resolve"  # it may exist already: probe by mark or natural key
    FIX = "fix"  # a person must change data or the mapping: FAILED, a review
    STOP = "stop"  # the whole tenant or org: limits, credentials, wrong organisation


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal, in words that its owner can act on. `code` is stable (`xero.duplicate-number`)."""

    code: str
    kind: Kind
    message: str
    remedy: str = ""
    retry_after: int | None = None  # seconds, from the server
