"""What a confirmed call makes agreed, and whether a field only swings."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from connector.core import link_failures as failures
from connector.core.link_events import GONE, Applied, Texts
from connector.core.link_explain import explained, is_number
from connector.core.link_parts import hold, moved
from connector.core.link_state import FLIPS, Attempt, Hold, Link, Rules
from connector.core.records import Side


def agree(link: Link, attempt: Attempt, event: Applied, rules: Rules, *, read: bool) -> Link:
    """Agreed moves for what this call changed, to what the answer gives. What was only carried along (lines are sent
    as a whole) and every other field of the answer is an observation. So is, in a later ``read``, a sent field that
    shows another value than its type explains."""
    side, other = attempt.side, attempt.side.other
    known, there, answer = link.seen(side), link.seen(other), event.flat
    shown, agreed, unread = _shown(attempt, known, answer), dict(link.agreed), {}
    lines = {_line(path) for path in answer or {} if "/" in path}
    for path, text in attempt.sent.items():
        if known.get(path, GONE) == text:
            continue
        whole = "/" in path and (read or _line(path) in lines)  # a read shows all lines; a line that is shown is whole
        missing = GONE if whole else text
        own = text if answer is None or text == GONE else answer.get(path, missing)
        exact = rules.is_exact(path)
        base = text if read and not explained(text, own, exact=exact) else own
        agreed[path] = (text, base) if side is Side.XERO else (base, text)
        shown[path] = own
        if text == GONE:
            del agreed[path]
            shown.pop(path, None)
        elif own == GONE:
            shown.pop(path)
        elif answer is None and not (exact and is_number(text)):
            unread[path] = text
    filled = {} if rules.two_way or answer is None else _filled(attempt, known, answer, read=read)
    link = replace(link, agreed={**filled, **agreed})
    end, elsewhere = link.end(side), link.end(other)
    fresh = replace(
        end,
        id=event.object_id or end.id,
        version=event.answered,
        stamp=event.stamp,
        drift=moved(shown, link.base(side)),
        sent=unread,
    )
    silent = link.refs if other is link.id.side else ()
    return link.with_end(side, fresh).with_end(other, replace(elsewhere, drift=moved(there, link.base(other), silent)))


def _filled(attempt: Attempt, known: Texts, answer: Texts, *, read: bool) -> dict[str, tuple[str, str]]:
    """What the side filled in by itself where a document said nothing: nobody's edit, until somebody edits it. Of what
    a later ``read`` shows that is known only of the fields of our own lines."""
    ours = {_line(path) for path in attempt.sent if "/" in path}
    new = {path: text for path, text in answer.items() if path not in attempt.sent and path not in known}
    filled = {path: text for path, text in new.items() if not read or _line(path) in ours}
    return {path: (GONE, text) if attempt.side is Side.XERO else (text, GONE) for path, text in filled.items()}


def _line(path: str) -> str:
    return path.rsplit("/", 1)[0]


def _shown(attempt: Attempt, known: Texts, answer: Texts | None) -> dict[str, str]:
    """What a side holds after the answer. An answer shows all lines that are there, if it shows lines at all."""
    if answer is None:
        return dict(known)
    whole = any("/" in path for path in answer) or not any("/" in path for path in attempt.sent)
    return {path: text for path, text in known.items() if "/" not in path or not whole} | dict(answer)


def swings(link: Link, attempt: Attempt) -> Link:
    """Count how often a field is set back: the other side set what we set here before, or we restore the same value
    over the same edit. The third time a person must look."""
    known, drift, flips = link.seen(attempt.side), link.end(attempt.side).drift, dict(link.flips)
    stuck: list[str] = []
    for path, text in attempt.sent.items():
        was = known.get(path, GONE)
        if was == text:
            continue
        count, side, last, before = (*flips.get(path, "").split("|"), "", "", "")[:4]
        ours, theirs = _short(text), _short(was)
        restored = side == attempt.side and (last, before) == (ours, theirs) and path in drift
        swung = side == attempt.side.other and (last, before) == (theirs, ours)
        number = int(count or 0) + 1 if restored or swung else 0
        flips[path] = f"{number}|{attempt.side.value}|{ours}|{theirs}"
        if number >= FLIPS:
            stuck.append(path)
    link = replace(link, flips=flips)
    return hold(link, Hold.CONFLICT, failures.OSCILLATES, tuple(stuck)) if stuck else link


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
