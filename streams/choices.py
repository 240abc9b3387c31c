"""What documents are coded by is judged before Xero sees it, by the settings that the polls have shown.

A choice that seems wrong may be newer than the last poll of its list: then the list is read once more, and decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from connector.core.link import Act
from connector.core.records import Side, Version
from connector.core.sending import Draft
from connector.core.values import Fields, from_canonical
from connector.xero.choices import LISTS, Settings, Wrong, wrong
from connector.xero.rest import XeroParty
from streams.connection import Connection

JUST_NOW = 2.0  # seconds
_HEADING = ("Type", "LineAmountTypes")  # what lines are judged by: an update sends it only where it changed


@dataclass(slots=True)
class Choices:
    """The settings of one organisation of Xero, by the list."""

    connection: Connection
    tenant: str
    party: XeroParty
    _read: dict[str, Version] = field(default_factory=dict)

    async def judged(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts; one with a wrong choice cannot be sent, and says why. Raises TryAgain, Unavailable, AuthError."""
        reread: set[str] = set()
        while True:
            settings = self._settings()
            found = [(piece, _wrong(piece, settings)) for piece in drafts]
            doubtful = {
                one.of for piece, one in found if one is not None and not self._is_newer(one.of, piece)
            } - reread
            if not doubtful:
                return [piece if one is None else replace(piece, unfit=one.error) for piece, one in found]
            for name in sorted(doubtful):
                await self._reread(name)
            reread |= doubtful  # what is right in one list may be wrong in the next

    def _settings(self) -> Settings:
        known = self.connection.reference
        lists: dict[str, list[Fields]] = {}
        for name in LISTS:
            if (self.tenant, name) in known:
                lists[name] = [record.fields for record in known[self.tenant, name].values()]
        return lists

    def _is_newer(self, name: str, piece: Draft) -> bool:
        """Whether a list was read just now, and after the record: it shows what could be picked there.

        Xero may have been put right since, and another try be asked for.
        """
        read = self._read.get(name)
        picked = piece.link.end(piece.todo.side.other).version
        return read is not None and read > picked and self.connection.numbers.lately(read, JUST_NOW)

    async def _reread(self, name: str) -> None:
        version = self.connection.numbers.next()
        page = await self.party.page(name)
        records = self.party.read_rows(page.rows, name, version)
        self.connection.reference[self.tenant, name] = {record.id: record for record in records}
        self.connection.tally["calls", Side.XERO.value, "settings looked at again"] += 1
        self._read[name] = version


def _wrong(piece: Draft, settings: Settings) -> Wrong | None:
    if piece.unfit is not None or piece.todo.act not in (Act.CREATE, Act.UPDATE):
        return None
    seen = piece.link.seen(Side.XERO)
    known = {name: from_canonical(seen[name]) for name in _HEADING if name in seen}
    return wrong(piece.write.entity, {**known, **piece.write.fields}, settings)
