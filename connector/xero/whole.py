"""Lists that only show an absence when they are read whole, and what was known of them. Pure but for ``Whole``.

A deleted item leaves no trace, and settings have neither times nor a status that would tell. Documents, contacts and
accounts end by their status, and are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from connector.core.absence import Suspects
from connector.errors import DataError
from connector.xero.entities import entity
from connector.xero.rest import XeroParty

COMPARED = ("Item", "TaxRate", "TrackingCategory", "BrandingTheme", "BankTransfer", "Currency")
BY_ID = frozenset(COMPARED) - {"Currency"}  # what can be asked for alone: else what is unseen stays missing
LOOKED = 20  # ids that are looked at one by one after a list; the others after the next


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last lists of one kind showed: kept between comparisons, and over a restart."""

    ids: frozenset[str] = field(default_factory=frozenset)
    suspects: Suspects = field(default_factory=Suspects)

    def to_text(self) -> str:
        one = self.suspects
        kept = {"ids": sorted(self.ids), "suspects": sorted(one.ids), "former": one.former, "lists": one.lists}
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises DataError (``xero.position``)."""
        try:
            raw = json.loads(text)
            suspects = Suspects(frozenset(map(str, raw["suspects"])), int(raw["former"]), int(raw["lists"]))
            return cls(frozenset(map(str, raw["ids"])), suspects)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("xero.position", "What was seen of a Xero list cannot be read.") from error


@dataclass(frozen=True, slots=True)
class Whole:
    """One organisation's lists as they are now."""

    party: XeroParty

    async def ids(self, name: str) -> frozenset[str]:
        """All of a list, in one call. Raises TryAgain, Unavailable, AuthError."""
        page = await self.party.page(name)
        return frozenset(row.id for row in page.rows)

    async def answered(self, name: str, ids: Iterable[str]) -> frozenset[str]:
        """Those that are there when they are asked for alone: a call each. Raises as ``ids``."""
        path, out = entity(name).path, set[str]()
        for one in ids:
            answer = await self.party.get(f"{path}/{quote(one, safe='')}")
            if answer.status != 404:
                out.add(one)
        return frozenset(out)
