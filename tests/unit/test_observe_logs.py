"""Logs: one JSON object a line, fixed phrases, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from connector.errors import ConfigurationError
from connector.observe import logs
from connector.observe.masking import HIDDEN, Mask

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4ZXJvIn0.c2lnbmF0dXJl"
SESSION = "00D5g000004Xyz!AQ0AQKx.verylongsessionidentifier_part"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_a_fixed_phrase(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out)
    structlog.get_logger("twinledger.write").info("sent a call", side="xero", writes=50)
    (line,) = lines(out)
    assert line.pop("at").endswith("Z")
    assert line == {"level": "info", "logger": "twinledger.write", "event": "sent a call", "side": "xero", "writes": 50}
    assert out.getvalue().startswith('{"at":')


def test_a_library_speaks_through_the_same_door(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out)
    logging.getLogger("aiokafka.consumer").warning("Heartbeat failed for %s", "group-1")
    logging.getLogger("aiokafka.consumer").info("chatter")
    (line,) = lines(out)
    assert (line["event"], line["text"]) == ("library said", "Heartbeat failed for group-1")


def test_our_own_rooms_may_use_the_standard_library(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out)
    logging.getLogger("streams.guard").warning("buried a message", extra={"offset": 7, "token": "a-b-c"})
    (line,) = lines(out)
    assert (line["event"], line["offset"], line["token"]) == ("buried a message", 7, HIDDEN)


def test_levels_below_are_not_written(out: io.StringIO) -> None:
    logs.configure("WARNING", stream=out)
    structlog.get_logger("x").info("took a record")
    structlog.get_logger("x").warning("lost a source")
    assert [line["event"] for line in lines(out)] == ["lost a source"]


def test_to_configure_twice_does_not_double_lines(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out)
    logs.configure("INFO", stream=out)
    structlog.get_logger("x").info("took a record")
    assert len(lines(out)) == 1


def test_no_secret_leaves_by_any_way(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out, secrets=["hunter2hunter2"])
    log = structlog.get_logger("x")
    log.info(
        "signed in", client_secret="a-b-c-d", nested={"Authorization": "Bearer abcdefghijk", "seen": ["ok", SESSION]}
    )
    log.info("refused", answer=f"token {JWT} has expired, url=https://ann:pa55word@db/x?client_secret=s3cr3tvalue&x=1")
    logging.getLogger("some.library").error("password=hunter2hunter2 and hunter2hunter2 again")
    try:
        raise ValueError(f"Authorization: Bearer {SESSION}")
    except ValueError:
        log.exception("failed a call")
    text = out.getvalue()
    for secret in ("a-b-c-d", "abcdefghijk", "verylongsession", JWT, "pa55word", "s3cr3tvalue", "hunter2"):
        assert secret not in text
    first, second, *_, last = lines(out)
    assert first["client_secret"] == HIDDEN
    assert first["nested"]["seen"] == ["ok", HIDDEN]
    assert second["answer"].endswith("&x=1")
    assert "ValueError" in last["exception"]


def test_what_is_no_secret_stays_readable() -> None:
    mask = Mask(["short"])
    plain = {"token_url": "https://identity.example/token", "tokens": 3, "shortage": "of basic goods", "id": "0065g00"}
    assert mask.value(plain) == plain
    assert mask.value({"secret": None, "password": ""}) == {"secret": None, "password": ""}


def test_a_huge_or_endless_value_is_cut(out: io.StringIO) -> None:
    logs.configure("INFO", stream=out)
    endless: dict[str, Any] = {}
    endless["again"] = endless
    structlog.get_logger("x").info("refused a message", value="x" * 1_000_000, endless=endless)
    assert len(out.getvalue()) < 10_000


def test_an_unknown_level_says_which_there_are() -> None:
    with pytest.raises(ConfigurationError, match="DEBUG, INFO, WARNING, ERROR"):
        logs.configure("LOUD")
