"""Several documents of one record: which waits for which, and what one that fails means for the others. Pure.

``after`` holds a birth back until the other stands. With ``draft-first`` no draft is approved before all are drafted
and none is born, or stays a draft, beside one that cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from connector.core import link_failures as failures
from connector.core.identity import LinkId
from connector.core.link import state, step
from connector.core.link_events import AFTER, OF, WITH, Wanted
from connector.core.link_state import Hold, Life, Link, Rules, State
from connector.core.mapping.approval import AT_ONCE, approve_of
from connector.core.mapping.model import Mapping as Rule
from connector.core.values import Ref


@dataclass(frozen=True, slots=True)
class Sibling:
    """One document of a record as it was planned: by which rule, its link if there is one, and what the record says."""

    id: LinkId
    rule: Rule
    rules: Rules
    link: Link | None
    event: Wanted

    @property
    def wanted(self) -> bool:
        return self.event.flat is not None or self.event.refusal is not None

    @property
    def born(self) -> bool:
        return self.link is not None and self.link.life is not Life.NEW

    @property
    def drafted(self) -> bool:
        return self.wanted and approve_of(self.rule) != AT_ONCE

    @property
    def fails(self) -> bool:
        """Whether it cannot be made as the record is now."""
        if self.event.refusal is not None:
            return not self.born
        return self.link is not None and culprit(step(self.link, _resolved(self.event, self.link), self.rules))


def bound(
    planned: Sequence[Sibling], *, draft_first: bool, nothing_new: bool = False
) -> Iterator[tuple[LinkId, Wanted]]:
    """What is said to each link, with what it waits for. Beside one that fails, none of ``draft-first`` begins."""
    stands = {(one.id.tenant, one.id.part): one for one in planned if one.wanted}
    failing = {one.id for one in planned if draft_first and one.wanted and one.fails}
    drafts = [one for one in planned if draft_first and one.drafted]
    for one in sorted(planned, key=lambda each: each.link is None):  # who is freed says so before another is born
        if one.link is None and (nothing_new or failing - {one.id}):
            continue
        refs, tenant = dict(one.event.refs), one.id.tenant
        after = one.rule.part.after if one.rule.part is not None and not one.born else ()
        refs |= {AFTER + n: _ref(stands[tenant, n], optional=False) for n in after if (tenant, n) in stands}
        if one in drafts:
            others = [other for other in drafts if other.id != one.id and other.id.tenant == tenant]
            refs |= {WITH + other.id.part: _ref(other, optional=True) for other in others}
        yield one.id, replace(one.event, refs=refs) if one.wanted else one.event


def _ref(one: Sibling, *, optional: bool) -> Ref:
    return Ref(one.id.mapping, one.id.document, optional)


def _resolved(event: Wanted, link: Link) -> Wanted:
    """With the ids that the link knows in the place of references: settle puts them there before it folds."""
    known = {path: text for path, text in link.seen(event.side).items() if path in event.refs}
    refs = {path: ref for path, ref in event.refs.items() if path not in known}
    return event if event.flat is None else replace(event, flat={**event.flat, **known}, refs=refs)


def culprit(link: Link) -> bool:
    """Whether a link failed before its document was checked, so that nothing of its record is to stand."""
    return link.hold is Hold.FAILED and (link.life is Life.NEW or link.code == failures.MONEY_DIFFERS.code)


def ripe(path: str, link: Link, rules: Rules) -> bool:
    """Whether a link stands as another that waits for it, under ``path``, needs it to."""
    if link.life is not Life.LIVE or link.left or link.attempt is not None:
        return False
    if path.startswith(AFTER):
        return state(link, rules) is State.CLEAN and not (rules.approve == "checked" and link.status == "draft")
    return link.hold is Hold.NONE


def waits_on(link: Link, document: str) -> Iterator[str]:
    """Under which paths a link waits for how another document of its record stands."""
    yield from (path for path, ref in link.refs.items() if path.startswith((AFTER, WITH)) and ref.document == document)


def only_known(path: str) -> bool:
    """Whether a reference asks for an id alone, not for how its link stands."""
    return not path.startswith((AFTER, WITH, OF))


def fallen(link: Link, others: Iterable[Link]) -> Link | None:
    """The one beside which a draft of a ``draft-first`` set must not stay, if there is one."""
    stays = link.life is Life.LIVE and (link.status != "draft" or link.born is None)
    if link.life is Life.ENDED or link.left or link.attempt is not None or link.hold is Hold.FAILED or stays:
        return None
    return next((other for other in others if culprit(other)), None)


__all__ = ["Sibling", "bound", "culprit", "fallen", "only_known", "ripe", "waits_on"]
