"""What can only be seen of all documents of one record together: drafts that wait for each other, a credit's sort."""

from __future__ import annotations

from collections.abc import Iterator

from connector.core.mapping.approval import APPROVALS
from connector.core.mapping.life import Action, Group
from connector.core.mapping.model import Mapping
from connector.core.mapping.problem import Problem, problem
from connector.core.mapping.syntax import Call, Path
from connector.core.records import Side


def together(mapping: Mapping) -> Iterator[Problem]:
    """`draft-first` is about drafts; `credit` about invoices and bills."""
    if mapping.several == "sum":
        yield from _summed(mapping)
    if mapping.depends == "live" and mapping.source.side is not Side.SALESFORCE:
        yield problem(mapping, "depends", "depends", f"{mapping.source} is read whole: there is nothing beside it",
                      "Take depends: out.")  # fmt: skip
    for one in mapping.each:
        yield from _credit(one)
        if mapping.together == "draft-first" and one.part is not None:
            yield from _drafted(one)


def _summed(mapping: Mapping) -> Iterator[Problem]:
    """Sums are over the documents of one record: each record that says something is one of them."""
    tree = mapping.of.tree if mapping.of is not None else None
    own = isinstance(tree, Call) and tree.name == "source" and tree.parts[1] == Path("record")
    if not own or mapping.unlinked != "skip":
        yield problem(mapping, "several", "sum", "sum adds up the documents of one record",
                      "Say target: =source('mapping', record) and unlinked: skip.")  # fmt: skip


def _drafted(one: Mapping) -> Iterator[Problem]:
    """What has no draft is made once the others stand; what is approved at once would not wait for them."""
    drafts = one.target.side is Side.XERO and one.target.entity in APPROVALS
    if not drafts and one.part is not None and not one.part.after:
        yield problem(one, "to", "draft-first", f"{one.target} has no draft that could wait for the others",
                      "Say after: with the key of a document that it follows.")  # fmt: skip
    if drafts and one.approve == "at-once":
        yield problem(one, "approve", "draft-first", "at-once does not wait for the other drafts",
                      "Say approve: checked or draft.")  # fmt: skip


def _credit(one: Mapping) -> Iterator[Problem]:
    if Action.CREDIT in one.life.changed.values() and (one.target.side, one.target.entity) != (Side.XERO, "Invoice"):
        yield problem(one, "life", "credit", f"only an invoice or a bill is credited, not {one.target}",
                      "Say reissue or tell.")  # fmt: skip
    if one.life.changed.get(Group.APPROVED) is Action.CREDIT and not any(
        setting.path == "InvoiceNumber" and "suffix(generation)" in _numbering(one, setting.value.text)
        for setting in one.settings
    ):
        yield problem(one, "life", "credit", "the new invoice would have the number of the one that was credited",
                      "Put suffix(generation) into InvoiceNumber.")  # fmt: skip


def _numbering(one: Mapping, text: str) -> str:
    """An expression with the names of `let` spelled out, as far as it names them alone."""
    return " ".join([text, *(value.text for name, value in one.let.items() if name in text)])
