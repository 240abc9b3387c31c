"""Plan: what a record means for the links of the mappings that take it. Records in, link events out; pure.

Level-triggered: a record says what is, so planning the same record twice gives the same events, and a record that
changes nothing gives events that move nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from connector.core.applied import BY_MARK, SAME, Applied, Gate, Links, Planned, Scene, rules_of
from connector.core.crediting import follow_up
from connector.core.document import Document, Flat, NotWanted, Refused
from connector.core.failure import Failure
from connector.core.identity import LinkId, document_key
from connector.core.link_events import OF, TARGET, Observed, Wanted
from connector.core.link_failures import MEANWHILE
from connector.core.link_parts import REBORN, newer
from connector.core.link_state import Life, Link
from connector.core.mapping import evaluate
from connector.core.mapping.credit import credited
from connector.core.mapping.evaluate import BackWrite, Context
from connector.core.mapping.life import Group, group
from connector.core.mapping.model import Kind as MappingKind
from connector.core.mapping.model import Mapping as Rule
from connector.core.merged import follow, winner_of
from connector.core.records import Record, Side
from connector.core.siblings import Sibling, bound
from connector.core.sums import newest
from connector.core.values import Ref, canonical, texts

ALL = "*"  # the part that speaks for all documents of a record


def plan(record: Record, applied: Applied, links: Links, scene: Scene) -> tuple[Planned, ...]:
    """The events that this record means for one mapping. Empty where it is none of its business."""
    mapping = applied.mapping
    if applied.held:
        return ()
    if mapping.kind is MappingKind.TWO_WAY:
        return tuple(_two_way(record, applied, links, scene)) if mapping.takes(record.side, record.entity) else ()
    events: list[Planned] = []
    if mapping.takes(record.side, record.entity):
        events.extend(_source(record, applied, links, scene))
    if any((one.target.side, one.target.entity) == (record.side, record.entity) for one in applied.versions):
        events.extend(_target(record, applied, links, scene))
    return tuple(events)


# --- documents and back-writes -----------------------------------------------------------------------------------


def _source(record: Record, applied: Applied, links: Links, scene: Scene) -> Iterator[Planned]:
    """Each document of the record, in each tenant that it may be in."""
    planned: list[Sibling] = []
    met: list[LinkId] = []
    draft_first, moves = applied.mapping.together == "draft-first", False
    for part in _parts(record, applied, links, scene):
        found, told = _in_each(record, applied.mapping, links, scene, part), list[Failure | None]()
        met += [link_id for link_id, _ in found]
        for link_id, link in found:
            if link is None and any(other is not None and other.life is not Life.ENDED for _, other in found):
                moves = True  # to another tenant: first what it has there must go
                continue
            one = _one(record, applied, links, scene, link_id, link, told)
            if one is not None:
                planned.append(one)
                told.append(one.event.refusal)
    former = any(_former(one, applied.mapping) for one in planned)
    yield from bound(planned, draft_first=draft_first, nothing_new=former or (draft_first and moves))
    yield from _credits(record, applied, links, met)


def _credits(record: Record, applied: Applied, links: Links, planned: Sequence[LinkId]) -> Iterator[Planned]:
    """The credit notes of the generations that were approved when their record outgrew them, and their allocations,
    whatever the record says now."""
    for link_id in planned:
        for generation in range(1, link_id.generation + 1):
            old = links.link(replace(link_id, generation=generation))
            if old is not None and old.reason == "credited":
                rule = applied.of(old)
                said = _wanted(record, replace(rule, version=old.mapping_version))
                yield from follow_up(record, rule, old, said)


def _former(one: Sibling, mapping: Rule) -> bool:
    """Whether a document stands that today's mapping does not know: beside it nothing begins, or it would be double."""
    known = mapping.one(one.id.part) is not mapping if mapping.documents else not one.id.part
    return not known and one.link is not None and one.link.life is Life.LIVE


def _parts(record: Record, applied: Applied, links: Links, scene: Scene) -> tuple[str, ...]:
    """Every document that this record may have, or once had: also by an earlier version that links follow."""
    mapping = applied.mapping
    if not any(one.documents for one in (mapping, *applied.kept.values())):
        return ("",)
    first = LinkId(scene.connection, mapping.name, key_of(record), scene.tenant)
    known = tuple(part for part in links.parts(first) if credited(part) is None)
    if not mapping.documents:
        return tuple(dict.fromkeys(("", *known)))
    found = () if record.deleted else evaluate.parts(mapping, record, scene.context(first))
    return tuple(dict.fromkeys((*((ALL,) if isinstance(found, Refused) else found), *known)))


def _in_each(record: Record, mapping: Rule, links: Links, scene: Scene, part: str) -> list[tuple[LinkId, Link | None]]:
    again, key = mapping.one(part).life.again.value, document_key(record.side, record.id, part)
    reach = scene.reach(record, mapping)
    return [current(LinkId(scene.connection, mapping.name, key, tenant), links, record, again) for tenant in reach]


def _one(
    record: Record,
    applied: Applied,
    links: Links,
    scene: Scene,
    link_id: LinkId,
    link: Link | None,
    told: Sequence[Failure | None],
) -> Sibling | None:
    """What a record says to one of its documents; None where it says nothing."""
    rule = applied.planning(link_id, link)
    planned = replace(applied, mapping=rule)
    event = _first(record, planned, links, scene, link_id)
    if event is not None and event.refusal is not None and _moot(record, link):
        event = _wanted(record, rule, left="left")
    if event is None or (event.refusal is not None and event.refusal in told):
        return None  # what nobody can place is one review
    matches = event.flat is not None or event.refusal is not None
    if link is None and _nothing_yet(record, links, link_id, matches=matches):
        return None
    return Sibling(link_id, rule, rules_of(rule), link, _gated(event, record, planned, link))


def _moot(record: Record, link: Link | None) -> bool:
    """Whether a record is voided or deleted and nothing was ever made of it: what was wrong with it asks nobody now."""
    unborn = link is None or link.life is Life.NEW
    return unborn and group(record.side, record.entity, record.fields) is Group.GONE


def _nothing_yet(record: Record, links: Links, link_id: LinkId, *, matches: bool) -> bool:
    """Whether nothing was ever made of a record, and nothing is to be. An older read of it, late, makes nothing."""
    if links.pending(link_id):
        return False
    if not matches:
        links.unborn.passed(link_id, record)
        return True
    return links.unborn.outdated(link_id, record)


def _first(record: Record, applied: Applied, links: Links, scene: Scene, link_id: LinkId) -> Wanted | None:
    mapping = applied.mapping
    if record.deleted:
        return _wanted(record, mapping, left="deleted")
    context = scene.context(link_id)
    if mapping.kind is MappingKind.BACK_WRITE:
        return _back_write(record, mapping, links, scene, evaluate.back_write(mapping, record, context))
    result = _evaluated(mapping, record, context, link_id.part)
    if isinstance(result, NotWanted):
        return _wanted(record, mapping, left="left")
    if isinstance(result, Refused):
        return _wanted(record, mapping, refusal=result.failure)
    return _document(record, applied, result)


def _evaluated(mapping: Rule, record: Record, context: Context, part: str) -> Document | NotWanted | Refused:
    if part == ALL:  # where the keys of the documents cannot be told, one review says so for all
        found = evaluate.parts(mapping, record, context)
        return found if isinstance(found, Refused) else NotWanted("every document has its own key")
    return evaluate.document(mapping, record, context, part)


def _document(record: Record, applied: Applied, document: Document) -> Wanted:
    flat, refs = texts(document.flat)
    find = {"": canonical(document.find)} if document.find else {}
    if applied.claim and document.mark:
        find = {**find, BY_MARK: canonical({document.mark[0]: document.mark[1]})}
    return replace(
        _wanted(record, applied.mapping),
        flat=flat,
        refs=refs,
        once=tuple(sorted(document.once)),
        order=document.order,
        entity=document.entity,
        find=find,
        mark=canonical(list(document.mark)) if document.mark else "",
        money=canonical(document.money) if document.money is not None else "",
        given=document.given,
    )


def _back_write(
    record: Record, mapping: Rule, links: Links, scene: Scene, result: BackWrite | NotWanted | Refused
) -> Wanted | None:
    if isinstance(result, NotWanted):
        return None
    if isinstance(result, Refused):
        return _wanted(record, mapping, refusal=result.failure)
    if mapping.several == "newest" and _superseded(result.of, links, scene):
        return None
    flat, refs = texts(result.flat)
    if mapping.several == "sum":
        share = {**refs, OF: replace(result.of, optional=True)}
        return replace(_wanted(record, mapping), flat=flat, refs=share, entity=mapping.target.entity)
    aim = Ref(result.of.mapping, result.of.document, optional=mapping.unlinked == "skip")
    aimed = replace(_wanted(record, mapping), flat=flat, refs={**refs, TARGET: aim}, entity=mapping.target.entity)
    aimed = replace(aimed, given=result.given)
    return replace(aimed, once=tuple(sorted(result.once)), order=result.order) if mapping.meets else aimed


def _superseded(of: Ref, links: Links, scene: Scene) -> bool:
    """Whether the document that this record is has a later generation, or was born before another document of the same
    record that lives: the later one speaks for the source."""
    side, _, object_id = of.document.partition(":")
    link_id = links.owner(scene.connection, of.mapping, Side(side), object_id)
    if link_id is None or links.link(link_id.next_generation()) is not None:
        return link_id is not None
    mine, others = links.link(link_id), links.documents(link_id) if link_id.part else ()
    last = newest([*others, *((mine,) if mine is not None else ())], Side(side))
    return last is not None and last.id.document != link_id.document


def _target(record: Record, applied: Applied, links: Links, scene: Scene) -> Iterator[Planned]:
    owner = links.owner(scene.connection, applied.mapping.name, record.side, record.id)
    readers = links.readers(applied.mapping.name, record.side, record.id)
    for link_id in dict.fromkeys((*readers, owner) if owner is not None else readers):
        link = links.link(link_id)
        if link is not None and applied.of(link).target.entity == record.entity:
            yield link_id, observe(record, applied.of(link), link.lines)


def observe(record: Record, mapping: Rule, line_ids: Mapping[str, str]) -> Observed:
    """A target record as an observation of its link's target end."""
    flat, _ = texts({} if record.deleted else evaluate.observed(mapping, record, line_ids))
    status = "gone" if record.deleted else group(record.side, record.entity, record.fields).value
    return Observed(record.side, record.id, record.version, record.stamp, flat, status, gone=status == "gone")


# --- two ends kept equal -----------------------------------------------------------------------------------------


def _two_way(record: Record, applied: Applied, links: Links, scene: Scene) -> Iterator[Planned]:
    mapping = applied.mapping
    link_id = links.owner(scene.connection, mapping.name, record.side, record.id)
    if winner := winner_of(record):
        yield from _merged(record, applied, links, scene, link_id, winner)
        return
    fresh = LinkId(scene.connection, mapping.name, key_of(record), _pair_home(record, mapping, scene))
    if link_id is None:
        former = links.former(scene.connection, mapping.name, record.side, record.id)
        over = links.link(former) if former is not None else None
        if over is not None and over.life is Life.ENDED and over.reason == "person":
            return  # a person took this pair apart: nothing is made of either end again
        again = mapping.life.again.value
        link_id = _marked(record, mapping, links, scene) or current(fresh, links, record, again)[0]
    link = links.link(link_id)
    mapping = applied.planning(link_id, link)
    if record.deleted and link is not None:
        yield link_id, _wanted(record, mapping, left="deleted")
        return
    result = _end(record, mapping, scene.context(link_id), linked=link is not None)
    if link is None and _nothing_yet(record, links, link_id, matches=not isinstance(result, NotWanted)):
        return
    if isinstance(result, NotWanted):
        return
    if isinstance(result, Refused):
        yield link_id, _wanted(record, mapping, refusal=result.failure)
        return
    flat, refs = texts(result)
    event = replace(
        _wanted(record, mapping),
        flat=flat,
        refs=refs,
        entity=mapping.end(record.side.other).entity,
        find=_match_criteria(mapping, record) if link is None or link.life is Life.NEW else {},
    )
    yield link_id, _gated(event, record, applied, link)


def _merged(
    record: Record, applied: Applied, links: Links, scene: Scene, link_id: LinkId | None, winner: str
) -> Iterator[Planned]:
    """A contact that is another one now makes nothing of its own; the link that it had is told."""
    link = links.link(link_id) if link_id is not None else None
    if link is None:
        return
    tied_to = links.owner(scene.connection, applied.mapping.name, record.side, winner)
    for told in follow(record, link, winner, None if tied_to == link.id else tied_to):
        if isinstance(told, Failure):
            yield link.id, _wanted(record, applied.planning(link.id, link), refusal=told)
        else:
            yield link.id, told


def _pair_home(record: Record, mapping: Rule, scene: Scene) -> str:
    """The tenant of a pair: where its Xero record stands, or the one that the mapping is for."""
    if record.side is Side.XERO or mapping.organisation is None:
        return scene.home(record)
    name = evaluate.constant(mapping.organisation)
    return scene.tenants.get(name, name)


def _end(record: Record, mapping: Rule, context: Context, *, linked: bool) -> Flat | NotWanted | Refused:
    """What an end says. `when` says which records a link begins with; what is linked stays linked."""
    if record.deleted:
        return NotWanted("deleted")
    return evaluate.observed(mapping, record, {}) if linked else evaluate.end(mapping, record, context)


def _marked(record: Record, mapping: Rule, links: Links, scene: Scene) -> LinkId | None:
    """A Xero contact whose ContactNumber is a Salesforce id was made by the link of that id."""
    number = record.fields.get("ContactNumber") if record.side is Side.XERO else None
    if not isinstance(number, str) or not number:
        return None
    link_id = LinkId(scene.connection, mapping.name, document_key(Side.SALESFORCE, number), scene.home(record))
    while (link := links.link(link_id)) is not None:
        if link.life is not Life.ENDED:
            return link_id
        link_id = link_id.next_generation()
    return None


def _match_criteria(mapping: Rule, record: Record) -> dict[str, str]:
    """For each match rule (from 1) what to look for on the other side, and which identity a hit must have.

    Both APIs compare texts without regard to case, so a hit is believed only if its own identity is the same.
    """
    out: dict[str, str] = {}
    for rule, key in evaluate.identities(mapping, record):
        if key:
            out[str(rule)] = canonical(evaluate.match_criteria(mapping, record, rule))
            out[f"{rule}{SAME}"] = key
    return out


# --- parts -------------------------------------------------------------------------------------------------------


def key_of(record: Record) -> str:
    return document_key(record.side, record.id)


def current(link_id: LinkId, links: Links, record: Record, again: str) -> tuple[LinkId, Link | None]:
    """The generation that speaks for a record now: the last one, or the next where that ended and may be reborn."""
    while True:
        link = links.link(link_id)
        if link is None or link.life is not Life.ENDED or not _reborn(link, record, again):
            return link_id, link
        link_id = link_id.next_generation()


def _reborn(link: Link, record: Record, again: str) -> bool:
    """Whether a record may be born anew: its target was taken away or went, or it came back and `again` says new. A
    record that is not newer than what ended the link says nothing."""
    allowed = link.reason in REBORN or (link.reason in ("left", "deleted") and again == "new")
    return allowed and newer(link.end(record.side), record.version, record.stamp)


def _gated(event: Wanted, record: Record, applied: Applied, link: Link | None) -> Wanted:
    """What a mapping that is being applied makes of what it sees first. With ``begin: new``, what matches was there
    before, and what changed meanwhile is a review. One that looks for what exists says so to the link, which may have
    to wait for its customer until long after."""
    if applied.looks and (link is None or link.life is Life.NEW):
        return replace(event, unfound=applied.unfound(record.stamp))
    if link is not None or applied.gate is not Gate.SNAPSHOT or applied.mapping.begin != "new":
        return event
    if applied.pinned is not None and record.stamp is not None and record.stamp > applied.pinned:
        return replace(event, flat=None, refusal=MEANWHILE)
    return replace(event, before="before", refusal=None)


def _wanted(record: Record, mapping: Rule, *, left: str = "", refusal: Failure | None = None) -> Wanted:
    return Wanted(record.side, record.id, record.version, record.stamp, mapping.version, left=left, refusal=refusal)
