"""A plain model of two stores with people in them. It counts documents, remembers who wrote which field when, and knows
nothing of links: what the connector does to it is judged by what stands here.

Values are texts and Decimals. A field of a line stands under ``Lines/<key>/<Field>``; ``None`` takes it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

Value = str | Decimal
Changes = Mapping[str, Value | None]
SIDES = ("salesforce", "xero")
KEYS_LIVE = timedelta(minutes=6)  # Xero's idempotency keys
PLACES = {"salesforce": {"M": 3, "N": 1}, "xero": {"M": 2, "N": 2}}  # decimals that each side keeps
FILLS = {"Due": "in 30 days"}  # what Xero puts where nothing was sent
BAD = "refused"  # a text that Xero does not take


class Broken(AssertionError):
    """The world saw what must not be."""


@dataclass(slots=True)
class Row:
    """One object. ``writer`` and ``tick`` say who changed a field last, and when; ``held`` all it ever was."""

    id: str
    side: str
    kind: str
    mark: str
    made_by: str
    stamp: datetime
    fields: dict[str, Value] = field(default_factory=dict)
    status: str = "draft"
    gone: bool = False
    matches: bool = True
    born: int = 0
    writer: dict[str, str] = field(default_factory=dict)
    tick: dict[str, int] = field(default_factory=dict)
    said: dict[str, list[Value | None]] = field(default_factory=dict)  # what people set, in order
    held: dict[str, set[Value]] = field(default_factory=dict)
    written: dict[str, Value | None] = field(default_factory=dict)  # what the connector wrote last


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read shows."""

    id: str
    side: str
    kind: str
    tick: int
    stamp: datetime
    fields: Mapping[str, Value]
    status: str
    gone: bool
    matches: bool
    mark: str


@dataclass(frozen=True, slots=True)
class Request:
    """One write on the wire. ``saw`` is the newest tick of its target that its sender had been shown."""

    call: str
    act: str
    side: str
    kind: str
    target: str
    mark: str
    changes: Changes
    deadline: datetime
    unique: bool = True
    careful: bool = False  # a document that follows its source: people's edits in it must stand
    saw: int = -1
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """``refused`` empty: done. Salesforce shows no fields of what it wrote, and no stamp."""

    id: str
    refused: str = ""
    fields: Mapping[str, Value] | None = None
    stamp: datetime | None = None
    status: str = ""
    tick: int = 0


class World:
    """Both stores, one clock, one count of everything that happened."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, tzinfo=UTC)
        self.tick = 0
        self.rows: dict[str, dict[str, Row]] = {side: {} for side in SIDES}
        self.keys: dict[str, tuple[datetime, Reply]] = {}
        self.births: dict[str, int] = {}
        self.writes = 0
        self.edits = 0
        self.source: dict[str, Row] = {}  # row made of another → that one
        self.made: dict[str, list[Row]] = {}
        self.settled: set[tuple[str, str]] = set()  # (row, field) that a person decided
        self.missed: set[tuple[str, str]] = set()  # written over an edit of the last moment, which nobody had seen

    # --- people ----------------------------------------------------------------------------------------------------

    def add(self, side: str, kind: str, fields: Mapping[str, Value], mark: str = "") -> Row:
        """A person makes an object."""
        return self._new(side, kind, mark, "person", fields)

    def edit(self, row: Row, changes: Changes) -> None:
        """A person changes fields."""
        self.edits += 1
        self._put(row, changes, "person")
        for target in (row, *self.made.get(row.id, ())):
            self._equal(target)

    def _equal(self, target: Row) -> None:
        """What the source said too is nobody's edit: no reader can tell which came first."""
        source = self.source.get(target.id)
        for path in target.writer if source is not None else ():
            said = _said(source, path) if source is not None else []
            if target.writer[path] == "person" and any(
                normal_or(target.side, path, value) == target.fields.get(path) for value in said
            ):
                target.writer[path], target.written[path] = "both", target.fields.get(path)

    def remove(self, row: Row) -> None:
        """A person deletes or voids an object."""
        self.edits += 1
        self._touch(row)
        row.gone = True

    def toggle(self, row: Row) -> None:
        """A record stops or begins to be what the mapping asks for."""
        self.edits += 1
        self._touch(row)
        row.matches = not row.matches

    def pay(self, row: Row) -> None:
        """A document moves on."""
        self.edits += 1
        self._touch(row)
        row.status = {"draft": "approved", "approved": "paid"}.get(row.status, row.status)

    # --- the wire --------------------------------------------------------------------------------------------------

    def read(self, side: str, row_id: str) -> Snapshot | None:
        row = self.rows[side].get(row_id)
        if row is None:
            return None
        return Snapshot(
            row.id, side, row.kind, self.tick, row.stamp, dict(row.fields), row.status, row.gone, row.matches, row.mark
        )

    def find(self, side: str, kind: str, *, mark: str = "", name: Value | None = None) -> list[Snapshot]:
        """Objects by mark (removed ones too), or by name (live ones)."""
        hits = [
            row for row in self.rows[side].values()
            if row.kind == kind
            and (row.mark == mark if mark else (not row.gone and row.fields.get("Name") == name))
        ]  # fmt: skip
        return [shot for row in hits if (shot := self.read(side, row.id)) is not None]

    def send(self, request: Request) -> Reply:
        """Carry out one write, once for each idempotency key where the side has keys."""
        if self.now > request.deadline:
            raise Broken(f"{request.call} was sent after its deadline")
        known = self.keys.get(request.call)
        if request.side == "xero" and known is not None and self.now - known[0] < KEYS_LIVE:
            return known[1]
        self.writes += 1
        reply = self._carry_out(request)
        self.keys[request.call] = (self.now, reply)
        return reply

    def _carry_out(self, request: Request) -> Reply:
        if request.side == "xero" and BAD in request.changes.values():
            return Reply("", "fix")
        if request.act == "create":
            return self._create(request)
        row = self.rows[request.side].get(request.target)
        if row is None or row.gone or (request.act == "remove" and row.status == "paid"):
            return Reply("", "fix")
        if request.act == "remove":
            self._touch(row)
            row.gone = True
        elif request.act == "approve":
            self._touch(row)
            row.status = "approved" if row.status == "draft" else row.status
        else:
            self._over(row, request)
            self._put(row, request.changes, "call")
        return self._reply(row)

    def _create(self, request: Request) -> Reply:
        twins = [r for r in self.rows[request.side].values() if r.kind == request.kind and r.mark == request.mark]
        if request.side == "salesforce" and twins:
            self._over(twins[0], request)
            self._put(twins[0], request.changes, "call")
            return self._reply(twins[0])
        if request.unique and any(not row.gone for row in twins):
            return Reply("", "taken")
        self.births[request.mark] = self.births.get(request.mark, 0) + 1
        if self.births[request.mark] > 1:
            raise Broken(f"{request.mark} was born twice")
        given = {path: value for path, value in request.changes.items() if value is not None}
        row = self._new(request.side, request.kind, request.mark, "call", given)
        source = self.rows["xero" if request.side == "salesforce" else "salesforce"].get(request.source)
        if source is not None and request.careful:
            self.source[row.id] = source
            self.made.setdefault(source.id, []).append(row)
        return self._reply(row)

    def _reply(self, row: Row) -> Reply:
        if row.side == "salesforce":
            return Reply(row.id, tick=self.tick)
        return Reply(row.id, "", dict(row.fields), row.stamp, "gone" if row.gone else row.status, self.tick)

    # --- keeping ---------------------------------------------------------------------------------------------------

    def _new(self, side: str, kind: str, mark: str, by: str, fields: Mapping[str, Value]) -> Row:
        self.tick += 1
        row = Row(f"{side[0]}{self.tick}", side, kind, mark, by, self.stamp(), born=self.tick)
        self.rows[side][row.id] = row
        filled = FILLS if side == "xero" and by == "call" and kind in ("doc", "bill") else {}
        self._put(row, {**filled, **fields}, by)
        return row

    def stamp(self) -> datetime:
        """Whole seconds, so that stamps are often equal."""
        return self.now.replace(microsecond=0)

    def _touch(self, row: Row) -> None:
        self.tick += 1
        row.stamp = self.stamp()

    def _put(self, row: Row, changes: Changes, by: str) -> None:
        self._touch(row)
        if by == "call" and any("/" in path for path in changes):
            gone = {path: None for path in row.fields if "/" in path and path not in changes}
            lines = {path.rsplit("/", 1)[0] for path, value in changes.items() if "/" in path and value is not None}
            changes = {**gone, **{f"{line}/Tax": "standard" for line in lines}, **changes}
        for path, value in changes.items():
            if by == "person":
                row.said.setdefault(path, []).append(value)
            kept = None if value is None else normal(row.side, path, value)
            if by == "call":
                row.written[path] = kept
            if row.fields.get(path) == kept:
                continue
            undone = by == "person" and path in row.written and words(row.written[path]) == words(kept)
            row.writer[path], row.tick[path] = ("call" if undone else by), self.tick
            if kept is None:
                row.fields.pop(path, None)
            else:
                row.fields[path] = kept
                row.held.setdefault(path, set()).add(kept)

    def _over(self, row: Row, request: Request) -> None:
        """What a person changed in a document, and the sender had been shown, is not overwritten."""
        lines = any("/" in path for path in request.changes)
        for path in {*request.changes, *(path for path in row.fields if "/" in path and lines)}:
            kept = normal_or(row.side, path, request.changes.get(path))
            if row.writer.get(path) != "person" or row.fields.get(path) == kept:
                continue
            if row.tick[path] > request.saw:
                self.missed.add((row.id, path))
                continue
            line = (row.id, path.rsplit("/", 1)[0] + "/")
            if request.careful and row.made_by == "call" and not {(row.id, path), line} & self.settled:
                raise Broken(f"{request.call} overwrites {path} of {row.id}, which a person set")


def normal(side: str, path: str, value: Value) -> Value:
    """What a side keeps of a value: Xero takes spaces out, both round, Salesforce's trigger shouts in T."""
    if isinstance(value, Decimal):
        places = PLACES[side].get(path.rsplit("/", 1)[-1], 4)
        return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    if side == "xero":
        return " ".join(value.split())
    return value.strip().upper() if path == "T" else value.strip()


def _said(row: Row, path: str) -> list[Value | None]:
    """Everything that a field ever was. Who takes a line out says so of each of its fields."""
    line = path.rsplit("/", 1)[0] + "/"
    out = any(other.startswith(line) and None in said for other, said in row.said.items())
    return [*row.held.get(path, ()), *row.said.get(path, ()), *((None,) if out else ())]


def words(value: Value | None) -> object:
    return value.split() if isinstance(value, str) else value


def normal_or(side: str, path: str, value: Value | None) -> Value | None:
    return None if value is None else normal(side, path, value)


def alike(path: str, salesforce: Value | None, xero: Value | None) -> bool:
    """Whether both sides hold the same, as far as each can keep what the other holds."""
    if salesforce is None or xero is None:
        return salesforce == xero
    return normal("xero", path, salesforce) == xero or normal("salesforce", path, xero) == salesforce
