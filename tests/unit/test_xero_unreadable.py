"""One object of Xero that cannot be read is laid aside; the others of its page are read."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from connector.core.party import Answer
from connector.core.records import Version
from connector.http import HttpClient
from connector.xero.auth import Credentials, Tokens
from connector.xero.poller import poll
from connector.xero.position import Watermark
from connector.xero.queries import Query
from connector.xero.rest import XeroParty

NOW = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)


async def test_a_bad_object_stops_no_good_one() -> None:
    async with HttpClient() as http:
        party = XeroParty(http, Tokens(http, Credentials("c", "s"), tuple, lambda: NOW), "t", now_ms=lambda: NOW)
        good, bad = {"ContactID": "c-1", "Name": "Good"}, {"Name": "No id at all"}
        answer = Answer(200, {}, json.dumps({"Contacts": [bad, good]}).encode())
        assert [one.id for one in party._records(answer, "Contact", Version(1, 1))] == ["c-1"]
        ((name, data, error),) = party.unreadable
        assert (name, json.loads(data), error.code) == ("Contact", bad, "xero.no-id")


class Canned(XeroParty):
    """Xero that always gives the same list."""

    body = b""

    async def get(self, path: str, query: Query = (), headers: Query = ()) -> Answer:
        return Answer(200, {}, self.body)


async def test_what_a_poll_has_seen_is_read_no_further() -> None:
    """Polls overlap: the same rows come again and again. One that cannot be read is laid aside once."""
    deep: object = "bottom"
    for _ in range(60):
        deep = [deep]
    stamp = f"/Date({NOW}+0000)/"
    bad, good = ({"ContactID": name, "UpdatedDateUTC": stamp, "Name": name} for name in ("bad", "good"))
    async with HttpClient() as http:
        party = Canned(http, Tokens(http, Credentials("c", "s"), tuple, lambda: NOW), "t", now_ms=lambda: NOW)
        party.body = json.dumps({"Contacts": [{**bad, "Deep": deep}, good]}).encode()
        (first,) = [page async for page in poll(party, "Contact", Watermark(), lambda: Version(1, 1))]
        assert ([one.id for one in first.records], len(party.unreadable)) == (["good"], 1)
        (second,) = [page async for page in poll(party, "Contact", first.mark, lambda: Version(1, 2))]
        assert (second.records, len(party.unreadable)) == ((), 1)
        party.body = json.dumps({"Contacts": [{**bad, "Deep": deep}, {**good, "Name": "better"}]}).encode()
        (third,) = [page async for page in poll(party, "Contact", second.mark, lambda: Version(1, 3))]
        assert [one.fields["Name"] for one in third.records] == ["better"]
