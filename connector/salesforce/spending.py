"""For what the calls of a loop are made: said once, where the loop is started; its tasks inherit it."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TypeVar

from connector.salesforce.day import Purpose

T = TypeVar("T")
_SAID: ContextVar[Purpose | None] = ContextVar("purpose", default=None)


async def spending(purpose: Purpose, work: Awaitable[T]) -> T:
    """Do the work; its calls are for this purpose."""
    token = _SAID.set(purpose)
    try:
        return await work
    finally:
        _SAID.reset(token)


def purpose_of(method: str) -> Purpose:
    """What was said; else a GET is a read, and all else a write."""
    said = _SAID.get()
    if said is not None:
        return said
    return Purpose.READ if method == "GET" else Purpose.WRITE
