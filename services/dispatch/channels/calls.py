"""Calls of a provider's HTTP interface, within bounds; what an answer that did not come says of the call."""

import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson

from services.dispatch.channels.answers import read_bounded, seconds_of

__all__ = ["Answer", "Calls", "LostError", "UnreachedError"]

# Bytes of an answer that are read, so that its connection can be used again; of a longer one it is closed.
_ENOUGH = 262_144


class UnreachedError(Exception):
    """The provider cannot be reached: it surely did not hear the call."""


class LostError(Exception):
    """No answer came that can be read: the provider may have done what it was asked, or not."""


class Answer(NamedTuple):
    """An answer: its status, its body, and the wait that it asks for, in seconds."""

    status: int
    body: bytes
    after: float | None

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return the fields of its JSON object; none where it is no such thing."""
        try:
            said = orjson.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


class Calls:
    """One provider's HTTP interface. A call is never repeated here."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None, seconds: float, at_once: int) -> None:
        """Without `tls` the provider proves who it is by the authorities that this machine trusts."""
        self._url, self._tls, self._at_once = url.rstrip("/"), tls or True, at_once
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post JSON. Raises UnreachedError, LostError."""
        return await self._call("POST", path, {"Content-Type": "application/json", **headers}, body)

    async def get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Ask for something. Raises UnreachedError, LostError."""
        return await self._call("GET", path, headers, query=query)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        told = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        url = f"{self._url}{path}"
        try:
            async with self._open().request(
                method, url, data=body, params=query, headers=told, allow_redirects=False
            ) as response:
                said = await read_bounded(response, _ENOUGH)
                return Answer(response.status, said, seconds_of(response.headers.get("Retry-After")))
        except aiohttp.ClientConnectorError as error:
            raise UnreachedError(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LostError(type(error).__name__) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._at_once, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),  # cookies would tie people's messages together
                auto_decompress=False,  # some kilobytes could be unpacked to all memory that there is
            )
        return self._session
