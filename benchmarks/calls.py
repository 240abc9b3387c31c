"""What the work cost in API calls, and the least that it could have cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from connector.cli.stage import Actor

SALESFORCE_BATCH, XERO_BATCH = 200, 50
_QUOTED_ID = re.compile(r"'([0-9A-Za-z]{18})'")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where both logs of one simulator stood."""

    requests: int
    writes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls of one phase. ``safety`` are reads by id of what no person had changed, ``timed`` what the clock makes."""

    reads: int
    safety: int
    writes: int
    timed: int
    written: int
    other: int


async def mark(actor: Actor) -> Mark:
    """Now."""
    requests = await actor.call("GET", "/__sim/requests")
    writes = await actor.call("GET", "/__sim/writes")
    return Mark(int(requests[-1]["n"]) if requests else 0, int(writes[-1]["n"]) if writes else 0)


async def cost(actor: Actor, since: Mark, kind: str) -> Cost:
    """What was asked of a simulator since a mark. ``kind`` is ``salesforce`` or ``xero``."""
    requests = await actor.call("GET", f"/__sim/requests?since={since.requests}")
    writes = await actor.call("GET", f"/__sim/writes?since={since.writes}")
    rows = [row for row in requests if "/__sim" not in row["path"]]
    counts: Counter[str] = Counter()
    for row in rows:
        counts[_salesforce(row, writes) if kind == "salesforce" else _xero(row)] += 1
    written = sum(write["origin"] == "api" for write in writes)
    return Cost(counts["read"], counts["safety"], counts["write"], counts["timed"], written, counts["other"])


def _salesforce(row: Mapping[str, Any], writes: Sequence[Mapping[str, Any]]) -> str:
    path = row["path"]
    if "/cometd" in path:
        return "timed"
    if "/composite/" in path:
        return "write"
    if "/query" not in path:
        return "other"
    ids = set(_QUOTED_ID.findall(unquote_plus(row["query"])))
    last: dict[str, str] = {w["id"]: w["origin"] for w in writes if w["at"] <= row["at"] and w["id"] in ids}
    return "safety" if ids and all(last.get(one) != "ui" for one in ids) else "read"


def _xero(row: Mapping[str, Any]) -> str:
    if "/api.xro" not in row["path"]:
        return "other"
    if row["method"] in ("PUT", "POST"):
        return "write"
    query = unquote_plus(row["query"])
    if "IDs=" in query:  # a poll brings what changed: by id we ask before we change, and in doubt
        return "safety"
    return "read" if "where=" in query else "timed"


def least(objects: int, batch: int) -> int:
    """Full calls for so many objects."""
    return -(-objects // batch)
