"""Moves of a link that a call makes: announced, confirmed, refused, lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.core import link_failures as failures
from connector.core.failure import Kind
from connector.core.link_agree import agree, swings
from connector.core.link_events import Applied, LinkEvent, Rejected, Started, Unknown
from connector.core.link_parts import claimed, closed, ended, free, hold, judge, line_ids, over
from connector.core.link_rest import rest
from connector.core.link_state import Attempt, End, Hold, Life, Link, Observation, Rules
from connector.core.records import Side

BACKOFF = (5, 30, 120, 600, 3600)  # seconds, by the number of tries


def start(link: Link, event: Started, rules: Rules) -> Link:
    """A call is announced. An ended link that was announced in the same moment lives on until the call is over."""
    if event.call in link.closed or _fenced(link, event):
        return link
    attempt = Attempt(
        event.call, event.side, event.operation, event.sent, event.at, event.at, event.deadline, epoch=event.epoch
    )
    if link.life is Life.ENDED:
        alive = Life.LIVE if link.end(link.id.side.other).id else Life.NEW
        link = replace(link, life=alive, reason="", left=link.left or link.reason)
    if link.hold is Hold.LATER:
        link = replace(free(link), tries=link.tries)
    born = event.at if event.operation == "create" else link.born
    return replace(link, attempt=attempt, born=born)


def _fenced(link: Link, event: Started) -> bool:
    """Announced by an owner that a newer one had fenced by then: its lease cannot be renewed, so it sends nothing."""
    newest = max(link.salesforce.version, link.xero.version)
    return 0 < event.epoch < newest.epoch


def repeat(link: Link, event: Started, rules: Rules) -> Link:
    """The same call goes out once more, with the same bytes under the same key: nobody knows what became of the send
    before. A call of a newer owner replaces one that was announced after the fence, which was never sent: had it been
    announced before, the newer owner would have known of it, and started nothing."""
    attempt = link.attempt
    if attempt is None or event.epoch < attempt.epoch or event.call in link.closed:
        return link
    if attempt.call == event.call:
        again = replace(attempt, last_sent=event.at, deadline=event.deadline, absent_at=None, epoch=event.epoch)
        return replace(link, attempt=replace(again, unknown=True, refused_at=None))
    if event.epoch > attempt.epoch > 0:
        return start(replace(link, attempt=None), event, rules)
    return impossible(link, event, rules)


def confirm(link: Link, event: Applied, rules: Rules) -> Link:
    """The answer to our call: agreed moves for what was sent, to what the answer gives."""
    if link.attempt is None or link.attempt.call != event.call:
        return link
    return confirmed(link, event, rules)


def confirmed(link: Link, event: Applied, rules: Rules, *, read: bool = False) -> Link:
    """A call of ours was carried out. ``read``: it is not its answer that says so but a read some time later."""
    attempt = link.attempt
    if attempt is None:
        return link
    side, before, held = attempt.side, link.end(attempt.side), link.end(attempt.side).held
    if before.id and event.object_id and event.object_id != before.id:
        twin = replace(over(link, attempt), life=Life.LIVE)
        return rest(hold(twin, Hold.FAILED, failures.TWINS, (event.object_id,)), rules)
    link = swings(link, attempt) if attempt.operation == "update" else link
    link = replace(
        over(agree(link, attempt, event, rules, read=read), attempt),
        life=Life.LIVE,
        tries=0,
        looked=True,
        status=event.status or link.status,
        line_ids=line_ids(link.line_ids, event.line_ids),
    )
    if attempt.operation == "remove":
        return ended(link, link.left or "reissued", link.message if link.hold is Hold.NONE else "")
    link = _seen_meanwhile(_checked(link, attempt, event), side, held, event)
    return rest(link, rules)


def _checked(link: Link, attempt: Attempt, event: Applied) -> Link:
    """What was confirmed is not yet what was meant: the money must agree, an approval must have approved."""
    if event.money_differs:
        text = f"{failures.MONEY_DIFFERS.message} {event.money_differs}"
        return hold(link, Hold.FAILED, replace(failures.MONEY_DIFFERS, message=text))
    if attempt.operation == "approve" and event.flat is not None and link.status == "draft":
        return hold(link, Hold.FAILED, failures.NOT_APPROVED)
    return link


def _seen_meanwhile(link: Link, side: Side, held: Observation | None, event: Applied) -> Link:
    """What was kept during the call is judged if its read was sent after the answer came; else it is read again."""
    end = link.end(side)
    if held is not None and held.object_id != end.id and not held.gone:
        link = hold(link, Hold.FAILED, failures.COPIED_MARK, (held.object_id,))
    elif held is not None and held.version > event.answered:
        return judge(link, side, held)
    if held is not None or event.flat is None:
        return link.with_end(side, replace(end, asked=event.answered))
    return link


def refuse(link: Link, event: Rejected, rules: Rules) -> Link:
    """Nothing was written. The failure's kind says whether time, a person or another link can mend it."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call:
        return link
    held = link.end(attempt.side).held
    link = replace(over(link, attempt), born=None if link.life is Life.NEW else link.born)
    if held is not None and link.life is Life.NEW and not held.gone:
        return rest(claimed(link, attempt.side, held), rules)
    if held is not None and held.object_id == link.end(attempt.side).id:
        link = judge(link, attempt.side, held)
    failure = event.failure
    if failure.kind in (Kind.FIX, Kind.RESOLVE):
        return rest(hold(link, Hold.FAILED, failure), rules)
    if link.hold in (Hold.FAILED, Hold.CONFLICT):
        return rest(link, rules)
    wait = failure.retry_after if failure.retry_after is not None else BACKOFF[min(link.tries, len(BACKOFF) - 1)]
    later = hold(link, Hold.LATER, failure)
    return rest(replace(later, tries=link.tries + 1, not_before=event.at + timedelta(seconds=wait)), rules)


def refuse_unknown(link: Link, event: Rejected, rules: Rules) -> Link:
    """A refusal of a repeat says nothing about the earlier send, unless it is a result for this very element under
    the same key. Salesforce has no keys: there a repeat may be refused because of what the first one did. "Must be
    unique" may be our own object. All of that is for the probe to say, which goes at once."""
    attempt = link.attempt
    if attempt is None or attempt.call != event.call or not event.element:
        return link
    if attempt.side is Side.XERO and event.failure.kind is Kind.FIX:
        return refuse(link, event, rules)
    return replace(link, attempt=replace(attempt, refused_at=event.at))


def lose(link: Link, event: Unknown, rules: Rules) -> Link:
    """Nobody knows whether the call was carried out."""
    if link.attempt is None or link.attempt.call != event.call:
        return link
    return replace(link, attempt=replace(link.attempt, unknown=True))


def claim(link: Link, event: Applied, rules: Rules) -> Link:
    """A call that nobody waits for made an object: it is this link's, and no other may be born."""
    if not event.object_id or event.call in link.closed:
        return link
    side = link.id.side.other
    live = replace(link, life=Life.LIVE, looked=True, closed=closed(link, event.call))
    return rest(live.with_end(side, End(event.object_id, asked=event.answered)), rules)


def ignore(link: Link, event: LinkEvent, rules: Rules) -> Link:
    """Says nothing about this link any more."""
    return link


def impossible(link: Link, event: LinkEvent, rules: Rules) -> Link:
    """Cannot be, unless a guard was broken: the link stops and a person looks."""
    text = f"{failures.IMPOSSIBLE.message} {type(event).__name__} while {link.phase.value}."
    return hold(link, Hold.FAILED, replace(failures.IMPOSSIBLE, message=text))
