"""What the write loop makes of an answer that it cannot read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link
from connector.core.party import Applied, Operation, Write
from connector.core.records import Side
from connector.core.sending import Draft
from connector.errors import DataError
from streams.brake import Brake
from streams.lookup import Lookup
from streams.write import WriteLoop, _Attempt


async def test_what_was_carried_out_and_cannot_be_read_is_not_sent_again() -> None:
    """It stays open, so the call ends UNKNOWN and the link looks for its object."""
    reports: list[bytes] = []

    async def report(_connection: Any, link: bytes, _event: object) -> int:
        reports.append(link)
        return 0

    async def announce(*_: Any) -> None:
        return None

    async def renew() -> datetime:
        return datetime.now(UTC)

    def unreadable(*_: Any) -> None:
        raise DataError("record.unreadable", "An answer cannot be read.")

    link = new_link(LinkId("demo", "m", "salesforce:a1", "t"))
    write = Write(link.id.key.decode(), "Invoice", Operation.CREATE, None, {})
    piece = Draft(link, Todo(Act.CREATE, Side.XERO), write, {})
    connection: Any = SimpleNamespace(
        name="demo", organisation=lambda side, tenant: tenant, tally=Counter(), clock=lambda: datetime.now(UTC)
    )
    loop = WriteLoop(
        connection, Side.XERO, "t", report, announce, renew, lambda: "call", lambda *_: {}, unreadable,
        Lookup(report, lambda *_: False), Brake(),
    )  # fmt: skip
    attempt = _Attempt(loop, [piece], "call", {write.id: piece})
    await attempt._take([Applied(write.id, "i1", {"InvoiceID": "i1"})], 200, repeated=False)
    assert attempt.left == {write.id: piece}
    assert reports == []
