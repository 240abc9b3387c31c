"""The count of what was taken against what became of it, per partition: if a message were lost, it would show here.

The ledger says what may be committed, by acknowledgements. This is a second book, kept by others: the fetcher writes
what it delivered, the guard writes what became of each message. What is committed without an outcome is *unaccounted*.
The figures are committed beside the offsets, so that a restart, or another worker, goes on with them.

Pure.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streams.engine.ledger import Partition

BURIED = "dead letter"
MISSED = "removed unread"  # by retention, before we came to it
_LONGEST = 4_000  # of what Kafka keeps beside an offset (4,096 bytes)


@dataclass(slots=True)
class Figures:
    """Of one partition, since the group first read it. ``taken`` is ``unaccounted`` and the sum of ``outcomes``."""

    taken: int = 0
    unaccounted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    @property
    def buried(self) -> int:
        return self.outcomes[BURIED]

    def add(self, other: Figures) -> None:
        self.taken += other.taken
        self.unaccounted += other.unaccounted
        self.outcomes.update(other.outcomes)

    def to_text(self) -> str:
        """What is committed beside the offset."""
        text = json.dumps({"taken": self.taken, "unaccounted": self.unaccounted, "outcomes": self.outcomes})
        return text if len(text) <= _LONGEST else ""

    @classmethod
    def of(cls, text: str) -> Figures:
        """From a commit's text; nothing where it is not ours."""
        try:
            raw = json.loads(text) if text else {}
            outcomes = Counter({str(word): int(number) for word, number in raw.get("outcomes", {}).items()})
            return cls(int(raw.get("taken", 0)), int(raw.get("unaccounted", 0)), outcomes)
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(slots=True)
class _Account:
    next: int  # everything before it is in the figures
    dense: bool
    figures: Figures
    open: deque[int] = field(default_factory=deque)  # delivered and not in the figures yet, in order
    found: dict[int, str] = field(default_factory=dict)


class Accounts:
    """One account per partition, from a ``begin`` to a ``drop`` or the next ``begin``."""

    def __init__(self) -> None:
        self._accounts: dict[Partition, _Account] = {}
        self.tally: Counter[tuple[str, str]] = Counter()  # topic and outcome, for the metrics

    def begin(self, tp: Partition, offset: int, text: str, *, dense: bool, missed: int = 0) -> None:
        """Reading starts at this offset, with the figures that were committed beside it. ``missed``: that many messages
        after the committed offset are not there any more."""
        figures = Figures.of(text)
        figures.taken += missed
        figures.unaccounted += missed
        self._accounts[tp] = _Account(offset, dense, figures)

    def drop(self, tps: Iterable[Partition]) -> None:
        for tp in list(tps):
            self._accounts.pop(tp, None)

    def delivered(self, tp: Partition, offset: int) -> None:
        """The fetcher hands a message to the agents."""
        account = self._accounts.get(tp)
        if account is not None:
            account.open.append(offset)

    def outcome(self, tp: Partition, offset: int, word: str) -> None:
        """The guard says what became of a message."""
        account = self._accounts.get(tp)
        if account is not None and offset >= account.next:
            account.found[offset] = word

    def upto(self, tp: Partition, done: int) -> str:
        """Everything before ``done`` is about to be committed: the text to commit with it."""
        account = self._accounts.get(tp)
        if account is None:
            return ""
        figures, before = account.figures, account.figures.taken
        while account.open and account.open[0] < done:
            self._close(tp, account, account.open.popleft())
        # What compaction took has no message. In other topics an offset that nobody delivered is a lost message.
        lost = done - account.next - (figures.taken - before) if account.dense else 0
        figures.taken += max(lost, 0)
        figures.unaccounted += max(lost, 0)
        account.next = max(account.next, done)
        return figures.to_text()

    def _close(self, tp: Partition, account: _Account, offset: int) -> None:
        word = account.found.pop(offset, None)
        account.figures.taken += 1
        if word is None:
            account.figures.unaccounted += 1
        else:
            account.figures.outcomes[word] += 1
            self.tally[tp.topic, word] += 1

    def all(self) -> Iterator[tuple[Partition, Figures, int]]:
        """Each partition with its figures, and how many messages are delivered and not done yet."""
        for tp, account in self._accounts.items():
            yield tp, account.figures, len(account.open)


def summed(figures: Mapping[Partition, Figures]) -> dict[str, Figures]:
    """By topic."""
    out: dict[str, Figures] = {}
    for tp, each in figures.items():
        out.setdefault(tp.topic, Figures()).add(each)
    return out
