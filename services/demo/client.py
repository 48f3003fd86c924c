"""Calls of Heraut over HTTP, as an upstream system would make them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from services.demo.errors import DemoError
from services.demo.made_up.cohort_file import Form

__all__ = ["Client", "open_client"]

_CHUNK = 256 * 1024
# An upload breaks off where intake is restarted, and the supervisor has intake back in seconds.
_TRIES, _WAIT = 5, 3.0


class Client:
    """A session for one incident. Every call raises DemoError where the service answers with an error."""

    def __init__(self, http: aiohttp.ClientSession, addresses: Mapping[str, str], incident_id: str) -> None:
        self._http = http
        self._incident = f"{addresses['intake']}/v1/incidents/{incident_id}"
        self._ledger = f"{addresses['tracking']}/v1/incidents/{incident_id}/ledger"

    async def put_incident(self, document: Mapping[str, Any]) -> None:
        """Put the incident."""
        await self._call("PUT", self._incident, json=document)

    async def put_cohort(self, cohort_id: str, document: Mapping[str, Any]) -> None:
        """Open a cohort."""
        await self._call("PUT", f"{self._incident}/cohorts/{cohort_id}", json=document)

    async def seal(self, cohort_id: str) -> None:
        """Seal a cohort."""
        await self._call("POST", f"{self._incident}/cohorts/{cohort_id}/seal", json={})

    async def upload(self, cohort_id: str, path: Path, form: Form, sent: Callable[[int], None]) -> Any:
        """Upload a file and return intake's answer; `sent` is called with the size of each piece that was sent.

        An upload that breaks off begins again: records that intake has already do no harm.
        """
        headers = {"Content-Type": form.content_type} | ({"Content-Encoding": "gzip"} if form.gzipped else {})
        url = f"{self._incident}/cohorts/{cohort_id}/members"
        for left in reversed(range(_TRIES)):
            try:
                return await self._call("POST", url, headers=headers, data=_pieces(path, sent))
            except (aiohttp.ClientConnectionError, TimeoutError):
                if not left:
                    raise DemoError(f"intake did not take {path.name}, {_TRIES} times") from None
                await asyncio.sleep(_WAIT)
        return None

    async def ledger(self) -> dict[str, Any] | None:
        """Return the ledger, None where tracking does not know the incident yet or does not answer."""
        try:
            async with self._http.get(self._ledger) as answer:
                return orjson.loads(await answer.read()) if answer.status == 200 else None
        except (aiohttp.ClientConnectionError, TimeoutError):
            return None

    async def _call(self, method: str, url: str, **options: Any) -> Any:
        async with self._http.request(method, url, **options) as answer:
            body = await answer.read()
            if answer.status >= 400:
                raise DemoError(f"{method} {url} answered {answer.status}: {body[:500].decode(errors='replace')}")
            return orjson.loads(body) if body else None


async def _pieces(path: Path, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            sent(len(chunk))


@asynccontextmanager
async def open_client(addresses: Mapping[str, str], token: str, incident_id: str) -> AsyncIterator[Client]:
    """Open a session with the operator's token. `addresses` are the base URLs by service."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as http:
        yield Client(http, addresses, incident_id)
