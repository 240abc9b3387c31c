"""The control page and the faults, seen from a plain client and from a raw socket."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.simulators.control import KINDS, Clock, Control, Refused, control_routes
from connector.simulators.faults import HALF_BATCH, FaultMiddleware
from connector.simulators.serving import running


class Pots:
    """The smallest party: a list of named pots."""

    fault_kinds = KINDS

    def __init__(self) -> None:
        self.pots: dict[str, dict[str, Any]] = {}
        self.revoked = 0
        self.forgotten = 0
        self.control: Control | None = None

    def entities(self) -> Sequence[str]:
        return ["Pot"]

    def objects(self, entity: str) -> Sequence[Mapping[str, Any]]:
        if entity != "Pot":
            raise Refused(f"no {entity} here")
        return list(self.pots.values())

    def put(self, name: str) -> None:
        assert self.control is not None
        self.pots[name] = {"name": name}
        self.control.committed("Pot", name, "create", {"name": name})

    def edit(self, entity: str, record_id: str | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        self.put(record_id or str(fields["name"]))
        return self.pots[record_id or str(fields["name"])]

    def delete(self, entity: str, record_id: str) -> None:
        del self.pots[record_id]

    def state(self) -> Mapping[str, Any]:
        return {"pots": len(self.pots)}

    def failure(self, status: int, options: Mapping[str, Any]) -> Response:
        if status not in (429, 503):
            raise Refused(f"no {status} here")
        return Response(b"", status, headers={"Retry-After": "7"})

    def revoke_tokens(self) -> None:
        self.revoked += 1

    def forget_sessions(self) -> None:
        self.forgotten += 1


def build(pots: Pots) -> Starlette:
    control = Control(pots, Clock())
    pots.control = control

    async def create(request: Request) -> Response:
        names = (await request.json())["names"]
        for name in names[: len(names) // 2] if request.scope.get(HALF_BATCH) else names:
            pots.put(name)
        return JSONResponse({"names": names})

    app = Starlette(
        routes=[Route("/pots", create, methods=["POST"]), control_routes(control)],
        middleware=[Middleware(FaultMiddleware, control=control)],
    )
    app.state.control = control
    return app


class Rig:
    def __init__(self, pots: Pots, base: str, http: aiohttp.ClientSession) -> None:
        self.pots, self.base, self.http = pots, base, http

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        async with self.http.request(method, self.base + path, json=body) as answer:
            return answer.status, await answer.json(content_type=None) if answer.content_length else None

    async def arm(self, kind: str, **more: object) -> None:
        status, _ = await self.ask("POST", "/__sim/faults", {"kind": kind, **more})
        assert status == 201


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    pots = Pots()
    async with running(build(pots)) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
        yield Rig(pots, base, http)


async def raw_post(base: str, path: str, body: bytes) -> bytes:
    """Every byte that came back before the peer closed."""
    port = int(base.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("kind", "kept"), [("cut-before-commit", []), ("cut-after-commit", ["a", "b"]), ("half-batch", ["a"])]
)
async def test_a_cut_closes_the_connection_without_a_byte(rig: Rig, kind: str, kept: list[str]) -> None:
    await rig.arm(kind, match={"method": "POST", "path": "/pots"})
    assert await raw_post(rig.base, "/pots", b'{"names":["a","b"]}') == b""
    assert list(rig.pots.pots) == kept
    _, log = await rig.ask("GET", "/__sim/requests")
    assert (log[0]["fault"], log[0]["status"], log[0]["body_size"]) == (kind, None, 19)
    assert b"200 OK" in await raw_post_once(rig.base)


async def raw_post_once(base: str) -> bytes:
    port = int(base.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'POST /pots HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{"names":[]}')
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_cut_before_send_closes_new_connections_unread_and_idle_ones_now(rig: Rig) -> None:
    port = int(rig.base.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'POST /pots HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"names":[]}')
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    assert rig.pots.control is not None
    rig.pots.control.arm({"kind": "cut-before-send", "count": 1})
    rest = await asyncio.wait_for(reader.read(), 5)
    assert b"HTTP" not in rest
    writer.close()
    assert await raw_post(rig.base, "/pots", b'{"names":["a"]}') == b""
    assert not rig.pots.pots
    assert len(rig.pots.control.requests) == 1


async def test_status_before_and_after_the_commit(rig: Rig) -> None:
    await rig.arm("status", options={"status": 429}, match={"path": "/pots"}, skip=1)
    assert [(await rig.ask("POST", "/pots", {"names": [name]}))[0] for name in "abc"] == [200, 429, 200]
    await rig.arm("status-after-commit", options={"status": 503})
    assert (await rig.ask("POST", "/pots", {"names": ["d"]}))[0] == 503
    assert list(rig.pots.pots) == ["a", "c", "d"]


async def test_a_chance_strikes_by_lot_and_a_seed_draws_the_same_lots_again(rig: Rig) -> None:
    struck = []
    for _ in range(2):
        await rig.arm("status-after-commit", options={"status": 503}, count=None, chance=0.3, seed="a")
        answers = [(await rig.ask("POST", "/pots", {"names": []}))[0] for _ in range(40)]
        struck.append([number for number, status in enumerate(answers) if status == 503])
        _, (fault,) = await rig.ask("GET", "/__sim/faults")
        assert (fault["hits"], fault["drawn"]) == (len(struck[-1]), 40)
        await rig.ask("DELETE", "/__sim/faults")
    assert struck[0] == struck[1]
    assert 4 < len(struck[0]) < 24


async def test_a_fault_can_be_for_requests_with_a_key_only(rig: Rig) -> None:
    await rig.arm("status", options={"status": 503}, match={"path": "/pots", "keyed": True})
    assert (await rig.ask("POST", "/pots", {"names": ["a"]}))[0] == 200
    async with rig.http.post(f"{rig.base}/pots", json={"names": ["b"]}, headers={"Idempotency-Key": "k"}) as answer:
        assert answer.status == 503
    assert list(rig.pots.pots) == ["a"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_delay_holds_the_answer_back(rig: Rig, when: str) -> None:
    await rig.arm("delay", options={"ms": 1, "when": when})
    assert await rig.ask("POST", "/pots", {"names": ["a"]}) == (200, {"names": ["a"]})


async def test_revoke_and_forget_reach_the_party(rig: Rig) -> None:
    await rig.arm("token-revoked")
    await rig.arm("session-forgotten")
    for _ in range(3):
        await rig.ask("POST", "/pots", {"names": []})
    assert (rig.pots.revoked, rig.pots.forgotten) == (1, 1)


async def test_writes_know_their_request_and_who_made_them(rig: Rig) -> None:
    await rig.ask("POST", "/pots", {"names": ["a"]})
    await rig.ask("POST", "/__sim/edit", {"entity": "Pot", "fields": {"name": "b"}})
    _, log = await rig.ask("GET", "/__sim/writes")
    assert [(w["id"], w["origin"], w["request"]) for w in log] == [("a", "api", 1), ("b", "ui", None)]
    assert (await rig.ask("GET", "/__sim/writes?since=1"))[1][0]["id"] == "b"
    assert (await rig.ask("GET", "/__sim/objects"))[1] == {"Pot": 2}
    assert (await rig.ask("GET", "/__sim/state"))[1]["pots"] == 2


async def test_the_clock_is_set_and_runs_on(rig: Rig) -> None:
    _, first = await rig.ask("POST", "/__sim/clock", {"now": "2031-05-06T07:08:09Z"})
    _, then = await rig.ask("POST", "/__sim/clock", {"advance_seconds": 3600})
    assert datetime.fromisoformat(first["now"]) >= datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert datetime.fromisoformat(then["now"]) >= datetime(2031, 5, 6, 8, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/__sim/faults", {"kind": "earthquake"}),
        ("/__sim/faults", {"kind": "status", "options": {"status": 418}}),
        ("/__sim/faults", {"kind": "delay", "match": {"colour": "red"}}),
        ("/__sim/faults", {"kind": "delay", "chance": 0}),
        ("/__sim/faults", {"kind": "delay", "chance": "often"}),
        ("/__sim/faults", ["delay"]),
        ("/__sim/clock", {"now": "2031-05-06T07:08:09"}),
    ],
)
async def test_what_the_page_does_not_know_it_refuses_in_words(rig: Rig, path: str, body: object) -> None:
    status, answer = await rig.ask("POST", path, body)
    assert status == 400
    assert answer["error"]


def test_in_the_foreground_it_prints_one_ready_line_and_stops_on_sigterm() -> None:
    program = (
        "from starlette.applications import Starlette\n"
        "from connector.simulators.serving import serve\n"
        "serve(Starlette(), 0, lambda port: {'simulator': 'pots', 'base_url': f'http://127.0.0.1:{port}'})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["base_url"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        assert (rest, process.returncode) == ("", 0)
    finally:
        process.kill()
        process.wait()
