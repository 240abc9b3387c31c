"""Can Twinledger run here? One sentence and exit 69 if not. Runs on any Python 3, before anything is installed."""

import os
import platform
import sys


def problem() -> str:
    """What is missing on this machine, in one sentence; empty if nothing."""
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 14):
        found = platform.python_implementation() + " " + platform.python_version()
        return "Twinledger needs CPython 3.11 to 3.14; this is " + found + ". Name another with PYTHON=python3.12."
    system = platform.system()
    if system not in ("Linux", "Darwin"):
        return "Twinledger runs on Linux with glibc and on macOS; this is " + (system or "an unknown system") + "."
    if system == "Linux" and platform.libc_ver()[0] != "glibc":
        return "Twinledger needs glibc on Linux (Debian, Ubuntu, Fedora and others); this system has another C library."
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        package = "python" + ".".join(map(str, sys.version_info[:2])) + "-venv"
        return "This Python cannot make environments: install its venv package (on Debian: " + package + ")."
    return ""


if __name__ == "__main__":
    found = problem()
    if found:
        sys.stderr.write(found + os.linesep)
        sys.exit(69)
