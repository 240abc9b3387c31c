"""Where a change stream and a poll of one object stand. Pure.

A replay id alone does not say how old it is, and Salesforce keeps events for 72 hours only: so the time up to which
all is behind us is kept beside it. From there a hole is read again when the id is no longer known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.errors import DataError
from connector.salesforce.cometd import ALL_KEPT

RETENTION = timedelta(hours=72)
MARGIN = timedelta(hours=1)  # the purge may come early, clocks differ
RESTING = timedelta(hours=60)  # an idle channel's id would soon be unknown: from here on it is all that is kept


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The last replay id that is behind us (or ALL_KEPT), and the time up to which nothing is missing.

    ``at`` None: written before times were kept, or nothing was heard yet.
    """

    replay_id: int
    at: datetime | None = None

    def to_text(self) -> str:
        return json.dumps({"replay": self.replay_id, "at": self.at.isoformat() if self.at else None})

    @classmethod
    def from_text(cls, text: str) -> StreamPosition:
        """Raises DataError (``salesforce.position``)."""
        try:
            raw = json.loads(text)
            if isinstance(raw, int):
                return cls(raw)
            return cls(int(raw["replay"]), datetime.fromisoformat(raw["at"]) if raw["at"] else None)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("salesforce.position", "A stored Salesforce position cannot be read.") from error

    def hole(self, now: datetime) -> bool:
        """Whether what is kept may begin after ``at``. An unknown replay id is told by the server, not seen here."""
        return self.replay_id == ALL_KEPT and self.at is not None and now - self.at > RETENTION - MARGIN

    def rested(self, now: datetime, heard: datetime) -> StreamPosition:
        """The position of a channel that had nothing to say, while its polls were answered until ``heard``.

        An id near its end becomes ALL_KEPT: that can never be unknown, and all that is kept is then either new or
        comes twice, which is harmless.
        """
        if self.at is None or heard <= self.at:
            return self
        if self.replay_id == ALL_KEPT or now - self.at > RESTING:
            return StreamPosition(ALL_KEPT, heard)
        return self


@dataclass(frozen=True, slots=True)
class PollPosition:
    """Everything stamped before ``at``, and everything deleted before ``deleted``, is behind us."""

    at: datetime
    deleted: datetime

    def to_text(self) -> str:
        return json.dumps({"at": self.at.isoformat(), "deleted": self.deleted.isoformat()})

    @classmethod
    def from_text(cls, text: str) -> PollPosition:
        """Raises DataError (``salesforce.position``)."""
        try:
            raw = json.loads(text)
            return cls(datetime.fromisoformat(raw["at"]), datetime.fromisoformat(raw["deleted"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("salesforce.position", "A stored Salesforce position cannot be read.") from error
