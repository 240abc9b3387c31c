"""Bring a link to rest: what is derived (agreement, conflict, waiting, farewell) in line with what its ends hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from connector.core import link_failures as failures
from connector.core.failure import Failure
from connector.core.link_events import GONE, TARGET
from connector.core.link_parts import RETURNS, UNDONE, ended, farewell, free, hold, sticky
from connector.core.link_state import End, Hold, Life, Link, Phase, Rules
from connector.core.merge import Merge, merge
from connector.core.records import Side

_TOLD = ("link.left-", "link.deleted-", "link.changed-", "link.undone-")


def rest(link: Link, rules: Rules) -> Link:
    """What every move ends with."""
    if link.life is Life.ENDED:
        return link
    verdict = merge(link, rules)
    link = _agreed(link, verdict)
    if _over(link):
        return ended(link, link.left)
    link = _waiting(_conflict(free(link) if _tells(link) else link, verdict), rules)
    return _told(link, rules, verdict)


def _over(link: Link) -> bool:
    """The call that an ended link was kept for is over. A record that left before its birth may come back."""
    if link.left in ("", *RETURNS, "merged") or (link.left == UNDONE and link.life is Life.LIVE):
        return False
    return link.attempt is None and not sticky(link)


def _agreed(link: Link, verdict: Merge) -> Link:
    """What both sides hold by now is agreed; a path that neither holds is forgotten."""
    if not verdict.quiet:
        return link
    agreed = {path: pair for path, pair in {**link.agreed, **verdict.quiet}.items() if pair != (GONE, GONE)}
    link = replace(link, agreed=agreed)
    for side in Side:
        link = link.with_end(side, _without(link.end(side), verdict.quiet))
    return link


def _without(end: End, paths: Iterable[str]) -> End:
    return replace(end, drift={path: text for path, text in end.drift.items() if path not in set(paths)})


def _conflict(link: Link, verdict: Merge) -> Link:
    conflicts = () if link.left else verdict.conflicts
    ours = link.hold is Hold.CONFLICT and link.code in failures.CONFLICTS
    if ours and not conflicts:
        return free(link)
    if ours and conflicts == link.hold_paths:
        return link  # as it is told already, here or by another mapping's link
    if ours and link.code == failures.ELSEWHERE.code:
        return replace(link, hold_paths=conflicts)
    if conflicts and (ours or link.hold in (Hold.NONE, Hold.WAITS)):
        return hold(link, Hold.CONFLICT, failures.CONFLICT, conflicts)
    return link


def _waiting(link: Link, rules: Rules) -> Link:
    missing = () if link.left else tuple(sorted(path for path, ref in link.refs.items() if not ref.optional))
    told = link.hold is Hold.FAILED and link.code == failures.UNLINKED.code
    if (link.hold is Hold.WAITS or told) and not missing:
        return free(link)
    if missing and link.hold in (Hold.NONE, Hold.WAITS):
        unlinked = rules.tells_unlinked and TARGET in missing
        return hold(link, *((Hold.FAILED, failures.UNLINKED) if unlinked else (Hold.WAITS, failures.WAITS)), missing)
    return link


def _told(link: Link, rules: Rules, verdict: Merge) -> Link:
    """What a mapping leaves to a person holds the link as long as it is so, and no longer."""
    if link.phase is not Phase.LIVE:
        return link
    if (
        link.status == "gone"
        and not rules.two_way
        and (link.left in (*RETURNS, UNDONE) or rules.target_gone == "recreate")
    ):
        return ended(link, link.left or "target-gone")
    if _kept(link, rules):
        return ended(link, "kept")
    parting = _farewell(link, rules)
    changed = verdict.to[rules.target]
    if _credited(link, rules, changed):
        return ended(link, "credited")
    told = parting or _unwelcome(link, rules, bool(changed))
    if told is None or link.hold is Hold.FAILED or (parting is None and link.hold is not Hold.NONE):
        return link
    return hold(link, Hold.FAILED, told)


def _kept(link: Link, rules: Rules) -> bool:
    """The record is gone, and what was made of it stays, as its mapping says (a note, a file): nothing follows."""
    policy = rules.deleted if link.left == "deleted" else rules.left
    return not rules.two_way and link.left in RETURNS and policy.get(link.status) == "keep"


def _tells(link: Link) -> bool:
    return link.hold is Hold.FAILED and (link.code == failures.TARGET_GONE.code or link.code.startswith(_TOLD))


def _farewell(link: Link, rules: Rules) -> Failure | None:
    """The record left and its target cannot be taken back, or the target is gone. Of two equal ends one may leave:
    the link rests."""
    if rules.two_way and link.left in RETURNS:
        return None
    if link.status == "gone":
        return None if rules.as_found else failures.TARGET_GONE
    if link.left == "merged":
        return failures.TWINS
    if not link.left:
        return None
    if farewell(link, rules) in ("delete", "void"):
        return None
    return replace(failures.LEFT, code=f"link.{link.left}-{link.status or 'unknown'}")


def _credited(link: Link, rules: Rules, changed: Iterable[str]) -> bool:
    """Whether a change makes a new document, and this one is credited: once nothing is in doubt about either end, and
    for what both once agreed on. What an adopted document spells differently is only set right."""
    if rules.two_way or link.left or link.hold is not Hold.NONE or rules.changed.get(link.status) != "credit":
        return False
    lines = any("/" in path for path in link.agreed)
    outgrown = any(path in link.agreed or (lines and "/" in path) for path in changed)
    return outgrown and all(link.end(side).asked is None for side in Side)


def _unwelcome(link: Link, rules: Rules, changed: bool) -> Failure | None:
    """A change that ``life.changed`` leaves to a person, because the target has come too far (approved, paid)."""
    if not changed or rules.two_way or link.left:
        return None
    if rules.changed.get(link.status, "tell" if link.status == "gone" else "update") != "tell":
        return None
    return replace(failures.CHANGED, code=f"link.changed-{link.status}")
