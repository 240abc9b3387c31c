"""Who sits in at every stage: arms what is to break, asks at the end whether all is right, and reads all again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from connector.cli.stage import Stage
from tests.scenarios.audit import applied, one_of_each
from tests.scenarios.cuts import armed
from tests.scenarios.pennies import agreed
from tests.scenarios.replaying import says_nothing_new


@dataclass(frozen=True, slots=True)
class Figures:
    """What one stage came to. ``difference`` is a sum of absolute amounts."""

    stage: str
    cuts: int
    kept: int
    doubles: int
    documents: int
    fields: int
    reviews: int
    difference: str


@dataclass(frozen=True, slots=True)
class Attendant:
    """``seed`` draws the lots of the cuts; empty for none. Figures go into a file, a line for each stage."""

    seed: str
    figures: Path

    @asynccontextmanager
    async def __call__(self, scene: Stage) -> AsyncIterator[None]:
        cuts = await armed(scene, self.seed) if self.seed else None
        yield
        made = await cuts.made() if cuts is not None else 0
        rules = await applied(scene)
        kept, wrong = await one_of_each(scene, rules)
        sums = await agreed(scene, rules)
        self._note(Figures(
            scene.config.parent.name, made, kept, len(wrong), sums.documents, sums.fields, sums.reviews,
            str(sums.difference),
        ))  # fmt: skip
        if wrong or sums.apart:
            raise AssertionError("\n".join(["at the end of the stage:", *wrong, *sums.apart]))
        await says_nothing_new(scene)

    def _note(self, figures: Figures) -> None:
        with self.figures.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(figures)) + "\n")
