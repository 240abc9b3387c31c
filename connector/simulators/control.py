"""The control page of a simulator, the same for every party: clock, faults, logs, edits by people.

Everything stands under ``/__sim`` and answers in JSON; it is neither logged nor hit by faults. The party itself is a
``System``: the few things that only it knows (its objects, how it spells a 429).

Faults, each for the requests that ``match`` (method, path prefix, ``keyed``: only those that carry an Idempotency-Key,
or none), after ``skip`` of them, ``count`` times (null: until deleted). With a ``chance`` (0 to 1) each request that
would be struck is struck or passed over by lot; a ``seed`` draws the same lots again:

===================== =================================================================================================
cut-before-send       the next ``count`` new connections are accepted and closed before a byte is read, and open idle
                      ones are closed now. ``match`` and ``skip`` cannot apply: nothing has been read yet. What a client
                      sees is a peer that hangs up; a refused connect needs a port where nobody listens
cut-before-commit     the request is read, the connection closed, nothing done
cut-after-commit      the request is carried out, the connection closed without an answer
half-batch            the first half (rounded down) of the elements is carried out, then the connection is closed
delay                 ``options.ms`` of real time, ``options.when`` before (default) or after the commit
status                the party's own answer for ``options.status`` (429, 500, 503, ...) instead of doing anything
status-after-commit   the same answer after the request was carried out
token-revoked         every token given out so far stops working, then the request is handled
session-forgotten     every streaming session is forgotten, then the request is handled
===================== =================================================================================================
"""

from __future__ import annotations

import contextvars
import itertools
import json
import random
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

KINDS = frozenset(
    {
        "cut-before-send", "cut-before-commit", "cut-after-commit", "half-batch", "delay",
        "status", "status-after-commit", "token-revoked", "session-forgotten",
    }
)  # fmt: skip
KEPT = 200_000  # entries of each log; a load run must not eat the machine
request_number: contextvars.ContextVar[int | None] = contextvars.ContextVar("simulator_request", default=None)


class Refused(Exception):
    """The control page was asked for something that cannot be; the message says what."""


@dataclass
class Clock:
    """The simulator's time: real time plus an offset that can be set, or a moment that stands ``still``."""

    offset: timedelta = timedelta(0)
    still: datetime | None = None  # time moves only when somebody moves it

    def now(self) -> datetime:
        """Aware, UTC."""
        return self.still if self.still is not None else datetime.now(UTC) + self.offset

    def set(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("the clock takes a time with a zone")
        self.offset = moment - datetime.now(UTC)
        self.still = self.still and moment

    def advance(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)
        self.still = self.still and self.still + timedelta(seconds=seconds)


@dataclass
class Fault:
    """One kind of trouble, armed. ``left`` None means until deleted, ``keyed`` None that a key does not matter."""

    id: int
    kind: str
    method: str | None = None
    path: str = "/"
    skip: int = 0
    left: int | None = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    hits: int = 0
    keyed: bool | None = None
    chance: float = 1.0
    seed: str = ""
    drawn: int = 0  # lots so far

    def takes(self, method: str, path: str, *, keyed: bool = False) -> bool:
        """Whether it strikes this request; counts it off if so."""
        if self.method not in (None, method) or not path.startswith(self.path) or self.keyed not in (None, keyed):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.falls() and self.strike()

    def falls(self) -> bool:
        """The next lot."""
        self.drawn += 1
        return self.chance >= 1 or random.Random(f"{self.seed}/{self.drawn}").random() < self.chance  # noqa: S311

    def strike(self) -> bool:
        if self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True


@dataclass
class RequestEntry:
    """One request as it came. ``status`` is None while it runs and when no answer left."""

    n: int
    at: str
    method: str
    path: str
    query: str
    body_size: int = 0
    body_sha256: str = ""
    idempotency_key: str | None = None
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True)
class WriteEntry:
    """One committed change. ``request`` is None and ``origin`` is ui when a person made it."""

    n: int
    at: str
    entity: str
    id: str
    operation: str
    fields: Mapping[str, Any]
    origin: str
    request: int | None


class System(Protocol):
    """What a simulated party tells the control page about itself."""

    fault_kinds: frozenset[str]

    def entities(self) -> Sequence[str]:
        """Names of its kinds of objects."""

    def objects(self, entity: str) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind, whole. Raises Refused for an unknown kind."""

    def edit(self, entity: str, record_id: str | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A person's edit (no id: a new object), by the party's own rules. Gives the object. Raises Refused."""

    def delete(self, entity: str, record_id: str) -> None:
        """A person deletes. Raises Refused."""

    def state(self) -> Mapping[str, Any]:
        """Counts and what is left of the limits."""

    def failure(self, status: int, options: Mapping[str, Any]) -> Response:
        """The party's own answer for a status. Raises Refused when it has none."""

    def revoke_tokens(self) -> None:
        """Every token given out so far stops working."""

    def forget_sessions(self) -> None:
        """Every streaming session is forgotten."""


class Control:
    """Logs and faults of one simulator. The party calls ``committed`` for every change it makes."""

    def __init__(self, system: System, clock: Clock) -> None:
        self.system = system
        self.clock = clock
        self.requests: deque[RequestEntry] = deque(maxlen=KEPT)
        self.writes: deque[WriteEntry] = deque(maxlen=KEPT)
        self.faults: dict[int, Fault] = {}
        self.close_idle: Callable[[], None] = lambda: None  # serving.py puts the real one here
        self._numbers = {"requests": itertools.count(1), "writes": itertools.count(1), "faults": itertools.count(1)}
        self._by_hand = False

    def arrived(self, method: str, path: str, query: str) -> RequestEntry:
        entry = RequestEntry(next(self._numbers["requests"]), self._at(), method, path, query)
        self.requests.append(entry)
        return entry

    def committed(self, entity: str, record_id: str, operation: str, fields: Mapping[str, Any]) -> None:
        """A change is in the store: ``operation`` is create, update or delete."""
        origin = "ui" if self._by_hand else "api"
        request = None if self._by_hand else request_number.get()
        number = next(self._numbers["writes"])
        self.writes.append(WriteEntry(number, self._at(), entity, record_id, operation, dict(fields), origin, request))

    def arm(self, raw: Mapping[str, Any]) -> Fault:
        """A new fault from its JSON form. Raises Refused."""
        unknown = set(raw) - {"kind", "match", "count", "skip", "options", "chance", "seed"}
        match = raw.get("match") or {}
        kind = raw.get("kind")
        if unknown or not isinstance(match, dict) or set(match) - {"method", "path", "keyed"}:
            raise Refused(
                "a fault has kind, match (method, path, keyed), count, skip, options, chance and seed, "
                f"not {sorted(unknown)}"
            )
        if kind not in KINDS or kind not in self.system.fault_kinds:
            raise Refused(f"no fault {kind!r} here; there are {sorted(KINDS & self.system.fault_kinds)}")
        options, chance = raw.get("options") or {}, float(raw.get("chance", 1))
        if not 0 < chance <= 1:
            raise Refused(f"a chance is above 0 and not above 1, not {chance}")
        if kind.startswith("status"):
            self.system.failure(
                int(options.get("status", 0)), options
            )  # refuses what it cannot spell, before it is needed
        method = match.get("method")
        fault = Fault(
            next(self._numbers["faults"]), kind, method.upper() if method else None, match.get("path", "/"),
            int(raw.get("skip", 0)), raw.get("count", 1), options, keyed=match.get("keyed"), chance=chance,
            seed=str(raw.get("seed", secrets.token_hex(8))),
        )  # fmt: skip
        self.faults[fault.id] = fault
        if kind == "cut-before-send":
            self.close_idle()
        return fault

    def struck(self, method: str, path: str, *, keyed: bool = False) -> Fault | None:
        """The first fault that takes this request."""
        armed = (fault for fault in self.faults.values() if fault.kind != "cut-before-send")
        return next((fault for fault in armed if fault.takes(method, path, keyed=keyed)), None)

    def refuses_connection(self) -> bool:
        """Whether a new connection is to be closed unread; counts it off."""
        return any(f.kind == "cut-before-send" and f.strike() for f in self.faults.values())

    def edit(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """An edit by a person: {"entity", "id" (none: create), "fields"}."""
        self._by_hand = True
        try:
            return self.system.edit(str(raw.get("entity")), raw.get("id"), raw.get("fields") or {})
        finally:
            self._by_hand = False

    def delete(self, raw: Mapping[str, Any]) -> None:
        self._by_hand = True
        try:
            self.system.delete(str(raw.get("entity")), str(raw.get("id")))
        finally:
            self._by_hand = False

    def _at(self) -> str:
        return self.clock.now().isoformat(timespec="milliseconds")


def answer_json(value: object, status: int = 200) -> Response:
    """JSON as the control page speaks it: times in ISO, decimals as numbers."""
    return Response(json.dumps(value, default=_spell), status, media_type="application/json")


def _spell(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def control_routes(control: Control, extra: Sequence[Route] = ()) -> Mount:
    """The page, to be put among the routes of the simulator. ``extra`` are the party's own."""

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            body = await _json(request)
            if "now" in body:
                control.clock.set(datetime.fromisoformat(body["now"]))
            else:
                control.clock.advance(float(body["advance_seconds"]))
        return answer_json({"now": control.clock.now()})

    async def requests(request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        return answer_json([asdict(entry) for entry in _after(control.requests, since)])

    async def writes(request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        return answer_json([asdict(entry) for entry in _after(control.writes, since)])

    async def entities(_request: Request) -> Response:
        return answer_json({name: len(control.system.objects(name)) for name in control.system.entities()})

    async def objects(request: Request) -> Response:
        return answer_json(control.system.objects(request.path_params["entity"]))

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            return answer_json({"id": control.arm(await _json(request)).id}, 201)
        if request.method == "DELETE":
            control.faults.clear()
        return answer_json([asdict(fault) for fault in control.faults.values()])

    async def fault(request: Request) -> Response:
        control.faults.pop(int(request.path_params["id"]), None)
        return answer_json({})

    async def edit(request: Request) -> Response:
        return answer_json(control.edit(await _json(request)))

    async def delete(request: Request) -> Response:
        control.delete(await _json(request))
        return answer_json({})

    async def state(_request: Request) -> Response:
        return answer_json({"now": control.clock.now(), **control.system.state()})

    routes = [
        Route("/clock", guarded(clock), methods=["GET", "POST"]),
        Route("/requests", guarded(requests)),
        Route("/writes", guarded(writes)),
        Route("/objects", guarded(entities)),
        Route("/objects/{entity}", guarded(objects)),
        Route("/faults", guarded(faults), methods=["GET", "POST", "DELETE"]),
        Route("/faults/{id:int}", guarded(fault), methods=["DELETE"]),
        Route("/edit", guarded(edit), methods=["POST"]),
        Route("/delete", guarded(delete), methods=["POST"]),
        Route("/state", guarded(state)),
    ]
    return Mount("/__sim", routes=[*routes, *extra])


Handler = Callable[[Request], Any]
Entry = TypeVar("Entry", RequestEntry, WriteEntry)


def _after(log: deque[Entry], since: int) -> list[Entry]:
    """The entries behind a number, the oldest first; a long log is not walked through for its end."""
    return list(itertools.takewhile(lambda entry: entry.n > since, reversed(log)))[::-1]


def guarded(handler: Handler) -> Handler:
    """A handler of the control page: what it refuses comes back as 400 with the reason."""

    async def answered(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except (Refused, ValueError, KeyError, TypeError) as wrong:
            return answer_json({"error": str(wrong) or type(wrong).__name__}, 400)
        return answer

    return answered


async def _json(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body(), parse_float=Decimal)
    if not isinstance(body, dict):
        raise Refused("the control page takes a JSON object")
    return body
