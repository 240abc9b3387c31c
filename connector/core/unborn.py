"""Records that were seen and of which nothing is made: an older read of one, coming late, makes nothing either."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from connector.core.identity import LinkId
from connector.core.records import Record, Version

MOST = 20_000  # the oldest are forgotten: two reads of one record are seconds apart, not days


class Unborn:
    """How new the newest read was of each record without a link that did not match, by the link it would have had.

    A snapshot's page may come after the read of a change that it does not show yet.
    """

    def __init__(self) -> None:
        self._newest: OrderedDict[LinkId, tuple[Version, datetime | None]] = OrderedDict()

    def passed(self, link_id: LinkId, record: Record) -> None:
        """Nothing is made of this record now."""
        if not self.outdated(link_id, record):
            self._newest[link_id] = record.version, record.stamp
            self._newest.move_to_end(link_id)
            if len(self._newest) > MOST:
                self._newest.popitem(last=False)

    def outdated(self, link_id: LinkId, record: Record) -> bool:
        """Whether a newer read of this record has been passed over."""
        known = self._newest.get(link_id)
        if known is None:
            return False
        version, stamp = known
        if stamp is None or record.stamp is None or stamp == record.stamp:
            return record.version < version
        return record.stamp < stamp
