"""The run: people edit while workers are killed, told to end, frozen, and the broker is killed; then the judge."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.faults.crew import Crew, Hand
from benchmarks.faults.judge import Verdict
from benchmarks.faults.theatre import Theatre
from connector.cli.stage import until

QUIET, TWICE = 460, 40  # seconds: a lost call may be probed; what was not found is looked for once more
FREEZES = (("announced", 0), ("renewed", 70), ("checked", 250))  # place, seconds that pass for the frozen one
WRITES = "/api.xro/2.0"
CUTS: tuple[tuple[str, str, str, dict[str, int | str]], ...] = (
    ("cut-after-commit", "PUT", f"{WRITES}/Invoices", {}),
    ("cut-before-commit", "PUT", f"{WRITES}/Invoices", {}),
    ("half-batch", "PUT", f"{WRITES}/Invoices", {}),
    ("cut-after-commit", "POST", f"{WRITES}/Invoices", {}),
    ("cut-after-commit", "PUT", f"{WRITES}/Contacts", {}),
    ("cut-before-commit", "PUT", f"{WRITES}/Contacts", {}),
    ("cut-after-commit", "POST", f"{WRITES}/Contacts", {}),
    ("status", "PUT", f"{WRITES}/Invoices", {"status": 503}),
    ("status-after-commit", "PUT", f"{WRITES}/Invoices", {"status": 500}),
    ("delay", "PUT", f"{WRITES}/Invoices", {"ms": 3000, "when": "after"}),
    ("token-revoked", "PUT", f"{WRITES}/Contacts", {}),
    ("cut-after-commit", "PATCH", "/services/data", {}),
    ("cut-before-commit", "PATCH", "/services/data", {}),
    ("token-revoked", "PATCH", "/services/data", {}),
    ("cut-before-commit", "GET", f"{WRITES}/Invoices", {}),
    ("cut-before-commit", "GET", "/services/data", {}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    changes: int = 300
    kills: int = 30
    ends: int = 10
    freezes: int = 7
    placed: int = 4  # freezes between announced and sent, on top
    brokers: int = 3
    session: float = 8.0
    seconds: float = 420.0  # for all to arrive in the end

    @property
    def steps(self) -> list[str]:
        return (
            ["kill"] * self.kills + ["end"] * self.ends + ["freeze"] * self.freezes + ["broker"] * self.brokers
            + [f"place {number % len(FREEZES)}" for number in range(self.placed)]
        )  # fmt: skip


@dataclass(slots=True)
class Campaign:
    """One run over a theatre and its crew."""

    theatre: Theatre
    crew: Crew
    plan: Plan
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    async def run(self) -> Verdict:
        steps = self.plan.steps
        self.chance.shuffle(steps)
        for number, step in enumerate(steps):
            due = self.plan.changes * (number + 1) // len(steps) - self.edits.total()
            await self._arm_a_cut()
            editing = asyncio.create_task(self._edit(due))
            await self._step(step)
            await editing
            self.say(f"{number + 1}/{len(steps)} {step}: {self.edits.total()} edits, ends {dict(self.crew.ends)}")
            if number % 4 == 3:
                await self._pass_time()
        return await self._arrive()

    def say(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self.began:6.1f} {text}\n")

    # --- what people and the network do ------------------------------------------------------------------------------

    async def _edit(self, count: int) -> None:
        for _ in range(count):
            name = self.chance.choice(list(self.theatre.pairs))
            self.edits[await self.theatre.edit(name)] += 1
            await asyncio.sleep(self.chance.uniform(0, 0.4))

    async def _arm_a_cut(self) -> None:
        pair = self.theatre.pairs[self.chance.choice(list(self.theatre.pairs))]
        kind, method, path, options = self.chance.choice(CUTS)
        await self.theatre.fault(pair, kind, method, path, options)

    async def _pass_time(self) -> None:
        await asyncio.sleep(3)
        await self.theatre.advance(QUIET)
        await asyncio.sleep(3)
        await self.theatre.advance(TWICE)

    # --- what happens to processes -----------------------------------------------------------------------------------

    async def _step(self, step: str) -> None:
        await asyncio.sleep(self.chance.uniform(0, 2.0))
        kind, _, rest = step.partition(" ")
        if kind == "broker":
            await self._broker()
        elif kind == "place":
            await self._at_a_place(*FREEZES[int(rest)])
        else:
            hand = await self._somebody()
            if kind == "freeze":
                await self._freeze(hand)
            else:
                await self._end(hand, signal.SIGKILL if kind == "kill" else signal.SIGTERM)
        self.done[kind] += 1

    async def _somebody(self) -> Hand:
        """A worker that runs, sometimes just after it was started."""

        async def alive() -> list[Hand]:
            return [hand for hand in self.crew.hands if hand.process and hand.process.returncode is None]

        running: list[Hand] = await until("a worker runs", alive, 60)
        return self.chance.choice(running)

    async def _end(self, hand: Hand, number: signal.Signals) -> None:
        """Every third one stays away for longer than the session: the other worker takes over."""
        process, hold = hand.process, self.chance.random() < 0.34
        hand.hold = self.plan.session + 3 if hold else 0.0
        hand.signal(number)
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                self.done["did not end"] += 1  # a supervisor would kill it
                hand.signal(signal.SIGKILL)
        await asyncio.sleep(hand.hold + 1 if hold else self.chance.choice((0.5, 4.0, 7.0)))

    async def _freeze(self, hand: Hand) -> None:
        hand.signal(signal.SIGSTOP)
        await asyncio.sleep(self.plan.session + 3)
        hand.signal(signal.SIGCONT)
        await asyncio.sleep(self.chance.uniform(0.5, 3))

    async def _at_a_place(self, place: str, seconds: int) -> None:
        """A worker stops itself between the announcement of a call and its send."""
        armed = self.theatre.control / place
        armed.write_text("SIGSTOP", "ascii")
        taken = [self.theatre.control / f"at.{hand.name}" for hand in self.crew.hands]

        async def look() -> Hand | None:
            return next((hand for hand, at in zip(self.crew.hands, taken, strict=True) if at.exists()), None)

        for name in self.theatre.pairs:
            self.edits[await self.theatre.edit(name, "expense")] += 1
        hand: Hand = await until(f"a worker stops at {place}", look, 90)
        await asyncio.sleep(self.plan.session + 3)
        if seconds:
            await self.theatre.advance(seconds)
        hand.signal(signal.SIGCONT)
        (self.theatre.control / f"at.{hand.name}").unlink()
        self.done[f"frozen at {place}"] += 1
        await asyncio.sleep(2)

    async def _broker(self) -> None:
        await self.theatre.broker.kill()
        await asyncio.sleep(self.chance.uniform(0, 3))
        await self.theatre.broker.start()
        await asyncio.sleep(2)

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _arrive(self) -> Verdict:
        """Nothing breaks any more: until the judge has nothing to say, or the time is over. Then time passes once more:
        whatever is still to be looked for, and might be made a second time, is over before the last word."""
        await self.theatre.no_more_faults()
        end = time.monotonic() + self.plan.seconds
        verdict = await self.theatre.judged()
        while not verdict.clean and not verdict.doubled and time.monotonic() < end:
            verdict = await self._later()
            found = [*verdict.lost, *verdict.wrong]
            self.say(f"the judge: {len(verdict.lost)} not there, {len(verdict.wrong)} not right yet: {found[:2]}")
        return await self._later()

    async def _later(self) -> Verdict:
        """The judge's word after lost calls were probed, and probed once more."""
        await asyncio.sleep(6)
        await self.theatre.advance(QUIET)
        await asyncio.sleep(6)
        await self.theatre.advance(TWICE)
        await asyncio.sleep(4)
        return await self.theatre.judged()
