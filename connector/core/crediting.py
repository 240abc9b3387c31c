"""What follows from a document that was credited: its credit note, and the note's allocation to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connector.core.identity import LinkId, document_key
from connector.core.link_events import AFTER, Wanted
from connector.core.link_state import Link
from connector.core.mapping.credit import allocation, allocation_part, credit_note, credit_part
from connector.core.mapping.expect import subtotal
from connector.core.mapping.model import Mapping as Rule
from connector.core.marks import mark_of
from connector.core.records import Record, Side
from connector.core.values import Ref, canonical, texts


def follow_up(record: Record, rule: Rule, old: Link, said: Wanted) -> Iterator[tuple[LinkId, Wanted]]:
    """Events for the links of the credit note of a document that ended ``credited``, and of its allocation: always the
    same, as long as the ended link says the same. ``said`` is what the record says, without content."""
    if rule.credits is None or rule.allocations is None:
        return
    invoice, stamp, number = old.seen(Side.XERO), old.end(record.side).stamp, old.id.generation
    key = document_key(record.side, record.id, credit_part(old.id.part, number))
    note = credit_note(invoice, stamp)
    known, refs = texts(note)
    net = subtotal(note, rule.lines)  # not what the record says now: the old document's money is the new record's
    mark = mark_of(rule.credits, record, note, part=credit_part(old.id.part, number))
    yield replace(old.id, document=key, generation=1), replace(
        said, flat=known, refs=refs, once=tuple(known), order=old.order, entity=rule.credits.target.entity,
        mark=canonical(list(mark)) if mark else "", money=old.money if net is None else canonical(net),
    )  # fmt: skip
    part = allocation(invoice, old.xero.id, note["Date"])
    if part is not None:
        of = Ref(rule.name, key)
        yield replace(
            old.id, document=document_key(record.side, record.id, allocation_part(old.id.part, number)), generation=1
        ), replace(
            said, flat=texts(part)[0], refs={"CreditNote": of, AFTER + credit_part(old.id.part, number): of},
            once=tuple(part), entity=rule.allocations.target.entity, find={"": canonical(part)},
        )  # fmt: skip
