"""The jars come from a Maven repository once, whole and as pinned, whoever asks at the same time."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connector.errors import Unavailable
from connector.kafka.jars import Jar, classpath, pinned

BODY = b"a small jar" * 1000
PATH = "org/example/thing/1.0/thing-1.0.jar"


class _Repository(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = hashlib.sha1(BODY, usedforsecurity=False).hexdigest().encode() if self.path.endswith("1") else BODY
        found = self.path.startswith(f"/maven2/{PATH}")
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class' name
        """Quiet."""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the repository was asked for."""
    requests: list[str] = []
    handler = type("Repository", (_Repository,), {"asked": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("TWINLEDGER_CACHE", str(tmp_path))
    monkeypatch.setenv("TWINLEDGER_MAVEN", f"http://127.0.0.1:{server.server_port}/maven2/")
    yield requests
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetched_once_however_many_ask(asked: list[str], tmp_path: Path) -> None:
    jar = Jar(PATH, hashlib.sha256(BODY).hexdigest())
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: classpath([jar]), range(4)))
    assert paths == {str(tmp_path / "kafka" / "thing-1.0.jar")}
    assert Path(paths.pop()).read_bytes() == BODY
    assert [path for path in asked if path.endswith(".jar")] == [f"/maven2/{PATH}"]
    classpath([jar])
    assert len([path for path in asked if path.endswith(".jar")]) == 1
    assert not list((tmp_path / "kafka").glob(".fetch-*"))


def test_another_file_is_refused(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        classpath([Jar(PATH, "0" * 64)])
    assert caught.value.code == "kafka.jar-changed"
    assert not (tmp_path / "kafka" / "thing-1.0.jar").exists()


def test_a_file_that_is_not_there_says_so(asked: list[str]) -> None:
    with pytest.raises(Unavailable) as caught:
        classpath([Jar("org/example/none/1.0/none-1.0.jar", "0" * 64)])
    assert caught.value.code == "kafka.download"


def test_everything_is_pinned() -> None:
    names = {jar.name for jar in pinned()}
    assert len(names) == len(pinned()) > 40
    assert "kafka_2.13-4.3.1.jar" in names
    assert all(len(jar.sha256) == 64 for jar in pinned())
