"""Three-way merge of a link: what was agreed, where each side stands, whose field it is. Says what to write where.

No two sides are ever compared directly: each is compared with what it held itself when both agreed, so that a value
which the other side trimmed, rounded or filled is not taken for an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.core.link_events import FOREIGN, GONE
from connector.core.link_state import Life, Link, Rules
from connector.core.records import Side
from connector.core.values import question

EMPTY = (GONE, "null", '""')  # a field that holds nothing


@dataclass(frozen=True, slots=True)
class Merge:
    """``to[side]`` are paths to write there; ``quiet`` are paths on which both sides already hold the same."""

    to: Mapping[Side, dict[str, str]]
    conflicts: tuple[str, ...] = ()
    quiet: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def merge(link: Link, rules: Rules) -> Merge:
    """Decide every path on which an end has moved since both agreed."""
    to: dict[Side, dict[str, str]] = {Side.SALESFORCE: {}, Side.XERO: {}}
    conflicts: list[str] = []
    quiet: dict[str, tuple[str, str]] = {}
    salesforce, xero = link.salesforce.drift, link.xero.drift
    for path in [*salesforce, *(path for path in xero if path not in salesforce)]:
        verdict = _judge(link, rules, path)
        if verdict == "quiet":
            quiet[path] = (_seen(link, Side.SALESFORCE, path), _seen(link, Side.XERO, path))
        elif verdict == "conflict":
            conflicts.append(path)
        elif verdict in ("salesforce", "xero"):
            winner = Side(verdict)
            to[winner.other][path] = _seen(link, winner, path)
    return Merge(to, tuple(conflicts), quiet)


def _seen(link: Link, side: Side, path: str) -> str:
    drift = link.end(side).drift
    if path in drift:
        return drift[path]
    pair = link.agreed.get(path)
    return GONE if pair is None else pair[0 if side is Side.SALESFORCE else 1]


def _judge(link: Link, rules: Rules, path: str) -> str:
    """quiet | keep | conflict | the side whose value wins."""
    moved = {side for side in Side if path in link.end(side).drift}
    here, there = _seen(link, Side.SALESFORCE, path), _seen(link, Side.XERO, path)
    if here == there:
        return "quiet"
    if rules.as_found and not link.agreed and _met(link, rules, path):
        return "quiet"
    owner = rules.owner(path)
    if owner == "source":
        return _one_way(link, rules, path, moved)
    if owner in ("salesforce", "xero"):
        return "keep" if _silent(link, Side(owner), path) else owner
    if len(moved) == 1:
        return next(iter(moved)).value
    if path not in link.agreed:
        return _first_meeting(link, here, there)
    return _by_policy(link, rules, path)


def _silent(link: Link, side: Side, path: str) -> bool:
    """Whether a side has never said anything about a scalar: nothing is not a value."""
    return "/" not in path and _seen(link, side, path) == GONE


def _one_way(link: Link, rules: Rules, path: str, moved: set[Side]) -> str:
    """A document follows its source; what a person changed in it stays until the source changes the same field."""
    if rules.source not in moved:
        return "keep"
    if path in link.once and (_born(link, path) or _answered(link, rules, path)):
        return "quiet"
    edited = _edited_line(link, rules, path) or _foreign(link, rules, path)
    if (rules.target in moved and _known(link, rules, path)) or edited:
        verdict = _by_policy(link, rules, path)
        return "keep" if verdict == rules.target.value else verdict
    return rules.source.value


def _known(link: Link, rules: Rules, path: str) -> bool:
    """Whether what stands in the target can be an edit: it was agreed on, or it is something, in a document that was
    born of us. What was there before the two were joined follows the source; so does a field that we left empty for a
    reference that was not known yet."""
    left_empty = "/" not in path and _seen(link, rules.target, path) in EMPTY
    return path in link.agreed or (link.born is not None and not left_empty)


def _edited_line(link: Link, rules: Rules, path: str) -> bool:
    """Whether a person changed any field of the line that the source took out, or took out the line it changed."""
    line, out = path.rsplit("/", 1)[0] + "/", _seen(link, rules.source, path) == GONE
    return any(
        other.startswith(line) and (text != GONE if out else text == GONE)
        for other, text in link.end(rules.target).drift.items()
    )


def _foreign(link: Link, rules: Rules, path: str) -> bool:
    """Whether lines that nobody agreed on stand beside ours, where the mapping does not just keep them."""
    return "/" in path and link.end(rules.target).drift.get(FOREIGN, EMPTY[0]) not in EMPTY


def _born(link: Link, path: str) -> bool:
    """Whether what a path belongs to is there already: the document, or the line."""
    return link.life is Life.LIVE and ("/" not in path or path in link.agreed)


def _answered(link: Link, rules: Rules, path: str) -> bool:
    """Whether the source asks for an object and the target names one: a birth whose answer was lost shows the id."""
    asked = _seen(link, rules.source, path)
    return _seen(link, rules.target, path) not in EMPTY and asked != GONE and question(asked) is not None


def _first_meeting(link: Link, here: str, there: str) -> str:
    """Two records that were just matched: a side that holds nothing takes the other's, else the later one wins."""
    if here in EMPTY:
        return Side.XERO.value
    if there in EMPTY:
        return Side.SALESFORCE.value
    return _latest(link)


def _by_policy(link: Link, rules: Rules, path: str) -> str:
    policy = rules.policy(path)
    if policy in ("salesforce", "xero"):
        return policy
    return _latest(link) if policy == "latest" else "conflict"


def _met(link: Link, rules: Rules, path: str) -> bool:
    """Whether both ends have what a path belongs to, a field or a line, at their first meeting."""
    if "/" not in path:
        return all(path in link.end(side).drift for side in Side)
    line = path.rsplit("/", 1)[0] + "/"
    return all(any(other.startswith(line) for other in link.end(side).drift) for side in Side)


def _latest(link: Link) -> str:
    """The side that says it changed later; on equal or missing stamps, a person."""
    here, there = link.salesforce.stamp, link.xero.stamp
    if here is None or there is None or here == there:
        return "conflict"
    return Side.SALESFORCE.value if here > there else Side.XERO.value
