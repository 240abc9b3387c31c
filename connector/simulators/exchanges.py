"""What goes over a simulator's wire, for whoever judges it: listeners of this process, or files of a folder.

A listener hears every request below its path, whatever a fault then does to it, and the answer that the simulator made,
also one that was cut. A process that serves simulators for another one records instead, where it is told to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "TWINLEDGER_SIMULATOR_EXCHANGES"  # variable: where processes of their own record
KEY = "simulator.exchange"  # scope key
XERO = ("/api.xro", "/connect", "/identity/", "/webhooks")  # the last: what the simulator posts, wherever that goes


@dataclass(slots=True)
class Exchange:
    """``status`` 0: no answer was made. ``agent`` is the User-Agent header."""

    method: str
    path: str
    query: str
    agent: str
    sent: bytes = b""
    status: int = 0
    got: bytes = b""


Listener = Callable[[Exchange], None]
LISTENERS: dict[str, Listener] = {}  # by the beginning of the path


def listener(path: str) -> Listener | None:
    return next((hear for start, hear in LISTENERS.items() if path.startswith(start)), None)


def begun(scope: Scope, sent: bytes) -> Exchange:
    agent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"), "")
    return Exchange(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), agent, sent)


class Heard:
    """Around the party itself: keeps its answer with the exchange of the scope, where there is one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange | None = scope.get(KEY)
        if exchange is None:
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.got += message.get("body", b"")
            await send(message)

        await self.app(scope, receive, told)


def record_where_told(paths: tuple[str, ...] = XERO) -> None:
    """Write the exchanges below ``paths`` to a file of this process, if the environment names a folder."""
    folder = os.environ.get(FOLDER)
    if not folder or LISTENERS:
        return
    file = (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8", buffering=1)

    def write(one: Exchange) -> None:
        file.write(json.dumps({**asdict(one), "sent": one.sent.decode("latin-1"), "got": one.got.decode("latin-1")}))
        file.write("\n")

    LISTENERS.update(dict.fromkeys(paths, write))


def recorded(folder: Path) -> Iterator[Exchange]:
    """What processes have written there; a line that a kill cut short is left out."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    raw = json.loads(line)
                    sent, got = raw["sent"].encode("latin-1"), raw["got"].encode("latin-1")
                    yield Exchange(**{**raw, "sent": sent, "got": got})
