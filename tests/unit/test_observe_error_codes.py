"""Every code that an error, a refusal or a review can carry is explained in docs/errors.md."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.error_codes import codes, look_like_codes

REPOSITORY = Path(__file__).parents[2]
DOC = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z][a-z0-9.…-]*)` \|(.*)\|(.*)\|$", DOC, re.M)
TOLD = {code for code, _, _ in ROWS}
FAMILIES = tuple(code.rstrip("…") for code in TOLD if code.endswith("…"))

NOT_CODES = {
    "link.settle", "mapping.pause", "mapping.resume", "mapping.release",  # kinds of signals
    "record.missing", "web.port",  # a notification, a file
}  # fmt: skip


PLACES = codes(REPOSITORY)


def explained(code: str) -> bool:
    if code.endswith("…"):
        return any(family.startswith(code.rstrip("…")) for family in FAMILIES)
    return code in TOLD


def test_the_finder_sees_every_way_to_give_a_code() -> None:
    found = {place.code for place in PLACES}
    assert len(found) > 150
    ways = {
        "config.syntax",  # an error
        "mapping.yaml",  # an error below another error
        "lease.lost",  # an error of a room of its own
        "link.conflict",  # a table of failures
        "codec.not-avro",  # a poison
        "xero.duplicate",  # a prefix and an argument
        "mapping.unknown-key",  # the same in a method
        "salesforce.call-refused",  # a constant
        "link.changed-…",  # a part that only the run knows
    }
    assert ways - found == set()


def test_every_code_is_explained() -> None:
    missing = sorted({f"{place.code} ({place.file}:{place.line})" for place in PLACES if not explained(place.code)})
    assert missing == [], "add a row to docs/errors.md"


def test_what_is_written_like_a_code_is_one_and_explained() -> None:
    alike = look_like_codes(REPOSITORY, {"codec", "config", "link", "mapping", "salesforce", "store", "xero"})
    unknown = {code for code in alike if not explained(code)} - NOT_CODES
    assert unknown == set(), "add a row to docs/errors.md, or name it in NOT_CODES"


def test_no_row_explains_what_nobody_says() -> None:
    said = {place.code for place in PLACES} | look_like_codes(REPOSITORY, {re.split(r"[.-]", c)[0] for c in TOLD})
    assert {code for code in TOLD if "…" not in code and code != "unexpected"} - said == set()


def test_rows_are_whole_and_stand_once() -> None:
    assert len(ROWS) == len(TOLD)
    assert [code for code, happened, remedy in ROWS if not happened.strip() or not remedy.strip()] == []
