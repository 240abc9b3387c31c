"""Whether a mapping to what stands below an object of Xero can work: one parent, one content, a life that exists."""

from __future__ import annotations

from collections.abc import Iterator

from connector.core.below import CONTENT, FILE, PARENTS, STAYS
from connector.core.mapping.life import Action, Group
from connector.core.mapping.model import Kind, Mapping
from connector.core.mapping.problem import Problem, problem
from connector.core.records import Side


def is_below(mapping: Mapping) -> bool:
    return mapping.target.side is Side.XERO and mapping.target.entity in PARENTS


def below(mapping: Mapping) -> Iterator[Problem]:
    """Every problem of this kind; none for a mapping between objects that have lists of their own."""
    if mapping.source.side is Side.XERO and mapping.source.entity in PARENTS:
        yield problem(mapping, "from", "unknown-entity", f"{mapping.source} has no list of its own to follow",
                      "Take the object that it stands below.")  # fmt: skip
    if not is_below(mapping):
        return
    if mapping.kind is not Kind.DOCUMENT:
        yield problem(mapping, "to", "below", f"{mapping.target} can be made and never changed", "Use from: and to:.")
        return
    paths = {setting.path for setting in mapping.settings}
    yield from _one_of(mapping, paths, tuple(sorted(PARENTS[mapping.target.entity])))
    if mapping.target.entity == "Attachment":
        yield from _one_of(mapping, paths, (FILE, CONTENT))
    yield from _life(mapping)


def _one_of(mapping: Mapping, paths: set[str], names: tuple[str, ...]) -> Iterator[Problem]:
    given = [name for name in names if name in paths]
    if len(given) != 1:
        what = f"names {' and '.join(given)}" if given else "names none of them"
        yield problem(mapping, "fields", "below", f"{mapping.target} takes one of {', '.join(names)}, and {what}",
                      "Give exactly one.")  # fmt: skip


def _life(mapping: Mapping) -> Iterator[Problem]:
    """An allocation can be made anew and taken away; a note and a file stay."""
    life, entity = mapping.life, mapping.target.entity
    if entity not in STAYS and life.changed.get(Group.APPROVED) is Action.UPDATE:
        yield problem(mapping, "life", "life", f"{mapping.target} cannot be changed",
                      "Say changed: { approved: reissue }: it is taken away and made anew. Or tell.")  # fmt: skip
    removes = Action.VOID in (life.left.get(Group.APPROVED), life.deleted.get(Group.APPROVED))
    if entity in STAYS and removes:
        yield problem(mapping, "life", "life", f"{mapping.target} cannot be taken back", "Say keep, or tell.")
    if entity in STAYS and life.changed.get(Group.APPROVED) is Action.REISSUE:
        yield problem(mapping, "life", "life", f"{mapping.target} is written once", "Take `changed` out.")
