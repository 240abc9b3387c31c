"""Can Twinledger run on this machine? Plain old Python without imports of ours or others': it must run anywhere.

``python3 connector/cli/host.py`` says so before anything is installed: one sentence and exit code 69, or nothing.
"""

import os
import platform
import sys

UNAVAILABLE = 69
OLDEST = (3, 11)
NEWEST = (3, 14)


def objection(version: "tuple[int, ...]", implementation: str, system: str, libc: str) -> str:
    """Why it cannot run with this (major, minor), implementation, system and C library; empty where it can."""
    if implementation != "cpython" or not OLDEST <= tuple(version) <= NEWEST:
        return "Twinledger needs CPython 3.11 to 3.14, and this is {} {}: name another one (PYTHON=python3.12).".format(
            {"cpython": "CPython"}.get(implementation, implementation), ".".join(str(part) for part in version)
        )
    if system not in ("Linux", "Darwin"):
        return "Twinledger runs on Linux and macOS, and this is {}: use a container or WSL 2.".format(
            system or "unknown"
        )
    if system == "Linux" and libc != "glibc":
        return "Twinledger needs a Linux with glibc, and this one has {}: use a Debian, Ubuntu or Fedora image.".format(
            libc or "another C library"
        )
    return ""


def c_library() -> str:
    """``glibc``, or an empty text. glibc alone knows this name; musl refuses it."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").split(" ")[0]
    except (AttributeError, ValueError, OSError):
        return ""


def check() -> None:
    """Ends the process with one sentence and 69 where Twinledger cannot run."""
    found = objection(sys.version_info[:2], sys.implementation.name, platform.system(), c_library())
    if found:
        sys.stderr.write(found + "\n")
        sys.exit(UNAVAILABLE)


def check_environments() -> None:
    """Ends the process where this Python cannot make an environment of its own (Debian splits that off)."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.stderr.write(
            "This Python cannot make environments: install its venv package (on Debian and Ubuntu: apt install "
            "python{}.{}-venv).\n".format(*sys.version_info[:2])
        )
        sys.exit(UNAVAILABLE)


if __name__ == "__main__":
    check()
    check_environments()
