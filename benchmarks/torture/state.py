"""What the counting agent keeps and says: one integer of bits per key, one line per event."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

SOURCE = "torture-source.v1"
OUTPUT = "torture-output.v1"
TABLE = "torture-table"
CHANGELOG = "torture-table.v1"
GROUP = "torture"
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class State:
    """A table value: the sequence numbers seen of a key as bits; who wrote it (owner epoch), as its which write."""

    epoch: int
    counter: int
    bits: int
    padding: int = 0  # bytes that only make the value long

    @property
    def rank(self) -> tuple[int, int]:
        return self.epoch, self.counter

    def encode(self) -> bytes:
        return b"%d %d %x %s" % (self.epoch, self.counter, self.bits, b"." * self.padding)


NOTHING = State(-1, -1, 0)


def decode_state(value: bytes | None) -> State:
    """The value of a key; of an absent one, nothing seen."""
    if not value:
        return NOTHING
    epoch, counter, bits, padding = value.split(b" ")
    return State(int(epoch), int(counter), int(bits, 16), len(padding))


def rank(value: bytes) -> tuple[int, int]:
    """For the engine: of two values the higher one holds."""
    return decode_state(value).rank


@dataclass(frozen=True, slots=True)
class Output:
    """What a worker says of one event. ``before`` are the bits it found; ``at`` is the machine's clock, in seconds."""

    key: str
    seq: int
    partition: int
    offset: int
    pid: int
    generation: int
    before: int
    at: float

    def encode(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()


def decode_output(value: bytes) -> Output:
    return Output(**json.loads(value))


def changelog_of(engine: str, prefix: str) -> str:
    """The topic behind the table; Faust as it comes names it itself."""
    return f"{prefix}{CHANGELOG}" if engine == "ours" else f"{prefix}{GROUP}-{TABLE}-changelog"


def key_of(number: int) -> bytes:
    """The part before the slash places it, as in the product."""
    return b"k%03d/x" % number
