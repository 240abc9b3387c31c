"""The worker's one clock.

Tests must live through waits of minutes (a lost create in Xero is probed after seven). ``TWINLEDGER_TEST_CLOCK`` names
a file that holds by how many seconds this clock is ahead of the machine's. With it a worker talks to nothing but this
machine (``refuse_elsewhere``): beside a real organisation a wrong clock would be a way to write twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from connector.errors import ConfigurationError

VARIABLE = "TWINLEDGER_TEST_CLOCK"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_AHEAD = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def machine_clock() -> datetime:
    """This machine's clock, cut to the milliseconds that topics keep. The lease is measured by it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def clock() -> datetime:
    """The time that loops and events live in."""
    return machine_clock() if _AHEAD is None else machine_clock() + timedelta(seconds=int(_AHEAD.read_text("ascii")))


def now_ms() -> int:
    """``clock`` in milliseconds since 1970."""
    return int(clock().timestamp() * 1000)


def refuse_elsewhere(addresses: Iterable[str]) -> None:
    """Raises ConfigurationError when the clock is a test's and an address is not on this machine."""
    if _AHEAD is None:
        return
    for address in addresses:
        if urlsplit(address).hostname not in LOOPBACK:
            raise ConfigurationError(
                "clock.test",
                f"{VARIABLE} is set, and {address} is not on this machine.",
                remedy=f"Unset {VARIABLE}: it is for tests against simulators.",
            )
