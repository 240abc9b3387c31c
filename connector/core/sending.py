"""From what a link needs to the write that does it, and from the answer to the event that tells the link. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from connector.core.below import CONTENT, FILE
from connector.core.document import NAMED, named, split_line_path
from connector.core.link import Act, Todo
from connector.core.link_events import Applied, Texts
from connector.core.link_parts import line_ids
from connector.core.link_state import Link
from connector.core.mapping import evaluate
from connector.core.mapping.approval import born_as, final_status
from connector.core.mapping.life import Group, group, removal
from connector.core.mapping.model import Mapping as Rule
from connector.core.party import Applied as Answered
from connector.core.party import Operation, Row, Write
from connector.core.records import Record, Side, Version
from connector.core.row_writes import row_writes
from connector.core.values import Fields, Value, canonical, from_canonical, texts
from connector.errors import DataError

REMOVED = {"delete": "DELETED", "void": "VOIDED"}
DIGEST = "Sha256"  # the path under which a link keeps the digest of a file that was sent
AMOUNTS = ("SubTotal", "TotalTax", "Total")


@dataclass(frozen=True, slots=True)
class Draft:
    """A write with what its link will be told was sent."""

    link: Link
    todo: Todo
    write: Write
    sent: Texts
    digest: str = ""  # sha256 of the bytes of a file that was fetched for it
    unfit: DataError | None = None  # why it cannot be sent, known before it is spelled


def with_file(piece: Draft, content: bytes) -> Draft:
    """The bytes of the file that a draft names. They go into the call alone: Kafka keeps their digest."""
    fields = {**piece.write.fields, CONTENT: base64.b64encode(content).decode("ascii")}
    fields.pop(FILE, None)
    digest = hashlib.sha256(content).hexdigest()
    return replace(piece, write=replace(piece.write, fields=fields), digest=digest)


def content_of(piece: Draft) -> tuple[str, str]:
    """(file to fetch, text of our own) of an attachment that is to be made; one of them, or neither."""
    if piece.write.entity != "Attachment" or piece.todo.act is not Act.CREATE:
        return "", ""
    given = piece.write.fields
    return str(given.get(FILE) or ""), str(given.get(CONTENT) or "")


def draft(
    link: Link, todo: Todo, mapping: Rule, foreign: tuple[Fields, ...] = (), before: Fields | None = None
) -> Draft:
    """The write for a link's next act. ``before`` is the target as it was just read, ``foreign`` its lines not ours."""
    unfit: DataError | None = None
    try:
        fields, sent = _fields(link, todo, mapping, foreign, before)
    except DataError as error:
        fields, sent, unfit = {}, dict(todo.changed), error
    rows: tuple[Row, ...] = ()
    if todo.side is Side.SALESFORCE and mapping.blocks and todo.act in (Act.CREATE, Act.UPDATE):
        rows, sent = row_writes(mapping, todo.changed, link.seen(todo.side), before or {}, link.order)
    creating = todo.act is Act.CREATE
    mark = mark_of(link, mapping, todo.side) if creating else None
    if mark is not None:
        fields = {**fields, mark[0]: fields.get(mark[0]) or mark[1]}
    write = Write(
        id=link.id.key.decode(),
        entity=mapping.end(todo.side).entity,
        operation=Operation.CREATE if creating else Operation.UPDATE,
        target=todo.target or None,
        fields=fields,
        mark=mark,
        rows=rows,
    )
    return Draft(link, todo, write, sent, unfit=unfit)


def _fields(
    link: Link, todo: Todo, mapping: Rule, foreign: tuple[Fields, ...], before: Fields | None
) -> tuple[dict[str, Value], dict[str, str]]:
    if todo.act is Act.REMOVE:
        return _removal(link, todo, mapping), {}
    if todo.act is Act.APPROVE:
        return {"Status": final_status(mapping.end(todo.side).entity)}, {}
    flat = {path: from_canonical(text) for path, text in todo.changed.items() if text}
    lines = mapping.end(todo.side).entity in NAMED and any("/" in path for path in todo.changed)
    fields = dict(
        evaluate.spell(
            mapping, todo.side, flat, link.order, line_ids=link.lines, foreign=foreign, before=before, lines=lines
        )
    )
    if todo.act is Act.CREATE and todo.side is Side.XERO and (status := born_as(mapping)):
        fields.setdefault("Status", status)
    return fields, dict(todo.changed)


def _removal(link: Link, todo: Todo, mapping: Rule) -> dict[str, Value]:
    """By the target's own words where they are known: an approved order is deleted, an allocation taken away."""
    where = Group(link.status) if link.status in tuple(Group) else Group.DRAFT
    known = removal(todo.side, mapping.end(todo.side).entity, where)
    return dict(known) if known is not None else {"Status": REMOVED[todo.how]}


def mark_of(link: Link, mapping: Rule, side: Side) -> tuple[str, str] | None:
    """The field and value by which this link's target is found again."""
    mark = from_canonical(link.mark) if link.mark else None
    if isinstance(mark, list) and len(mark) == 2:
        return str(mark[0]), str(mark[1])
    if side is Side.XERO and mapping.end(side).entity == "Contact":
        return "ContactNumber", link.id.source
    return (mapping.mark, link.id.source) if side is Side.SALESFORCE and mapping.mark else None


def confirmed(
    piece: Draft,
    answered: Answered,
    record: Record | None,
    mapping: Rule,
    call: str,
    version: Version,
    expected: Mapping[str, Decimal] | str,
) -> Applied:
    """What the link is told of a confirmed write. ``record`` is the answer as a record, if it shows fields.

    ``expected`` are the amounts that we computed before the call, or why we could not.
    """
    if record is None:
        return Applied(call, answered.target, version)
    by_name = record.entity in NAMED
    lines = _named_lines(piece) if by_name else line_ids(piece.link.lines, _line_ids(piece, mapping, record.fields))
    flat, _ = texts(evaluate.observed(mapping, record, lines))
    if piece.digest:
        flat[DIGEST] = canonical(piece.digest)
    status = group(record.side, record.entity, record.fields).value
    wrong = _differences(expected, record.fields)
    return Applied(call, answered.target, version, record.stamp, flat, status, {} if by_name else lines, wrong)


def _named_lines(piece: Draft) -> dict[str, str]:
    """By the texts that were sent: they are their ids."""
    lines, name = NAMED[piece.write.entity]
    split = ((split_line_path(path), text) for path, text in piece.sent.items() if text)
    found = ((parts[1], text) for parts, text in split if parts is not None and (parts[0], parts[2]) == (lines, name))
    return {key: named(from_canonical(text)) for key, text in found}


def _line_ids(piece: Draft, mapping: Rule, answer: Fields) -> dict[str, str]:
    """Our line keys to the ids that the answer gives, by position: Xero answers in the order of the request."""
    sent = dict.fromkeys(parts[1] for path in piece.sent if (parts := split_line_path(path)) and piece.sent[path])
    if not sent:
        return {}
    order = [key for key in piece.link.order if key in sent]
    order += [key for key in sent if key not in order]
    return evaluate.line_ids(mapping, tuple(order), answer)


def _reached(answer: Fields, path: str) -> Value:
    """A field of an answer; a number in the path names a row."""
    value: Value = answer
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, Sequence) and not isinstance(value, str) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _differences(expected: Mapping[str, Decimal] | str, answer: Fields) -> str:
    """Each amount that came back different, to the cent; empty if all agree."""
    if isinstance(expected, str):
        return expected
    wrong: list[str] = []
    for name, ours in expected.items():
        theirs = _reached(answer, name)
        if isinstance(theirs, Decimal) and theirs != ours:
            wrong.append(f"{name} {theirs} instead of {ours}")
    return ", ".join(wrong)
