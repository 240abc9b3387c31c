"""Moves of a link that a look-up makes: before a birth, or for a call nobody answered for."""

from __future__ import annotations

from dataclasses import replace

from connector.core import link_failures as failures
from connector.core.failure import Failure
from connector.core.link_calls import confirmed
from connector.core.link_events import GONE, MEANWHILE, PAST, UNCLAIMED, Applied, Found
from connector.core.link_explain import explained
from connector.core.link_parts import aimed, claimed, ended, free, hold, judge, newer, over, sticky
from connector.core.link_rest import rest
from connector.core.link_state import NEVER, PROBE_TWICE, Attempt, Hold, Link, Observation, Rules
from connector.core.records import Side

ASKED = {UNCLAIMED: failures.UNCLAIMED, MEANWHILE: failures.MEANWHILE}
SHOWN = 5  # of what was found, by name; the ids are all in the review


def look(link: Link, event: Found, rules: Rules) -> Link:
    """The look-up before a birth came back."""
    if sticky(link):
        return link
    if event.call:
        return _probed_late(link, event, rules)
    if not event.hits and event.policy == PAST:
        return ended(link, "before")  # nothing there is its match
    if not event.hits and event.policy in ASKED:
        return hold(link, Hold.FAILED, ASKED[event.policy])
    if not event.hits:
        return rest(replace(link, looked=True), rules)
    if len(event.hits) > 1:
        return hold(link, Hold.FAILED, _told(failures.AMBIGUOUS, event), event.hits)
    if event.policy != "link":
        one = failures.TAKEN if event.policy == "stop" else failures.FOUND
        return hold(link, Hold.FAILED, _told(one, event), event.hits)
    return rest(_joined(link, event), rules)


def _told(failure: Failure, event: Found) -> Failure:
    """With what was found, by name: an id alone says nothing to who must choose."""
    if not any(event.names):
        return failure
    found = [f"{name} ({hit})" if name else hit for hit, name in zip(event.hits, event.names, strict=False)]
    more = f" and {len(event.hits) - SHOWN} more" if len(event.hits) > SHOWN else ""
    return replace(failure, message=f"{failure.message.rstrip('.')}: {', '.join(found[:SHOWN])}{more}.")


def unseen(link: Link, event: Found, rules: Rules) -> Link:
    """The target that was to be read is not there for us. Missing is not deleted: nothing is written, a person is
    asked, and it goes on when somebody sees it again."""
    end = link.end(event.side)
    read = not event.hits and not event.call and event.side is not link.id.side
    if not read or event.version is None or end.asked is None or event.version <= end.asked:
        return link
    link = link.with_end(event.side, replace(end, asked=None))
    return link if sticky(link) else hold(link, Hold.FAILED, failures.TARGET_MISSING)


def _joined(link: Link, event: Found) -> Link:
    live = aimed(free(link), event.side, event.hits[0])
    live = replace(live, line_ids=event.line_ids)
    if event.version is None:
        return live
    return judge(live, event.side, _observation(event))


def _observation(event: Found) -> Observation:
    gone = event.status == "gone"
    return Observation(event.hits[0], event.version or NEVER, event.stamp, event.flat, event.status, gone)


def _probed_late(link: Link, event: Found, rules: Rules) -> Link:
    """The answer to the probe of a call that is over. One that found our object forbids another birth."""
    if len(event.hits) != 1 or not event.ours or event.version is None or event.status == "gone":
        return link
    return rest(claimed(link, event.side, _observation(event)), rules)


def probe_create(link: Link, event: Found, rules: Rules) -> Link:
    """The probe of a create whose outcome nobody knew. "Not there" is believed when seen twice, 30 s apart."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return link
    if len(event.hits) > 1:
        return hold(_given_up(link, attempt), Hold.FAILED, _told(failures.TWINS, event), event.hits)
    if event.hits and not event.ours:
        return hold(_given_up(link, attempt), Hold.FAILED, _told(_not_ours(attempt), event), event.hits)
    link, attempt = _looked(link, attempt)
    if event.hits:
        return confirmed(link, _as_applied(event, attempt), rules, read=True)
    held = link.end(attempt.side).held
    if held is not None and not held.gone:
        return confirmed(link, _held_as_applied(held, attempt), rules, read=True)
    if event.at < attempt.probe_from:
        return link
    if attempt.absent_at is None or event.at - attempt.absent_at < PROBE_TWICE:
        return replace(link, attempt=replace(attempt, absent_at=attempt.absent_at or event.at))
    return rest(_given_up(link, attempt), rules)


def _not_ours(attempt: Attempt) -> Failure:
    """Whose it is, is certain where Xero refused a repeat: had the first send made it, the same key had said so."""
    refused = attempt.refused_at is not None and attempt.side is Side.XERO
    return failures.TAKEN if refused else failures.STRANGER


def _looked(link: Link, attempt: Attempt) -> tuple[Link, Attempt]:
    """The look that a refusal calls for has been: if it brought nothing, the next one has its time."""
    attempt = replace(attempt, refused_at=None)
    return replace(link, attempt=attempt), attempt


def _given_up(link: Link, attempt: Attempt) -> Link:
    return replace(over(link, attempt), looked=True, born=None)


def probe_update(link: Link, event: Found, rules: Rules) -> Link:
    """The target as it stands after an update of unknown outcome: applied if it shows all that was sent."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return link
    if attempt.operation == "create":  # its target was found by its mark in the moment it was announced
        return probe_create(link, event, rules)
    link, attempt = _looked(link, attempt)
    early = event.at < attempt.probe_from
    if not event.hits:
        return link if early else hold(over(link, attempt), Hold.FAILED, failures.TARGET_MISSING)
    if event.version is None or event.hits[0] != link.end(attempt.side).id:
        return link
    if _shows(link, event, attempt):
        return confirmed(link, _as_applied(event, attempt), rules, read=True)
    return link if early else _not_shown(link, event, attempt, rules)


def _not_shown(link: Link, event: Found, attempt: Attempt, rules: Rules) -> Link:
    held, side = link.end(attempt.side).held, attempt.side
    link = judge(over(link, attempt), side, _observation(event))
    if held is not None and newer(link.end(side), held.version, held.stamp) and held.object_id == link.end(side).id:
        link = judge(link, side, held)
    return rest(link, rules)


def _shows(link: Link, event: Found, attempt: Attempt) -> bool:
    """Whether the call was carried out. A call is written as a whole: if some of what it changed is there and nothing
    stands as before, it was, and what is different now was changed by somebody afterwards."""
    if attempt.operation == "remove":
        return event.status == "gone"
    if attempt.operation == "approve":
        return event.status not in ("draft", "")
    before = link.seen(attempt.side)
    changed = {path: text for path, text in attempt.sent.items() if before.get(path, GONE) != text}
    shown = {path: event.flat.get(path, GONE) for path in changed}
    arrived = [path for path, text in changed.items() if explained(text, shown[path])]
    as_before = [path for path in changed if shown[path] == before.get(path, GONE) != GONE]
    return len(arrived) == len(changed) or (bool(arrived) and not as_before)


def _as_applied(event: Found, attempt: Attempt) -> Applied:
    return Applied(
        attempt.call,
        event.hits[0],
        event.version or NEVER,
        event.stamp,
        event.flat or None,
        event.status,
        event.line_ids,
    )


def _held_as_applied(held: Observation, attempt: Attempt) -> Applied:
    return Applied(attempt.call, held.object_id, held.version, held.stamp, held.flat, held.status)
