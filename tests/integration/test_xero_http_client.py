"""The HTTP shell against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from connector.core.party import NoAnswer
from connector.http import HttpClient

Peer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(behaviour: Peer) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await behaviour(head, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_an_answer_comes_back_with_lower_case_headers_and_plain_bytes() -> None:
    seen = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(head)
        body = gzip.compress(b'{"a":1}')
        writer.write(
            b"HTTP/1.1 404 Not Found\r\nX-Left: 3\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        await writer.drain()

    async with peer(answer) as base, HttpClient() as client:
        got = await client.request("GET", f"{base}/x?a=1", query=[("b", "ä/2"), ("b", "3")], headers=[("X-Key", "k")])
    assert (got.status, got.headers["x-left"], got.body) == (404, "3", b'{"a":1}')
    assert b"GET /x?a=1&b=%C3%A4%2F2&b=3 HTTP/1.1" in seen[0]
    assert b"x-key: k" in seen[0].lower()


async def test_a_refused_connection_was_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with HttpClient() as client:
        with pytest.raises(NoAnswer) as caught:
            await client.request("PUT", f"http://user:pass@127.0.0.1:{port}/x?token=abc", body=b"{}")
    assert caught.value.sent is False
    assert "pass" not in caught.value.reason
    assert "abc" not in caught.value.reason


async def test_a_cut_connection_was_sent() -> None:
    async def cut(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with peer(cut) as base, HttpClient() as client:
        with pytest.raises(NoAnswer) as caught:
            await client.request("PUT", f"{base}/x", body=b"{}")
    assert caught.value.sent is True


async def test_an_answer_in_drops_ends_at_the_deadline() -> None:
    async def drip(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await writer.drain()
        await asyncio.wait_for(writer.wait_closed(), 5)

    async with peer(drip) as base, HttpClient() as client:
        with pytest.raises(NoAnswer) as caught:
            await client.request("GET", f"{base}/x", seconds=0.05)
        assert caught.value.sent is True


async def test_a_bomb_is_refused_at_its_unpacked_size() -> None:
    async def bomb(_head: bytes, writer: asyncio.StreamWriter) -> None:
        body = gzip.compress(b"0" * 100_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with peer(bomb) as base, HttpClient(max_body=10_000) as client:
        with pytest.raises(NoAnswer, match="over 10000 bytes"):
            await client.request("GET", f"{base}/x")
