"""Moves of a link that a call makes: announced, confirmed, refused, lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from connector.core import link_failures as failures
from connector.core.failure import Kind
from connector.core.link_events import (
    GONE,
    Applied,
    LinkEvent,
    Rejected,
    Started,
    Unknown,
)
from connector.core.link_parts import ended, hold, judge, rest
from connector.core.link_state import (
    FLIPS,
    Attempt,
    Hold,
    Life,
    Link,
    Rules,
)
from connector.core.records import Side

BACKOFF = (5, 30, 120, 600, 3600)  # seconds, by the number of tries


def start(link: Link, event: Started, rules: Rules) -> Link:
    """A call is announced. An ended link that was announced in the same moment lives on until the call is over."""
    life = Life.NEW if link.life is Life.ENDED else link.life
    left = link.left or (link.reason if link.life is Life.ENDED else "")
    attempt = Attempt(event.call, event.side, event.operation, event.sent, event.at, event.at, event.deadline)
    born = event.at if event.operation == "create" else link.born
    return replace(link, life=life, reason="", left=left, attempt=attempt, born=born, not_before=None)


def repeat(link: Link, event: Started, rules: Rules) -> Link:
    """The same call goes out once more, with the same bytes under the same key."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return impossible(link, event, rules)
    return replace(link, attempt=replace(attempt, last_sent=event.at, deadline=event.deadline, absent_at=None))


def confirm(link: Link, event: Applied, rules: Rules) -> Link:
    """The answer to our call: agreed moves for what was sent, to what the answer gives."""
    if link.attempt is None or link.attempt.call != event.call:
        return link
    return confirmed(link, event, rules)


def confirmed(link: Link, event: Applied, rules: Rules) -> Link:
    attempt = link.attempt
    if attempt is None:
        return link
    side, held = attempt.side, link.end(attempt.side).held
    link = _swings(link, attempt) if attempt.operation == "update" else link
    link = replace(
        _agree(link, attempt, event),
        life=Life.LIVE,
        attempt=None,
        tries=0,
        looked=True,
        status=event.status or link.status,
        line_ids={**link.line_ids, **event.line_ids},
    )
    if attempt.operation == "remove":
        return ended(link, link.left or "reissued")
    if event.money_differs:
        failure = replace(failures.MONEY_DIFFERS, message=f"{failures.MONEY_DIFFERS.message} {event.money_differs}")
        link = hold(link, Hold.FAILED, failure)
    if held is not None and held.version > event.answered:
        link = judge(link, side, held)
    elif held is not None or event.flat is None:
        link = link.with_end(side, replace(link.end(side), asked=event.answered))
    return rest(link, rules)


def _agree(link: Link, attempt: Attempt, event: Applied) -> Link:
    side, other = attempt.side, attempt.side.other
    answer = event.flat or {}
    here, there = {**link.seen(side), **answer}, link.seen(other)
    agreed = dict(link.agreed)
    for path, text in attempt.sent.items():
        own = GONE if text == GONE else answer.get(path, text)
        if text == GONE:
            agreed.pop(path, None)
            here.pop(path, None)
            continue
        here[path] = own
        agreed[path] = (text, own) if side is Side.XERO else (own, text)
    link = replace(link, agreed=agreed)
    end = replace(link.end(side), id=event.object_id, version=event.answered, stamp=event.stamp, held=None)
    link = link.with_end(side, replace(end, drift=_moved(here, link.base(side))))
    return link.with_end(other, replace(link.end(other), drift=_moved(there, link.base(other))))


def _moved(seen: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    moved = {path: text for path, text in seen.items() if base.get(path) != text}
    return moved | {path: GONE for path in base if path not in seen}


def _swings(link: Link, attempt: Attempt) -> Link:
    """Count how often a field is set back to the value before the last one; the third time a person must look."""
    flips = dict(link.flips)
    stuck: list[str] = []
    for path, text in attempt.sent.items():
        count, _, values = flips.get(path, "0|").partition("|")
        last, _, before = values.partition("\x00")
        number = int(count) + 1 if before == text and last != text else 0
        flips[path] = f"{number}|{text}\x00{last}"
        if number >= FLIPS:
            stuck.append(path)
    link = replace(link, flips=flips)
    if not stuck:
        return link
    return replace(hold(link, Hold.CONFLICT, failures.OSCILLATES), hold_paths=tuple(stuck))


def refuse(link: Link, event: Rejected, rules: Rules) -> Link:
    """Nothing was written. The failure's kind says whether time, a person or another link can mend it."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return link
    held = link.end(attempt.side).held
    link = replace(link, attempt=None, born=None if link.life is Life.NEW else link.born)
    link = link.with_end(attempt.side, replace(link.end(attempt.side), held=None))
    if held is not None:
        link = judge(link, attempt.side, held)
    failure = event.failure
    if failure.kind in (Kind.FIX, Kind.RESOLVE):
        return hold(link, Hold.FAILED, failure)
    wait = failure.retry_after if failure.retry_after is not None else BACKOFF[min(link.tries, len(BACKOFF) - 1)]
    link = replace(link, tries=link.tries + 1, not_before=event.at + timedelta(seconds=wait))
    return rest(hold(link, Hold.LATER, failure), rules)


def refuse_unknown(link: Link, event: Rejected, rules: Rules) -> Link:
    """A refusal of a repeat says nothing about the earlier send, unless it is a result for this very element.

    "Must be unique" after an unknown outcome may be our own object: the probe says.
    """
    if not event.element or event.failure.kind is Kind.RESOLVE:
        return link
    return refuse(link, event, rules)


def lose(link: Link, event: Unknown, rules: Rules) -> Link:
    """Nobody knows whether the call was carried out."""
    if link.attempt is None or link.attempt.call != event.call:
        return link
    return replace(link, attempt=replace(link.attempt, unknown=True))


def ignore(link: Link, event: LinkEvent, rules: Rules) -> Link:
    """Says nothing about this link any more."""
    return link


def impossible(link: Link, event: LinkEvent, rules: Rules) -> Link:
    """Cannot be, unless a guard was broken: the link stops and a person looks."""
    failure = replace(
        failures.IMPOSSIBLE, message=f"{failures.IMPOSSIBLE.message} {type(event).__name__} while {link.phase.value}."
    )
    return hold(link, Hold.FAILED, failure)
