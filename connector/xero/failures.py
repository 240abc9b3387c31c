"""What Xero's refusals mean for us. One table; the first pattern that is found in a message decides.

The messages are Xero's own: from its specification's examples, recorded answers and its developers' posts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connector.core.failure import Failure, Kind
from connector.core.party import Answer

LONGEST = 1000
DEFAULT_RETRY = 60  # seconds, when a 429 names none
CONCURRENT_RETRY = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """A message that holds ``pattern`` (case does not count) is a failure of this kind."""

    pattern: re.Pattern[str]
    code: str
    kind: Kind
    remedy: str = ""


def _rule(pattern: str, code: str, kind: Kind, remedy: str = "") -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), f"xero.{code}", kind, remedy)


RULES: tuple[Rule, ...] = (
    _rule(r"must be unique|already exists|already assigned to another|enter a unique", "duplicate", Kind.RESOLVE),
    _rule(r"matched an archived contact", "contact-archived", Kind.FIX, "Restore the contact in Xero."),
    _rule(r"contact could not be found|a contact must be specified", "contact-missing", Kind.WAIT),
    _rule(r"elements to identify the contact", "contact-unnamed", Kind.FIX, "Give the customer a name."),
    _rule(r"error converting value", "value-type", Kind.FIX, "A field of the mapping gives the wrong type of value."),
    _rule(r"organisation is not subscribed to currency", "currency", Kind.FIX, "Add the currency in Xero's settings."),
    _rule(r"lock date", "locked-period", Kind.FIX, "Unlock the period in Xero, or use a later date."),
    _rule(r"has been archived, or has been deleted", "account-archived", Kind.FIX, "Restore it or use another."),
    _rule(r"account code .* is not a valid code", "account-code", Kind.FIX, "Use an account of Xero's chart."),
    _rule(r"account code must be specified", "account-missing", Kind.FIX, "Name an account or an item with one."),
    _rule(r"tax ?type|tax rate must be valid", "tax-type", Kind.FIX, "Use a tax type that the account allows."),
    _rule(r"item code .* is not valid", "item-unknown", Kind.FIX, "Create the item in Xero or correct the code."),
    _rule(r"does not match the expected line total", "line-total", Kind.FIX, "Leave LineAmount to Xero."),
    _rule(r"payment or credit note allocated|has payments or credit notes", "has-payments", Kind.FIX,
          "Remove the payment or the allocation first."),
    _rule(r"only created and deleted", "payment-fixed", Kind.FIX, "Delete the payment and make another."),
    _rule(r"batch payment", "batch-payment", Kind.FIX, "Take it out of its batch payment in Xero first."),
    _rule(r"must equal total credits", "unbalanced", Kind.FIX, "The journal's lines must sum to zero."),
    _rule(r"allocated to it|has been allocated|has allocations", "allocated", Kind.FIX,
          "Take the allocation away first."),
    _rule(r"(exceeds|greater than|more than) the (remaining|outstanding) ", "over-allocated", Kind.FIX,
          "Correct the amount: the credit or the document has less left."),
    _rule(r"due date must be|duedate", "due-date", Kind.FIX, "Give the document a due date."),
    _rule(r"tracking (option|category)", "tracking", Kind.FIX,
          "Use a tracking option that Xero has, and that is active."),
    _rule(r"quantity on hand|tracked inventory|inventory asset", "stock", Kind.FIX, "Correct the stock in Xero."),
    _rule(r"used in a transaction|item is in use", "in-use", Kind.FIX, "What is used cannot be deleted: archive it."),
    _rule(r"status change is invalid|deleted \w+ cannot be updated|cannot be updated in (its|this) status", "status",
          Kind.FIX, "The document's state in Xero does not allow this."),
    _rule(r"permission", "permission", Kind.FIX, "Give the connecting user the permission in Xero."),
    _rule(r"may have SentToContact", "status", Kind.FIX, "Say that it was sent once the order is approved."),
    _rule(r"not of valid status", "status", Kind.FIX, "The document's state in Xero does not allow this."),
    _rule(r"exceeds the amount outstanding", "overpaid", Kind.FIX, "Correct the amount: is it paid already?"),
    _rule(r"only be made against authorised", "not-approved", Kind.FIX, "Approve the document in Xero first."),
    _rule(r"account type is invalid for making a payment|must be valid for payment", "payment-account", Kind.FIX,
          "Use a bank account, or enable payments to the account."),
    _rule(r"reconciled and cannot be deleted", "reconciled", Kind.FIX, "Undo the reconciliation in Xero first."),
    _rule(r"email address must be valid", "email", Kind.FIX, "Correct the e-mail address."),
    _rule(r"length of the field|maximum length|too long", "too-long", Kind.FIX, "Shorten the text."),
    _rule(r"reached the limit of invoices", "plan-limit", Kind.FIX, "Raise the organisation's Xero plan."),
    _rule(r"supplied id was not found|could not be found|does not exist for this", "not-found", Kind.FIX,
          "The object is not in this organisation any more."),
    _rule(r"not filtering .* efficiently", "high-volume", Kind.FIX, "Narrow the request."),
)  # fmt: skip
OTHER = _rule("", "refused", Kind.FIX, "Read Xero's words and correct the record or the mapping.")


def failure(messages: Sequence[str]) -> Failure:
    """The failure of one element. With several messages the first that a rule knows decides; all are quoted."""
    rules = [next((rule for rule in RULES if rule.pattern.search(message)), OTHER) for message in messages]
    rule = next((one for one in sorted(rules, key=_weight)), OTHER)
    quoted = " / ".join(dict.fromkeys(messages)) or "Xero refused it without a word."
    return Failure(rule.code, rule.kind, quoted[:LONGEST], rule.remedy)


def _weight(rule: Rule) -> int:
    """A person's work goes before a wait or a probe: those would not cure it."""
    return 2 if rule is OTHER else 0 if rule.kind is Kind.FIX else 1


def too_many(answer: Answer) -> Failure:
    """A 429: nothing was written, Xero counts before it looks at anything."""
    problem = limit_of(answer)
    seconds = seconds_of(answer.headers.get("retry-after", ""))
    if problem == "day":
        words = "The day's allowance of API calls of this organisation is used up."
        return Failure("xero.limit-day", Kind.STOP, words, "It begins anew within 24 hours.", seconds or 3600)
    default = CONCURRENT_RETRY if problem == "concurrent" else DEFAULT_RETRY
    return Failure(f"xero.limit-{problem or 'unknown'}", Kind.RETRY, "Too many API calls.", "", seconds or default)


def limit_of(answer: Answer) -> str:
    """Which limit a 429 speaks of: ``minute``, ``day``, ``concurrent``, ``appminute`` (also seen as ``app-minute``)."""
    return answer.headers.get("x-rate-limit-problem", "").strip("[] ").lower().replace("-", "")


def seconds_of(text: str) -> int | None:
    """A Retry-After in seconds; at most a day."""
    seconds = calls_of(text)
    return None if seconds is None else min(seconds, 86_400)


def calls_of(text: str) -> int | None:
    """A number of calls in a header, if it is one."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else None


STATUSES = {
    401: Failure(
        "xero.unauthorised", Kind.STOP, "Xero does not accept our token.", "Check client id, secret and scopes."
    ),
    403: Failure(
        "xero.forbidden", Kind.STOP, "Xero denies this organisation to us.", "Connect the organisation again."
    ),
    404: Failure("xero.not-found", Kind.FIX, "The object is not in this organisation.", "It may have been deleted."),
}
