"""Carrying out a bulk job: create, upload, close, ask until it is done, fetch what became of each row."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from connector.core.party import Answer, NoAnswer, Request
from connector.salesforce.bulk import ENDED, Job, results

LOOK_SECONDS = (0.2, 0.5, 1, 2)
CSV = (("Content-Type", "text/csv; charset=UTF-8"),)
JSON = (("Content-Type", "application/json; charset=UTF-8"),)


class Send(Protocol):
    """``SalesforceParty.send``."""

    def __call__(self, request: Request, *, seconds: int) -> Awaitable[Answer]: ...


class _Refused(Exception):
    """A step that was not answered as it should be; its answer is the answer of the whole."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class BulkJobs:
    """Runs one job within a call's time. ``jobs`` remembers what was closed and not yet seen to end: the same bytes
    sent again go on with that job instead of making another."""

    send: Send
    jobs: dict[str, str]

    async def run(self, request: Request, seconds: int) -> Answer:
        """An answer as of a collections call. Raises NoAnswer when nobody knows what became of the rows."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        asked, digest = Job.of(request), hashlib.sha256(request.body).hexdigest()
        job = self.jobs.get(digest)
        if job is None:
            try:
                job = await self._upload(request, asked, deadline)
            except _Refused as refused:
                return refused.answer
            self.jobs[digest] = job
        try:
            await self._ended(request, job, deadline)
            found = [
                (await self._step("GET", request, f"/{job}/{kind}", b"", JSON, deadline)).body
                for kind in ("successfulResults", "failedResults")
            ]
        except _Refused as refused:  # the job goes on: a limit, or a token, says nothing of its rows
            if refused.answer.status == 404:
                self.jobs.pop(digest, None)
            raise NoAnswer(f"bulk job {job}: HTTP {refused.answer.status}", sent=True) from None
        self.jobs.pop(digest, None)
        return Answer(200, {}, results(request.body, asked, found[0], found[1]))

    async def _upload(self, request: Request, asked: Job, deadline: float) -> str:
        """Until the job is closed nothing is written: a refusal before that is a refusal of everything."""
        created = await self._step("POST", request, "", asked.body(), (*request.headers[1:], *JSON), deadline)
        job = str(_object(created).get("id"))
        await self._step("PUT", request, f"/{job}/batches", request.body, CSV, deadline)
        await self._step("PATCH", request, f"/{job}", b'{"state":"UploadComplete"}', JSON, deadline)
        return job

    async def _ended(self, request: Request, job: str, deadline: float) -> None:
        loop, tries = asyncio.get_running_loop(), 0
        while True:
            state = _object(await self._step("GET", request, f"/{job}", b"", JSON, deadline)).get("state")
            if state in ENDED:
                return
            wait = LOOK_SECONDS[min(tries, len(LOOK_SECONDS) - 1)]
            if loop.time() + wait > deadline:
                raise NoAnswer(f"bulk job {job} is {state} still", sent=True)
            tries += 1
            await asyncio.sleep(wait)

    async def _step(
        self, method: str, request: Request, below: str, body: bytes, headers: tuple[tuple[str, str], ...],
        deadline: float,
    ) -> Answer:  # fmt: skip
        left = int(deadline - asyncio.get_running_loop().time())
        if left <= 0:
            raise NoAnswer("no time is left for the bulk job", sent=True)
        answer = await self.send(Request(method, request.path + below, (), headers, body), seconds=left)
        if answer.status // 100 != 2:
            raise _Refused(answer)
        return answer


def _object(answer: Answer) -> dict[str, Any]:
    try:
        raw = json.loads(answer.body)
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        raise NoAnswer("a bulk job answered what cannot be read", sent=True)
    return raw
