"""What must hold when all is quiet. Fields and documents are compared in the world; the links only have to explain
what is not as it should be."""

from __future__ import annotations

from connector.core.identity import LinkId
from connector.core.link import outputs, state
from connector.core.link_state import Hold, Life, Link, State
from connector.core.records import Side
from tests.unit.fold_driver import AGAIN, SF, XERO, Driver, Rule, mark, value_of
from tests.unit.fold_world import Broken, Row, World, alike, normal, normal_or, words


def at_rest(driver: Driver) -> None:
    """Every link is quiet and every record that is wanted has its one document, equal, or a reason."""
    for link in driver.links.values():
        _quiet(link, driver.mapping(link.id))
        _justified(driver, link, driver.mapping(link.id))
        _agreed(driver, link, driver.mapping(link.id))
        _gone(driver, link, driver.mapping(link.id))
    for mapping in driver.mappings:
        for side in (SF, XERO) if mapping.rules.two_way else (mapping.rules.source,):
            for row in driver.world.rows[side.value].values():
                if row.kind == mapping.kinds[side] and row.matches and not row.gone:
                    _served(driver, mapping, side, row)


def _quiet(link: Link, mapping: Rule) -> None:
    follows = outputs(link, mapping.rules)
    seen = state(link, mapping.rules)
    if follows.todo is not None or follows.due is not None or seen not in (
        State.CLEAN, State.ENDED, State.FAILED, State.CONFLICT, State.BLOCKED
    ):  # fmt: skip
        raise Broken(f"{link.id} is {seen} with {follows.todo}")
    asked = any(link.end(side).asked is not None for side in Side) and link.life is Life.LIVE
    if link.attempt is not None or asked:
        raise Broken(f"{link.id} still waits: {link}")
    if link.refused and link.life is not Life.ENDED and link.hold is not Hold.FAILED:
        raise Broken(f"{link.id} is refused and says nothing")


def _gone(driver: Driver, link: Link, mapping: Rule) -> None:
    """What was made of a record that left is taken back, or a person is told."""
    source = driver.world.rows[link.id.side.value][link.id.source]
    if link.life is not Life.LIVE or link.hold is not Hold.NONE or mapping.rules.two_way:
        return
    if source.gone or not source.matches:
        raise Broken(f"{source.id} has left, and {link.id} knows nothing of it: {link}")


def _served(driver: Driver, mapping: Rule, side: Side, row: Row) -> None:
    owner = driver.targets.get((mapping.name, side, row.id))
    link_id = owner[0] if owner is not None and not owner[1] else driver.current(_first(mapping, side, row))
    link = driver.links.get(link_id)
    if link is None and owner is not None and driver.links[owner[0]].reason == "person":
        return
    if link is None:
        raise Broken(f"{row.id} has no link")
    if link.life is Life.ENDED:
        _rightly_over(mapping, link)
        return
    if link.hold is not Hold.NONE:
        return
    if link.life is Life.NEW:
        if link.left:
            raise Broken(f"{link.id} has left, and its record is there")
        if side.other in mapping.rules.creates:
            raise Broken(f"nothing was made of {row.id}: {link}")
        return
    _compare(driver.world, mapping, link)


def _first(mapping: Rule, side: Side, row: Row) -> LinkId:
    return LinkId("c", mapping.name, f"{side.value}:{row.id}", "t")


def _rightly_over(mapping: Rule, link: Link) -> None:
    if link.reason in AGAIN[:2] and mapping.rules.again == "tell" and link.code == "link.again":
        return
    if link.reason in AGAIN:
        raise Broken(f"{link.id} ended ({link.reason}) and its record is back")
    if link.reason == "merged" and not mapping.rules.two_way:
        raise Broken(f"{link.id} is merged")


def _compare(world: World, mapping: Rule, link: Link) -> None:
    here = world.rows["salesforce"][link.salesforce.id]
    there = world.rows["xero"][link.xero.id]
    if mapping.rules.two_way:
        if link.left or here.gone or there.gone:
            return
        for path in mapping.paths:
            _pair_field(world, mapping, path, here, there)
        return
    source, target = (here, there) if mapping.rules.source is SF else (there, here)
    if target.gone:
        raise Broken(f"{target.id} is gone and nobody is told")
    _document(world, mapping, link, source, target)


def _pair_field(world: World, mapping: Rule, path: str, here: Row, there: Row) -> None:
    if not alike(path, here.fields.get(path), there.fields.get(path)):
        raise Broken(f"{path}: {here.id} {here.fields.get(path)!r}, {there.id} {there.fields.get(path)!r}")
    if {(here.id, path), (there.id, path)} & (world.missed | world.settled):
        return
    owner = mapping.rules.owner(path)
    said = [row for row in (here, there) if row.said.get(path)]
    if owner in ("salesforce", "xero"):
        said = [row for row in said if row.side == owner]
    if said and not any(normal_or(row.side, path, row.said[path][-1]) == row.fields.get(path) for row in said):
        raise Broken(f"{path} of {here.id} and {there.id} is what nobody said: {here.fields.get(path)!r}")


def _document(world: World, mapping: Rule, link: Link, source: Row, target: Row) -> None:
    paths = {*mapping.paths, *(path for row in (source, target) for path in row.fields if "/" in path)}
    for path in sorted(paths - {"Contact"}):
        ours, theirs = source.fields.get(path), target.fields.get(path)
        if path in mapping.once or (ours is None and "/" not in path) or _filled(path, theirs):
            continue
        if (
            words(normal_or(target.side, path, ours)) == words(theirs)
            or (target.id, path) in world.settled | world.missed
        ):
            continue
        person = path in target.said or target.made_by == "person"
        if ours is None and "person" in (target.made_by, target.writer.get(path, "").replace("both", "person")):
            continue  # it stood there before a person joined the two
        back = words(normal_or(target.side, path, ours)) in [words(value) for value in target.held.get(path, ())]
        if person and (back or target.tick.get(path, -1) > source.tick.get(path, -1)):
            continue
        raise Broken(f"{path}: {source.id} {ours!r}, {target.id} {theirs!r} ({link})")
    if mapping.reference and "Account" in source.fields and not target.fields.get("Contact"):
        raise Broken(f"{target.id} has no contact")


def _filled(path: str, theirs: object) -> bool:
    """What Xero put into a line by itself."""
    return path.endswith("/Tax") and theirs == "standard"


def _justified(driver: Driver, link: Link, mapping: Rule) -> None:
    """A review says something that is true in the world."""
    world = driver.world
    source = world.rows[link.id.side.value][link.id.source]
    target = world.rows[link.id.side.other.value].get(link.end(link.id.side.other).id)
    review = outputs(link, mapping.rules).review
    if review is None:
        return
    code = review.code
    copies = sum(row.mark == mark(link.id) for rows in world.rows.values() for row in rows.values())
    if code == "link.impossible":
        raise Broken(f"{link.id}: {link.message}")
    if code == "link.conflict" and target is not None and not mapping.rules.two_way:
        for path in review.paths:
            if not target.said and path != "Due" and target.made_by == "call":
                raise Broken(f"{link.id}: nobody changed {path} in {target.id}")
    if code == "link.target-gone" and not source.gone and (target is None or not target.gone):
        raise Broken(f"{link.id}: {target and target.id} is there")
    if code in ("link.copied-mark", "link.twins") and copies < 2:
        raise Broken(f"{link.id}: {code} without a copy")
    if code == "link.stranger" and not any(row.mark == mark(link.id) for row in world.rows["xero"].values()):
        raise Broken(f"{link.id}: there is no stranger")
    if code == "link.oscillates" and "T" not in review.paths and not _swung(source, target, review.paths):
        raise Broken(f"{link.id}: nothing swings {review.paths}")
    if code == "link.target-missing":
        raise Broken(f"{link.id}: its target is there")


def _swung(source: Row, target: Row | None, paths: tuple[str, ...]) -> bool:
    rows = [row for row in (source, target) if row is not None]
    return all(sum(len(row.said.get(path, ())) for row in rows) >= 3 for path in paths)


def _agreed(driver: Driver, link: Link, mapping: Rule) -> None:
    """Agreed is what both sides once held."""
    if link.life is not Life.LIVE or link.end(SF).sent:
        return
    for path, pair in link.agreed.items():
        if path in ("T", "Contact"):
            continue
        for side, spelling in zip((SF, XERO), pair, strict=True):
            if path in link.end(side).drift:
                continue
            row = driver.world.rows[side.value].get(link.end(side).id)
            if (
                row is not None
                and spelling
                and normal(side.value, path, value_of(spelling)) not in row.held.get(path, ())
            ):
                raise Broken(f"{link.id}: {row.id} never held {spelling} in {path}")
