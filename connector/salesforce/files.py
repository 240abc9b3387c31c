"""The bytes of a file that stands in Salesforce, by the id of its version: equal ids, equal bytes.

Its size is asked first, so that what is too large for the other side is never fetched.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Protocol

from connector.core.party import Answer
from connector.errors import ConfigurationError, DataError, Unavailable
from connector.salesforce.reader import read_page

LARGEST = 10_000_000  # what Xero takes of one attachment
_VERSION = re.compile(r"068[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?")  # ContentVersion's prefix


class Org(Protocol):
    """What this needs of the Salesforce party."""

    def path(self, resource: str) -> str: ...

    async def get(self, path: str, query: tuple[tuple[str, str], ...] = ()) -> Answer: ...


async def file_bytes(org: Org, version_id: str, *, largest: int = LARGEST) -> bytes:
    """The content of a ContentVersion. Raises DataError (``salesforce.no-file``, ``salesforce.file-too-large``,
    ``salesforce.file-cut``), TryAgain, Unavailable, AuthError."""
    if not _VERSION.fullmatch(version_id):
        raise _none(version_id, "is no id of a file version (068…)")
    size = await _size(org, version_id)
    if size > largest:
        raise DataError(
            "salesforce.file-too-large", f"The file {version_id} has {size} bytes; Xero takes {largest}.",
            remedy="Put a smaller file in its place, or write a link to the record instead (Content:).",
        )  # fmt: skip
    try:
        answer = await org.get(org.path(f"sobjects/ContentVersion/{version_id}/VersionData"))
    except ConfigurationError as error:
        raise _none(version_id, "is not there any more, or may not be read") from error
    if len(answer.body) != size:
        raise Unavailable("salesforce.file-cut", f"The file {version_id} came with {len(answer.body)} of {size} bytes.")
    return answer.body


async def _size(org: Org, version_id: str) -> int:
    soql = f"SELECT ContentSize FROM ContentVersion WHERE Id = '{version_id}'"  # noqa: S608  the id is checked above
    rows = read_page((await org.get(org.path("query"), (("q", soql),))).body).rows
    size = rows[0].get("ContentSize") if rows else None
    if isinstance(size, bool) or not isinstance(size, int | Decimal):
        raise _none(version_id, "is not there, or may not be read")
    return int(size)


def _none(version_id: str, why: str) -> DataError:
    return DataError(
        "salesforce.no-file", f"The file {version_id[:40]!r} {why}.",
        remedy="Share the file with the integration user, or correct the mapping's File:.",
    )  # fmt: skip
