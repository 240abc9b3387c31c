"""Generated histories: people, faults and the driver's own steps in any order; then peace, and what must hold then."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from connector.core.link import Act, outputs
from connector.core.link_events import Due, Settled
from connector.core.link_state import REPEAT_WITHIN, Rules
from tests.unit.fold_checks import at_rest
from tests.unit.fold_driver import SF, XERO, Driver, Rule, mark
from tests.unit.fold_world import BAD, Broken, Row, Value, World

PEACE_STEPS = 600
WORDS: Sequence[Value] = ("red", "green  tea", " blue ", "grey")
NUMBERS: Sequence[Value] = (Decimal("1"), Decimal("2.5"), Decimal("7.561"), Decimal("3.14159"))
WEATHER = ("ok",) * 12 + ("lost", "lost", "mute", "mute", "air", "throttled")
STORM = ("ok", "ok", "lost", "mute", "mute", "air", "throttled")
LINES = ("Lines/1", "Lines/2", "Lines/3")


@dataclass(slots=True)
class History:
    """One seed, one history. ``calm``: nobody crashes, nothing is lost; only people and slow reads."""

    seed: int
    calm: bool = False
    length: int = 0
    decisions: int = 0
    storm: bool = False
    fickle: float = 0.1
    world: World = field(default_factory=World)
    driver: Driver = field(init=False)
    rng: random.Random = field(init=False)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.driver = Driver(self.world, scene(self.rng), epochs=self.rng.random() < 0.8)
        self.length = self.length or self.rng.randint(20, 160)
        self.storm = self.rng.random() < 0.3
        self.fickle = self.rng.choice((0.1, 0.1, 0.4))

    def run(self) -> Driver:
        """Live it through. Raises Broken with the seed."""
        try:
            for _ in range(self.rng.randint(1, 3)):
                self._newcomer()
            for _ in range(self.length):
                self._step()
            self._peace()
            at_rest(self.driver)
            self._replay()
        except AssertionError as error:
            raise Broken(f"history {self.seed}{' calm' if self.calm else ''}: {error}") from error
        return self.driver

    # --- people ----------------------------------------------------------------------------------------------------

    def _person(self) -> None:
        rows = [row for side in self.world.rows.values() for row in side.values() if not row.gone]
        if not rows or self.rng.random() < 0.06:
            self._newcomer()
            return
        row = self.rng.choice(rows)
        chance = self.rng.random()
        mapping = next(m for m in self.driver.mappings if row.kind in m.kinds.values())
        if chance < 0.04:
            self.world.remove(row)
        elif chance < self.fickle:
            self.world.toggle(row)
        elif chance < self.fickle + 0.05 and row.side == "xero" and not mapping.rules.two_way:
            self.world.pay(row)
        elif chance < self.fickle + 0.07 and row.made_by == "call" and not mapping.rules.two_way and row.side == "xero":
            copy = self.world.add(row.side, row.kind, dict(row.fields), row.mark)
            self.driver.hint(copy)
        else:
            self._edit(row, mapping)
        self.driver.hint(row)

    def _edit(self, row: Row, mapping: Rule) -> None:
        lines = sorted({path.rsplit("/", 1)[0] for path in row.fields if "/" in path})
        if mapping.lines and self.rng.random() < 0.6:
            self._edit_line(row, lines)
            return
        path = self.rng.choice(mapping.paths)
        if path != "Contact":
            self.world.edit(row, {path: self._value(path, row.side)})

    def _edit_line(self, row: Row, lines: list[str]) -> None:
        new = [f"Lines/~{self.world.tick}"] if row.side == "xero" else [line for line in LINES if line not in lines]
        chance = self.rng.random()
        if new and (not lines or chance < 0.25):
            self.world.edit(row, self._line(self.rng.choice(new), row.side))
        elif chance < 0.4:
            line = self.rng.choice(lines)
            self.world.edit(row, {path: None for path in row.fields if path.startswith(line + "/")})
        elif lines:
            name = self.rng.choice(("Text", "N", "Tax"))
            self.world.edit(row, {f"{self.rng.choice(lines)}/{name}": self._value(name, row.side)})

    def _line(self, line: str, side: str) -> dict[str, Value]:
        return {f"{line}/{name}": self._value(name, side) for name in ("Text", "N")}

    def _value(self, path: str, side: str) -> Value:
        if path in ("M", "N"):
            return self.rng.choice(NUMBERS)
        if side == "salesforce" and self.rng.random() < 0.04:
            return self.rng.choice((BAD, "unwritable")) if path == "Desc" else "red"
        return self.rng.choice((*WORDS, f"word {self.world.tick}"))

    def _newcomer(self) -> None:
        """A record that a mapping takes, or in a two-way mapping its namesake on the other side."""
        mapping = self.rng.choice(self.driver.mappings)
        side = mapping.rules.source if not mapping.rules.two_way else self.rng.choice((SF, XERO))
        fields = {path: self._value(path, side.value) for path in mapping.paths if path not in ("Contact", "Due")}
        if mapping.lines:
            for line in LINES[: self.rng.randint(1, 2)]:
                fields |= self._line(line, side.value)
        if mapping.rules.two_way:
            fields["Name"] = self.rng.choice(("Ann", "Bob", "Cid"))
        if mapping.reference:
            accounts = [row for row in self.world.rows["salesforce"].values() if row.kind == "party"]
            if accounts:
                fields["Account"] = self.rng.choice(accounts).id
        row = self.world.add(side.value, mapping.kinds[side], fields)
        self.driver.hint(row)
        if mapping.find and self.rng.random() < 0.08:
            number = f"{mapping.name}|{side.value}:{row.id}|1"
            self.driver.hint(self.world.add("xero", mapping.kinds[XERO], {"Name": "squatter"}, number))

    def _decide(self) -> None:
        held = [(link, r) for link in self.driver.links.values()
                if (r := outputs(link, self.driver.mapping(link.id).rules).review) is not None]  # fmt: skip
        if not held:
            return
        link, review = self.rng.choice(held)
        words = ["retry", "salesforce", "xero", "end"]
        if review.code == "link.ambiguous":
            words.append("create")
        hits = [hit for hit in review.paths if hit[:1] == "x" and "/" not in hit]
        decision = self.rng.choice(words)
        self.decisions += 1
        self.driver.append(link.id, Settled(decision, "ann", self.world.now))
        if hits and review.code in ("link.taken", "link.found-one", "link.stranger") and self.rng.random() < 0.5:
            self.driver.append(link.id, Settled("link", "ann", self.world.now, hits[0]))

    # --- the machine -----------------------------------------------------------------------------------------------

    def _step(self) -> None:
        chance = self.rng.random()
        if chance < 0.17:
            self._person()
        elif chance < 0.20:
            self._decide()
        elif chance < 0.26:
            self._pass_time()
        elif chance < 0.32 and not self.calm:
            self._trouble()
        else:
            self._work()

    def _pass_time(self) -> None:
        seconds = self.rng.choice((0.4, 1, 3, 20) if self.calm or self.rng.random() < 0.7 else (70, 200, 450))
        self.world.now += timedelta(seconds=seconds)

    def _work(self) -> None:
        driver, rng = self.driver, self.rng
        moves: list[Callable[[], None]] = []
        if driver.done < len(driver.log):
            moves += [driver.fold] * 4
        if driver.records:
            moves += [driver.plan] * 2
        if driver.hints:
            moves.append(driver.take_hint)
        if driver.reads and len(driver.air) < 4:
            moves.append(lambda: driver.start_read(rng.randrange(9)))
        if driver.air:
            moves.append(self._air)
        moves += [lambda job=job: self._call(job) for job in driver.jobs.values()]  # type: ignore[misc]
        if driver.answers:
            moves.append(lambda: driver.report(rng.randrange(len(driver.answers))))
        if driver.flying:
            moves.append(lambda: driver.land(rng.randrange(len(driver.flying))))
        moves.append(self._write)
        rng.choice(moves)()

    def _air(self) -> None:
        index = self.rng.randrange(len(self.driver.air))
        if self.driver.air[index][3] is None:
            self.driver.run_read(index)
            if self.rng.random() < 0.4:
                return
        self.driver.end_read(index)

    def _write(self) -> None:
        ready = self.driver.ready()
        if ready:
            self.driver.begin(*self.rng.choice(ready))
            return
        for link_id in self.driver.overdue():
            self.driver.append(link_id, Due(self.world.now))

    def _call(self, job: object) -> None:
        found = next((j for j in self.driver.jobs.values() if j is job), None)
        if found is None:
            return
        if not found.announced:
            self.driver.announce(found)
            return
        fates = STORM if self.storm else WEATHER
        self.driver.send(found, "ok" if self.calm else self.rng.choice(fates))

    def _trouble(self) -> None:
        driver, chance = self.driver, self.rng.random()
        if chance < 0.30:
            ready = driver.ready()
            driver.crash(self.rng.randint(0, 6), zombies=self.rng.random() < 0.7)
            ready = [(link, task) for link, task in ready if task.act not in (Act.LOOK, Act.PROBE)]
            if ready and driver.epochs and self.rng.random() < 0.3:
                driver.late_announcement(*self.rng.choice(ready))
        elif chance < 0.65 and driver.log:
            link_id, event = driver.log[self.rng.randrange(len(driver.log))]
            found = getattr(event, "hits", None) is not None and not getattr(event, "call", "")
            if not isinstance(event, Settled) and not found:
                driver.append(link_id, event)
        elif chance < 0.8 and driver.links:
            driver.doubt(self.rng.choice(list(driver.links.values())), self.rng.choice((SF, XERO)))
        else:
            lost = [link for link in driver.links.values()
                    if link.attempt is not None and link.attempt.unknown and link.id not in driver.jobs
                    and link.id not in driver.busy and driver.done >= driver.caught_up
                    and link.attempt.call in driver.bodies and link.attempt.absent_at is None
                    and self.world.now - link.attempt.first_sent < REPEAT_WITHIN]  # fmt: skip
            if lost:
                driver.resume(self.rng.choice(lost))

    # --- peace -----------------------------------------------------------------------------------------------------

    def _peace(self) -> None:
        """People and faults are gone: everything is delivered, and the outputs are driven until nothing is left."""
        for _ in range(PEACE_STEPS):
            if not self._quiet_step():
                return
        raise Broken(f"no rest after {PEACE_STEPS} steps: {self.driver.log[-6:]}")

    def _replay(self) -> None:
        """Everything is read once more, and nothing follows from it."""
        written = self.world.writes
        for side in self.world.rows.values():
            for row in side.values():
                self.driver.hint(row)
        self._peace()
        if self.world.writes != written:
            raise Broken(f"{self.world.writes - written} writes although nothing changed")

    def _quiet_step(self) -> bool:
        driver = self.driver
        if driver.flying:
            driver.land(0)
        elif driver.done < len(driver.log):
            driver.fold()
        elif driver.records:
            driver.plan()
        elif driver.hints:
            driver.take_hint()
        elif driver.air:
            self._air()
        elif driver.answers:
            driver.report(0)
        elif driver.jobs:
            self._calmly(next(iter(driver.jobs.values())))
        elif driver.reads:
            driver.start_read(0)
        elif ready := driver.ready():
            driver.begin(*ready[0])
        elif late := driver.overdue():
            driver.append(late[0], Due(self.world.now))
        else:
            return self._wait()
        return True

    def _calmly(self, job: object) -> None:
        for found in list(self.driver.jobs.values()):
            if found is job and not found.announced:
                self.driver.announce(found)
            elif found is job:
                self.driver.send(found, "ok")

    def _wait(self) -> bool:
        dues = [due for link in self.driver.links.values()
                if (due := outputs(link, self.driver.mapping(link.id).rules).due) is not None]  # fmt: skip
        if not dues:
            return False
        self.world.now = max(self.world.now, min(dues)) + timedelta(seconds=1)
        return True


def scene(rng: random.Random) -> tuple[Rule, ...]:
    """The mappings of one history."""
    owners = {path: rng.choice(("salesforce", "xero", "latest")) for path in ("Name", "M", "N")}
    shouted = ("T",) if rng.random() < 0.1 else ()
    pair = Rule(
        "pair",
        Rules(
            SF, two_way=True, owners={**owners, "T": "xero"}, conflict=rng.choice(("ask", "latest", "salesforce")),
            creates=rng.choice((frozenset((SF, XERO)), frozenset((XERO,)))),
        ),
        {SF: "party", XERO: "party"}, ("Name", "M", "N", *shouted),
    )  # fmt: skip
    kind = rng.choice(("doc", "bill", "bill"))
    left = {"draft": "delete", "approved": rng.choice(("void", "tell")), "paid": "tell"}
    rules = Rules(
        SF, creates=frozenset((XERO,)), matched=rng.choice(("stop", "link")), left=left, deleted=left,
        changed={"draft": "update", "approved": rng.choice(("update", "reissue", "tell")), "paid": "tell"},
        again=rng.choice(("new", "new", "tell")), target_gone=rng.choice(("tell", "recreate")),
        approve=rng.choice(("checked", "at-once")), conflict=rng.choice(("ask", "ask", "salesforce")),
    )  # fmt: skip
    document = Rule(
        kind, rules, {SF: f"{kind}-source", XERO: kind}, ("Name", "Desc", "M", "Due", "Contact"),
        lines=True, once=("Name",), find=kind == "doc", unique=kind == "doc", reference="pair",
    )  # fmt: skip
    note = Rule("note", Rules(XERO, creates=frozenset((SF,))), {SF: "note", XERO: "note"}, ("Desc", "M"))
    chosen = rng.choice(((pair,), (document, pair), (document, pair), (document,), (note,)))
    return tuple(chosen)


__all__ = ["History", "mark", "scene"]
