"""Everything that can happen to a link: one cell for each phase and event. What cannot be is written ``impossible``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from connector.core.link_calls import claim, confirm, ignore, lose, refuse, refuse_unknown, repeat, start
from connector.core.link_decide import revive, settle
from connector.core.link_events import (
    Applied,
    Asked,
    Due,
    Found,
    LinkEvent,
    Observed,
    Rejected,
    Settled,
    Started,
    Unknown,
    Wanted,
)
from connector.core.link_look import look, probe_create, probe_update, unseen
from connector.core.link_moves import adopt, again, ask, expire, keep, see, take, wake
from connector.core.link_state import Link, Phase, Rules

Move: TypeAlias = Callable[[Link, Any, Rules], Link]

TABLE: Mapping[Phase, Mapping[type[LinkEvent], Move]] = {
    #  no target yet, no call: wants a look-up, a birth, or waits
    Phase.NEW: {
        Wanted: take, Observed: adopt, Found: look, Started: start, Applied: claim,
        Rejected: ignore, Unknown: ignore, Settled: settle, Due: wake, Asked: ask,
    },
    #  the birth is announced
    Phase.CREATING: {
        Wanted: take, Observed: see, Found: ignore, Started: repeat, Applied: confirm,
        Rejected: refuse, Unknown: lose, Settled: ignore, Due: expire, Asked: ask,
    },
    #  nobody knows whether it was born
    Phase.LOST: {
        Wanted: take, Observed: see, Found: probe_create, Started: repeat, Applied: confirm,
        Rejected: refuse_unknown, Unknown: ignore, Settled: ignore, Due: keep, Asked: ask,
    },
    #  both ends are there, no call
    Phase.LIVE: {
        Wanted: take, Observed: see, Found: unseen, Started: start, Applied: ignore,
        Rejected: ignore, Unknown: ignore, Settled: settle, Due: wake, Asked: ask,
    },
    #  a change is announced
    Phase.UPDATING: {
        Wanted: take, Observed: see, Found: ignore, Started: repeat, Applied: confirm,
        Rejected: refuse, Unknown: lose, Settled: ignore, Due: expire, Asked: ask,
    },
    #  nobody knows whether the change arrived
    Phase.UNSURE: {
        Wanted: take, Observed: see, Found: probe_update, Started: repeat, Applied: confirm,
        Rejected: refuse_unknown, Unknown: ignore, Settled: ignore, Due: keep, Asked: ask,
    },
    #  over; it stays, so that nothing is born of the same record twice
    Phase.ENDED: {
        Wanted: again, Observed: ignore, Found: ignore, Started: start, Applied: ignore,
        Rejected: ignore, Unknown: ignore, Settled: revive, Due: ignore, Asked: ignore,
    },
}  # fmt: skip
