"""The projection: what is written, what is guarded, what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from connector.errors import ConfigurationError, Unavailable
from connector.store.projection import Projection
from connector.store.rows import Count, DeadLetterRow, LinkRow, ref_of

NOW = datetime(2026, 11, 23, 9, 0, 0, 123000, tzinfo=UTC)
LINK = LinkRow(
    key="acme/invoices/salesforce%3A006A/t-1/1", connection="acme", mapping="invoices", document="salesforce:006A",
    generation=1, tenant="t-1", state="failed", review=True, code="link.taken", message="An object with this number.",
    remedy="Link to it.", paths=("InvoiceNumber",), salesforce_id="006A", xero_id="", status="", updated_at=NOW,
    link_offset=7, epoch=2, ordinal=5,
)  # fmt: skip
LETTER = DeadLetterRow(
    key="acme/dead/1", connection="acme", topic="salesforce.hints.v1", partition=3, offset=1042, size=9,
    stage="hydrate", code="codec.not-avro", message="Not an Avro single object.", remedy="", at=NOW + timedelta(1),
)  # fmt: skip


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Projection]:
    async with await Projection.open(store_url) as projection:
        yield projection


async def test_what_is_applied_is_read_back_as_it_was(store: Projection) -> None:
    await store.apply([LINK], [LETTER], {("links.v1", 3): 8}, at=NOW)
    assert await store.link(LINK.key) == LINK
    assert await store.link(ref_of(LINK.key)) == LINK
    assert await store.progress() == {("links.v1", 3): 8}
    assert await store.updated() == NOW
    assert await store.counts() == (Count("acme", "invoices", "failed", 1),)
    assert await store.counts("other") == ()


async def test_reviews_are_links_and_dead_letters_the_oldest_first(store: Projection) -> None:
    quiet = replace(LINK, key="acme/invoices/x/t-1/1", state="clean", review=False, code="")
    closed = replace(LETTER, key="acme/dead/2", closed="dismissed by ann")
    await store.apply([LINK, quiet], [LETTER, closed], {}, at=NOW)
    reviews = await store.reviews()
    assert [(review.kind, review.about, review.code) for review in reviews] == [
        ("link", "salesforce:006A", "link.taken"),
        ("dead-letter", "salesforce.hints.v1/3/1042", "codec.not-avro"),
    ]
    assert reviews[0].paths == ("InvoiceNumber",)
    assert [review.kind for review in await store.reviews("acme", "codec.not-avro")] == ["dead-letter"]
    assert [review.key for review in await store.reviews(about="006A")] == [LINK.key]
    assert await store.reviews("other") == ()
    assert await store.review(reviews[1].ref) == reviews[1]
    assert await store.review(quiet.key) is None


async def test_an_older_write_of_a_link_never_replaces_a_newer_one(store: Projection) -> None:
    await store.apply([LINK], [], {}, at=NOW)
    await store.apply([replace(LINK, state="clean", epoch=2, ordinal=4)], [], {}, at=NOW)
    await store.apply([replace(LINK, state="clean", epoch=1, ordinal=99)], [], {}, at=NOW)
    assert await store.link(LINK.key) == LINK
    again = replace(LINK, state="clean", epoch=2, ordinal=5)
    await store.apply([again], [], {}, at=NOW)
    assert await store.link(LINK.key) == again
    newer = replace(LINK, state="dirty", epoch=3, ordinal=1)
    await store.apply([newer], [], {}, at=NOW)
    assert await store.link(LINK.key) == newer


async def test_progress_never_goes_back_and_a_batch_is_all_or_nothing(store: Projection) -> None:
    await store.apply([LINK], [], {("links.v1", 0): 10}, at=NOW)
    await store.apply([], [], {("links.v1", 0): 4, ("links.v1", 1): 2}, at=NOW)
    assert await store.progress() == {("links.v1", 0): 10, ("links.v1", 1): 2}
    broken = replace(LETTER, topic=None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match=r"store\.unavailable"):
        await store.apply([replace(LINK, state="clean")], [broken], {("links.v1", 0): 20}, at=NOW)
    assert await store.link(LINK.key) == LINK
    assert await store.progress() == {("links.v1", 0): 10, ("links.v1", 1): 2}


async def test_a_tombstone_takes_a_row_out(store: Projection) -> None:
    many = [replace(LINK, key=f"acme/invoices/{number}/t-1/1") for number in range(1200)]
    await store.apply(many, [LETTER], {}, at=NOW)
    await store.apply([], [], {}, at=NOW, gone=[row.key for row in many[:1100]] + [LETTER.key])
    assert (await store.counts())[0].number == 100
    assert {review.kind for review in await store.reviews()} == {"link"}


async def test_a_store_of_another_genesis_is_emptied(store: Projection) -> None:
    assert not await store.belongs("g-1")
    await store.apply([LINK], [LETTER], {("links.v1", 0): 1}, at=NOW)
    assert not await store.belongs("g-1")
    assert await store.link(LINK.key) == LINK
    assert await store.belongs("g-2")
    assert (await store.reviews(), await store.progress(), await store.counts()) == ((), {}, ())
    assert not await store.belongs("g-2")


async def test_reset_keeps_whose_store_it_is(store: Projection) -> None:
    await store.belongs("g-1")
    await store.apply([LINK], [], {("links.v1", 0): 1}, at=NOW)
    await store.reset()
    assert await store.progress() == {}
    assert not await store.belongs("g-1")


async def test_a_reader_makes_nothing(store_url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"store\.empty"):
        await Projection.open(store_url, create=False)
    assert not (tmp_path / "sub").exists()
    await (await Projection.open(store_url)).close()
    async with await Projection.open(store_url, create=False) as reader:
        assert await reader.reviews() == ()


async def test_tables_of_another_version_are_made_anew(store_url: str) -> None:
    async with await Projection.open(store_url) as first:
        await first.apply([LINK], [], {}, at=NOW)
    raw = create_async_engine(store_url)
    async with raw.begin() as connection:
        await connection.execute(text("UPDATE meta SET value = '0' WHERE name = 'version'"))
    await raw.dispose()
    with pytest.raises(Unavailable, match=r"store\.empty"):
        await Projection.open(store_url, create=False)
    async with await Projection.open(store_url) as again:
        assert await again.counts() == ()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://root:hunter2@db/x", "sqlite:///x.db"])
async def test_an_address_that_cannot_be_used_says_what_can_and_shows_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await Projection.open(url)
    assert caught.value.code == "store.url"
    assert "sqlite+aiosqlite:///FILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_database_that_is_away_is_unavailable_and_its_password_masked() -> None:
    with pytest.raises(Unavailable) as caught:
        await Projection.open("postgresql+asyncpg://ann:hunter2@127.0.0.1:1/ledger")
    assert caught.value.code == "store.unavailable"
    assert "hunter2" not in str(caught.value)


async def test_workers_that_open_a_new_store_together_make_it_once(store_url: str) -> None:
    async def opened(number: int) -> None:
        async with await Projection.open(store_url) as projection:
            await projection.apply([replace(LINK, key=f"acme/{number}")], [], {}, at=NOW)

    await asyncio.gather(*(opened(number) for number in range(8)))
    async with await Projection.open(store_url) as projection:
        assert sum(count.number for count in await projection.counts()) == 8
