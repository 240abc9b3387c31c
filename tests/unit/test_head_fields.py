"""The first fields of a value, read without the rest, are what decoding it whole would give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.errors import ConfigurationError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.head import Head
from connector.kafka.link_codec import LinkHead, Target, link_value, read_link
from connector.kafka.plain import to_plain

CODEC = Codec()
LONGS = st.integers(-(2**63), 2**63 - 1)
FIELDS = {
    "links": LinkHead._fields,
    "targets": ("epoch", "ordinal"),
    "reads": ("epoch", "counter", "gone", "gone_day"),
    "parents": ("epoch", "counter", "gone"),
}


def head(table: str) -> Head:
    return Head(CODEC.schemas.for_topic(f"{table}.v1"), FIELDS[table])


def whole(data: bytes) -> dict[str, Any]:
    decoded = CODEC.decode(data)
    assert isinstance(decoded, Decoded)
    return decoded.value


@given(epoch=LONGS, ordinal=LONGS)
def test_numbers_of_any_size_are_read(epoch: int, ordinal: int) -> None:
    data = CODEC.encode("targets.v1", to_plain(Target("link", "other", epoch=epoch, ordinal=ordinal)))
    assert head("targets").read(data) == (epoch, ordinal)


@given(
    offset=st.integers(-1, 2**62), genesis=st.text(max_size=40), born=st.none() | st.datetimes(timezones=st.just(UTC))
)
def test_a_links_head_is_what_the_link_says(offset: int, genesis: str, born: datetime | None) -> None:
    from dataclasses import replace

    link = replace(new_link(LinkId("c", "m", "salesforce:1", "t")), offset=offset, born=born)
    data = CODEC.encode("links.v1", link_value(link, 3, 9, genesis))
    read = head("links").read(data)
    assert read is not None
    found = LinkHead._make(read)
    assert found == read_link(whole(data)).head
    assert (found.epoch, found.ordinal, found.last, found.genesis) == (3, 9, offset, genesis)
    assert found.born_day == (0 if born is None else born.date().toordinal())


@pytest.mark.parametrize("table", FIELDS)
def test_every_table_begins_with_its_head(table: str) -> None:
    head(table)  # raises if not
    with pytest.raises(ConfigurationError, match="must begin with"):
        Head(CODEC.schemas.for_topic(f"{table}.v1"), ("counter", "epoch"))


def test_what_is_short_or_of_another_schema_has_no_head() -> None:
    data = CODEC.encode("targets.v1", to_plain(Target("link", "other", epoch=2**40, ordinal=3)))
    for end in range(18):
        assert head("targets").read(data[:end]) in (None, (2**40, 3))
    assert head("links").read(data) is None
    assert head("links").read(b"") is None
