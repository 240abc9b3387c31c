"""What the facts do not settle about Xero. Each doubt is a switch; the first value is what seems likelier.

``POST /__sim/doubts {"not_modified": "304"}`` turns one over while it runs, so that a client can be shown to bear both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from connector.simulators.control import Refused

CHOICES = {
    "not_modified": ("200", "304"),  # If-Modified-Since and no change: an empty list, or 304
    "app_limit_word": ("appminute", "app-minute"),  # X-Rate-Limit-Problem of the app's own limit
    "due_date": ("required", "optional"),  # of a submitted or approved invoice
    "summarised_batch": ("kept", "undone"),  # the good elements of a batch that is answered by a 400
    "allocation_deleted": ("bumps", "silent"),  # UpdatedDateUTC of the credit when an allocation is taken away
    "billed_order": ("deletable", "fixed"),  # a recording deleted one; another simulator says it cannot be
    "answer_order": ("request", "reversed"),  # of a batch's elements
    "payment_webhook": ("fires", "silent"),  # whether an invoice that is paid, or credited, is told by a webhook
    "contact_of_allocation": ("any", "same"),  # may a credit go to another contact's document
}


@dataclass
class Doubts:
    """One simulator's answers to them."""

    not_modified: str = "200"
    app_limit_word: str = "appminute"
    due_date: str = "required"
    summarised_batch: str = "kept"
    allocation_deleted: str = "bumps"
    billed_order: str = "deletable"
    answer_order: str = "request"
    payment_webhook: str = "fires"
    contact_of_allocation: str = "any"
    high_volume: int = 100_000  # objects of a list that is asked for without any filter; beyond it a 400

    def change(self, given: dict[str, Any]) -> None:
        """Raises Refused for a name or value that cannot be."""
        known = {part.name for part in fields(self)}
        for name, value in given.items():
            if name not in known:
                raise Refused(f"doubts are {sorted(known)}, not {name!r}")
            good = isinstance(value, int) and value > 0 if name == "high_volume" else value in CHOICES[name]
            if not good:
                raise Refused(f"{name} cannot be {value!r}")
            setattr(self, name, value)
