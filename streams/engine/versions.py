"""The engine overrides internals of three libraries: it runs on the versions it was measured with and on no other."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from connector.errors import ConfigurationError

MEASURED: Mapping[str, str] = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}


def check_versions(installed: Mapping[str, str] | None = None) -> None:
    """Raises ConfigurationError (``engine.version``, ``engine.not-compiled``)."""
    found = installed if installed is not None else {name: version(name) for name in MEASURED}
    for name, wanted in MEASURED.items():
        if found.get(name) != wanted:
            raise ConfigurationError(
                "engine.version",
                f"{name} is {found.get(name, 'not installed')}, the engine needs {wanted}.",
                remedy="Install Twinledger with its own dependency versions (pip install twinledger).",
            )
    _check_compiled()


def _check_compiled() -> None:
    """Faust's pure-Python stream acknowledges events that it skipped; the compiled one does not."""
    import faust.streams
    import faust.transport.conductor

    compiled = getattr(faust.streams, "_CStreamIterator", None)
    if compiled is None or faust.transport.conductor.ConductorHandler is None:
        raise ConfigurationError(
            "engine.not-compiled",
            "Faust runs without its compiled stream.",
            remedy="Unset NO_CYTHON and install faust-streaming from a wheel for this platform.",
        )
