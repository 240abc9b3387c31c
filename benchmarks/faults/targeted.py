"""For each guard a short story that goes wrong without it: told twice, with the guard and without.

One connection, two workers, one expense whose bill nobody but us keeps single (for ``no-twin``: one account).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.crew import Crew, Hand
from benchmarks.faults.judge import Verdict
from benchmarks.faults.theatre import Theatre, theatre
from connector.cli.stage import until
from connector.errors import Unavailable

NAME = "acme"
QUIET, TWICE = 460, 40
SESSION = 8.0
SECONDS = 120.0  # for a story to come right; what has not by then is a stall
ALONE = frozenset({"lease"})  # stories that begin with one worker
LATE = 17  # seconds: less than a worker holds back the loops of a partition that it lost
CONTACTS = "/api.xro/2.0/Contacts"


@dataclass(slots=True)
class Story:
    """A theatre with its crew, and what the stories are made of."""

    theatre: Theatre
    crew: Crew

    async def expense(self) -> None:
        await self.theatre.edit(NAME, "expense")

    def arm(self, place: str, signal: str = "SIGSTOP") -> None:
        (self.theatre.control / place).write_text(signal, "ascii")

    async def stopped(self) -> Hand:
        """The worker that came by an armed place."""

        async def look() -> Hand | None:
            return next((one for one in self.crew.hands if (self.theatre.control / f"at.{one.name}").exists()), None)

        hand: Hand = await until("a worker comes by the armed place", look, 60)
        return hand

    async def right(self, seconds: float = SECONDS, *, moving: bool = False) -> Verdict:
        """Until the judge has nothing to say; ``moving`` lets the settable time pass meanwhile."""
        end, verdict, turn = time.monotonic() + seconds, await self.theatre.judged(), 0
        while not verdict.clean and not verdict.doubled and time.monotonic() < end:
            await asyncio.sleep(3)
            if moving:
                await self.theatre.advance(TWICE if turn % 2 else QUIET)
                turn += 1
                await asyncio.sleep(3)
            verdict = await self.theatre.judged()
        return verdict


async def barrier(story: Story) -> None:
    """A bill is made, its announcement stands in Kafka and is not folded yet; the sender dies; another takes over."""
    story.arm("slow", "4")
    story.arm("answered", "SIGKILL")
    await story.expense()
    hand = await story.stopped()
    hand.hold = 600
    await story.right(40)


async def lease(story: Story) -> None:
    """The owner is slow to announce; a second worker joins, gets the partition and makes the bill; the first goes on.

    Its process is well, so that no stale heartbeat ends it, and its loops are only held back yet.
    """
    story.arm("drafted", f"SLEEP {LATE}")
    await story.expense()
    await story.stopped()
    story.crew.hire()
    await asyncio.sleep(LATE + 5)
    await story.right(60)


async def deadline(story: Story) -> None:
    """The owner freezes with its lease proved; another waits, looks, finds nothing, makes it; the first one wakes."""
    story.arm("renewed")
    await story.expense()
    hand = await story.stopped()
    await asyncio.sleep(SESSION + 3)
    await story.right(moving=True)
    await _wakes(story, hand)


async def _wakes(story: Story, hand: Hand) -> None:
    import signal

    hand.signal(signal.SIGCONT)
    await asyncio.sleep(5)


async def twin(story: Story) -> None:
    """The answer to a contact's create comes late: it is polled before its link knows of it."""
    pair = story.theatre.pairs[NAME]
    await story.theatre.fault(pair, "delay", "PUT", CONTACTS, {"ms": 8000, "when": "after"})
    await story.theatre.edit(NAME, "account")
    await asyncio.sleep(12)
    await story.right(30)


async def mark(story: Story) -> None:
    """A bill is made and its sender dies before it knows: the next owner looks for it."""
    story.arm("answered", "SIGKILL")
    await story.expense()
    await story.stopped()
    await asyncio.sleep(SESSION + 3)
    await story.right(60, moving=True)
    await story.theatre.advance(QUIET)
    await asyncio.sleep(5)
    await story.theatre.advance(TWICE)
    await asyncio.sleep(5)


STORIES: Mapping[str, Callable[[Story], Awaitable[None]]] = {
    "barrier": barrier, "lease": lease, "deadline": deadline, "no-twin": twin, "mark": mark,
}  # fmt: skip


async def told(guard: str, folder: Path, *, without: bool, kafka: str = "") -> tuple[Verdict, dict[str, int]]:
    """One telling; gives the verdict and how workers ended. A story that does not come to its end is a stall."""
    missing = (guard,) if without else ()
    count = 1 if guard in ALONE else 2
    async with theatre(folder, 0, (NAME,), kafka) as scene, scene.crew(SESSION, missing, count) as crew:
        story = Story(scene, crew)
        try:
            await scene.opened()
            await scene.edit(NAME, "account")
            await story.right(60)
            await STORIES[guard](story)
            verdict = await story.right(30, moving=True)
        except Unavailable as stalled:
            verdict = await scene.judged()
            verdict.wrong.append(f"stalled: {stalled}")
            sys.stderr.write(f"{stalled}\n")
        return verdict, dict(crew.ends)
