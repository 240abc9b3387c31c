"""Runs one child for as long as its owner lives. Started as a script; imports nothing of the product.

The owner holds the write end of this process' standard input. Bytes on it are orders (``ORDERS``); its end means that
the owner is gone, however it went, and the child is stopped. ``--remove DIR`` then deletes a directory: an owner that
lives does so itself, or starts the child again on it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

_GRACE_SECONDS = 15
_GRACE_WITHOUT_OWNER_SECONDS = 5
_PR_SET_PDEATHSIG = 1

ORDERS = {b"K": signal.SIGKILL, b"S": signal.SIGSTOP, b"C": signal.SIGCONT}
TERMINATE = b"T"


def _die_with_the_watchdog() -> None:
    """Linux only: covers a kill of the watchdog itself. Elsewhere the pipe covers all but that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(child: subprocess.Popen[bytes], grace: float) -> None:
    child.send_signal(signal.SIGCONT)
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _obey(child: subprocess.Popen[bytes], owner: int) -> bool:
    """Until the child or the owner ends, or the order to terminate comes. True: the owner has gone."""
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], 0.2)
        order = os.read(0, 1) if readable else None
        if order == TERMINATE:
            _stop(child, _GRACE_SECONDS)
        elif order == b"" or os.getppid() != owner:
            _stop(child, _GRACE_WITHOUT_OWNER_SECONDS)
            return True
        if order in ORDERS:
            child.send_signal(ORDERS[order])
        if order == b"K":
            child.wait()
    return False


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--remove")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    owner = os.getppid()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    child = subprocess.Popen(  # noqa: S603  the owner's own command, no shell
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_the_watchdog,  # noqa: PLW1509  this process has one thread
    )
    orphaned = True
    try:
        orphaned = _obey(child, owner)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if orphaned and arguments.remove:
            shutil.rmtree(arguments.remove, ignore_errors=True)
    return child.returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
