"""The sources: they send their cohorts slowly, and send them again until intake acknowledges them.

They write each acknowledgement to a file of their own and sync it.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from services.cli.upload import CohortUpload
from services.demo.made_up.wave import Wave

__all__ = ["Acknowledgements", "Sources"]

_RETRY_AFTER = 0.3


class Acknowledgements:
    """The acknowledgements of intake: one line each, synced when it is written."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, answer: dict[str, Any]) -> None:
        """Write down an answer."""
        kept = {key: answer.get(key) for key in ("received", "accepted", "rejected")}
        os.write(self._file, orjson.dumps({"what": what, **kept}, option=orjson.OPT_APPEND_NEWLINE))
        os.fsync(self._file)


class Sources:
    """Clients of intake's replicas. A request that fails goes to the next replica, until one takes it."""

    def __init__(
        self, urls: Sequence[str], headers: Mapping[str, str], acknowledged: Acknowledgements, *, seconds: float
    ) -> None:
        self._urls = itertools.cycle(urls)
        self._headers = headers
        self._acknowledged = acknowledged
        self._seconds = seconds  # over which an upload is spread
        self.tries = 0

    async def put(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """PUT a document until a replica takes it, and return the answer."""
        body = orjson.dumps(document)
        return await self._until_taken("PUT", path, lambda: body, {"Content-Type": "application/json"})

    async def post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """POST a document until a replica takes it, and return the answer."""
        body = orjson.dumps(document)
        return await self._until_taken("POST", path, lambda: body, {"Content-Type": "application/json"})

    async def send(self, incident_id: str, wave: Wave, file: Path, *, slowly: bool) -> None:
        """Upload a cohort's file until a replica acknowledges it, and note the acknowledgement."""
        path = f"/v1/incidents/{incident_id}/cohorts/{wave.cohort_id}/members"
        seconds = self._seconds if slowly else 0.0
        with file.open("rb") as opened:
            headers = CohortUpload.look_into(opened).headers
        headers["Idempotency-Key"] = file.name
        answer = await self._until_taken("POST", path, lambda: _paced(file, seconds), headers)
        self._acknowledged.note(file.name, answer)

    async def _until_taken(self, method: str, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        # An upload is slow on purpose, so a request as a whole has no limit; a server that sends nothing has one.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=30)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as http:
            while True:
                self.tries += 1
                answer = await self._try(http, method, next(self._urls) + path, body(), headers)
                if answer is not None:
                    return answer
                await asyncio.sleep(_RETRY_AFTER)

    async def _try(
        self, http: aiohttp.ClientSession, method: str, url: str, body: Any, headers: dict[str, str]
    ) -> dict[str, Any] | None:
        """Return the answer, None where there was none or it asks to try again. Raises RuntimeError for a refusal."""
        try:
            async with http.request(method, url, data=body, headers=headers) as response:
                text = await response.read()
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return None
        if response.status < 300:
            answer: dict[str, Any] = orjson.loads(text or b"{}")
            return answer
        if response.status >= 500 or response.status == 429:
            return None
        raise RuntimeError(f"{method} {url}: {response.status} {text[:300]!r}")


async def _paced(file: Path, seconds: float) -> AsyncIterator[bytes]:
    """Return a file in a hundred pieces over `seconds` seconds."""
    content = file.read_bytes()
    step = len(content) // 100 + 1
    for at in range(0, len(content), step):
        yield content[at : at + step]
        await asyncio.sleep(seconds / 100)
