"""The jars of the embedded Kafka: pinned by sha256 in ``jars.lock``, fetched once, then offline."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.errors import Unavailable

_LOCK = Path(__file__).with_name("jars.lock")
_PARALLEL = 6
_SECONDS_WITHOUT_A_BYTE = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of a Maven repository. ``path`` is ``group/artifact/version/file``."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[1]

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """Group, artifact, version."""
        *group, artifact, version, _ = self.path.split("/")
        return ".".join(group), artifact, version


def pinned(lock: Path = _LOCK) -> tuple[Jar, ...]:
    """All jars of a lock file: those of the embedded Kafka."""
    lines = (line.split() for line in lock.read_text("ascii").splitlines() if line and not line.startswith("#"))
    return tuple(Jar(path, sha256) for sha256, path in lines)


def cache_directory() -> Path:
    """Where this user keeps what was fetched: TWINLEDGER_CACHE, else the XDG cache."""
    if chosen := os.environ.get("TWINLEDGER_CACHE"):
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "twinledger"


def classpath(jars: Sequence[Jar] | None = None) -> str:
    """The Java class path of the embedded Kafka; fetches what is not in the cache yet.

    Safe when several processes ask at once: one fetches, the others wait, and a file appears only whole and verified.
    Raises Unavailable (``kafka.download``, ``kafka.jar-changed``).
    """
    wanted = pinned() if jars is None else tuple(jars)
    directory = cache_directory() / "kafka"
    directory.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in wanted if not _intact(directory, jar)]
    if missing:
        with _only_one(directory / ".lock"):
            _fetch(directory, [jar for jar in missing if not _intact(directory, jar)])
    return os.pathsep.join(str(directory / jar.name) for jar in wanted)


def _intact(directory: Path, jar: Jar) -> bool:
    path = directory / jar.name
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(directory: Path, jars: Sequence[Jar]) -> None:
    scratch = tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-")
    with scratch as name, ThreadPoolExecutor(_PARALLEL) as pool:
        for jar, fetched in zip(jars, pool.map(lambda jar: _download(jar, Path(name)), jars), strict=True):
            _admit(jar, fetched, directory)


def _download(jar: Jar, scratch: Path) -> Path:
    from jgo.maven import MavenContext

    mirror = os.environ.get("TWINLEDGER_MAVEN")
    context = MavenContext(
        repo_cache=scratch,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_SECONDS_WITHOUT_A_BYTE,
    )
    group, artifact, version = jar.coordinates
    try:
        fetched = context.project(group, artifact).at_version(version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
        raise Unavailable(
            "kafka.download",
            f"{jar.name} could not be fetched: {error}.",
            remedy="Check the network or a proxy (HTTPS_PROXY), name a Maven mirror in TWINLEDGER_MAVEN, "
            f"or copy a filled cache to {scratch.parent}.",
        ) from error
    return Path(fetched)


def _admit(jar: Jar, fetched: Path, directory: Path) -> None:
    actual = _sha256(fetched)
    if actual != jar.sha256:
        raise Unavailable(
            "kafka.jar-changed",
            f"{jar.name} has sha256 {actual}, jars.lock says {jar.sha256}.",
            remedy="The mirror serves another file: use another one (TWINLEDGER_MAVEN).",
        )
    fetched.replace(directory / jar.name)
