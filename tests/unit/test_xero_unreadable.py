"""One object of Xero that cannot be read is laid aside; the others of its page are read."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from connector.core.party import Answer
from connector.core.records import Version
from connector.http import HttpClient
from connector.xero.auth import Credentials, Tokens
from connector.xero.rest import XeroParty

NOW = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)


async def test_a_bad_object_stops_no_good_one() -> None:
    async with HttpClient() as http:
        party = XeroParty(http, Tokens(http, Credentials("c", "s"), lambda: NOW), "t", now_ms=lambda: NOW)
        good, bad = {"ContactID": "c-1", "Name": "Good"}, {"Name": "No id at all"}
        answer = Answer(200, {}, json.dumps({"Contacts": [bad, good]}).encode())
        assert [one.id for one in party._records(answer, "Contact", Version(1, 1))] == ["c-1"]
        ((name, data, error),) = party.unreadable
        assert (name, json.loads(data), error.code) == ("Contact", bad, "xero.no-id")
