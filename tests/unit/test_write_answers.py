"""What the write loop makes of an answer that it cannot read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link
from connector.core.party import Applied, Operation, Write
from connector.core.records import Side
from connector.core.sending import Draft
from connector.errors import DataError
from streams.brake import Brake
from streams.lookup import Lookup
from streams.write import WriteLoop, _Attempt


def attempt(record: Any, reports: list[bytes]) -> tuple[_Attempt, Draft]:
    """A call of one invoice that was sent. ``record`` reads its answer."""

    async def report(_connection: Any, link: bytes, _event: object) -> int:
        reports.append(link)
        return 0

    async def announce(*_: Any) -> None:
        return None

    async def renew() -> datetime:
        return datetime.now(UTC)

    link = new_link(LinkId("demo", "m", "salesforce:a1", "t"))
    write = Write(link.id.key.decode(), "Invoice", Operation.CREATE, None, {})
    piece = Draft(link, Todo(Act.CREATE, Side.XERO), write, {})
    connection: Any = SimpleNamespace(
        name="demo", organisation=lambda side, tenant: tenant, tally=Counter(), clock=lambda: datetime.now(UTC)
    )
    loop = WriteLoop(
        connection, Side.XERO, "t", report, announce, renew, lambda: "call", lambda *_: {}, record,
        Lookup(report, lambda *_: False), Brake(),
    )  # fmt: skip
    return _Attempt(loop, [piece], "call", {write.id: piece}), piece


def unreadable(*_: Any) -> None:
    raise DataError("record.unreadable", "An answer cannot be read.")


async def test_what_was_carried_out_and_cannot_be_read_is_not_sent_again() -> None:
    """It stays open, so the call ends UNKNOWN and the link looks for its object."""
    reports: list[bytes] = []
    call, piece = attempt(unreadable, reports)
    await call._take([Applied(piece.write.id, "i1", {"InvoiceID": "i1"})], 200, repeated=False)
    assert call.left == {piece.write.id: piece}
    assert reports == []


class Heard(logging.Handler):
    """Keeps what a logger says, however the root is set up."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(record)


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, logger = Heard(), logging.getLogger("streams.write")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)  # a test before may have left the root at ERROR
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)


async def test_what_xero_warns_of_is_logged_with_its_object(heard: Heard) -> None:
    """A line that lost its account is carried out all the same, and nobody would know."""
    call, piece = attempt(unreadable, [])
    said = "Account code '476' has been removed as it does not match a recognised account."
    await call._take([Applied(piece.write.id, "i1", {"InvoiceID": "i1"}, (said,))], 200, repeated=False)
    (entry,) = [one for one in heard.entries if one.getMessage() == "carried out with a warning"]
    assert (vars(entry)["mapping"], vars(entry)["object"], vars(entry)["reason"]) == ("m", "i1", said)
