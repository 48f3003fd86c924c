"""The keys that an OpenID Connect identity provider signs with: found, fetched, and kept while it is away."""

import asyncio
import ipaddress
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from services.core.clock import Clock
from services.kit.errors import RetryableError
from services.kit.principals.key_set import VerifyingKey, read_key_set

__all__ = ["IdentityProvider", "IdentityProviderDown", "open_session"]

logger = logging.getLogger(__name__)

_ENOUGH = 64 * 1024  # bytes of an answer: a JWKS has some keys of 1 to 2 KiB, with certificates
_TIMEOUT = 5.0  # seconds for each request: somebody waits for their answer meanwhile
_FRESH = 600.0  # seconds until keys are fetched anew, beside the requests that go on with the old ones
# Past this the requests wait for the new keys: after a quiet night a withdrawn key must not open the door once more.
_STALE = 2 * _FRESH
_FORGOTTEN = 24 * 3600.0  # seconds that keys serve at most where the provider stays away
_PAUSE = 30.0  # seconds between two fetches: tokens with made-up key ids must not reach the provider
_PAUSE_WITHOUT_KEYS = 5.0  # the same where nobody can be let in before the provider answers


class IdentityProviderDown(RetryableError):  # noqa: N818 - the word of the operators who will read it
    """The identity provider gives no keys, and none are known: nobody can be told from anybody else."""


class _Unusable(Exception):  # noqa: N818 - it never leaves this module
    """An answer that cannot be used; the text says why and holds nothing of the answer."""


def open_session() -> aiohttp.ClientSession:
    """Return a session that keeps no cookies."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


class IdentityProvider:
    """Gives the keys of one identity provider; one fetch at a time, however many ask.

    Without `jwks_url` the provider says where its keys are (OpenID Connect Discovery 1.0, 4). `timeout` is in seconds,
    for each request. Raises ValueError where an address is not https; on this machine itself http will do.
    """

    def __init__(
        self,
        issuer: str,
        algorithms: frozenset[str],
        *,
        clock: Clock,
        jwks_url: str | None = None,
        session_factory: Callable[[], aiohttp.ClientSession] = open_session,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._issuer = issuer
        self._algorithms = algorithms
        self._clock = clock
        self._is_discovered = not jwks_url
        self._url = _guarded(jwks_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        self._session_factory = session_factory
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._keys: Mapping[str, VerifyingKey] = {}
        self._fetched = -math.inf
        self._not_before = -math.inf
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> VerifyingKey | None:
        """Return the key of this id, None where the provider has none. Raises IdentityProviderDown."""
        await self._ensure_keys()
        if kid not in self._keys:
            await self._refresh()
        return self._keys.get(kid)

    async def close(self) -> None:
        """End a fetch that is under way, and close the connections."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        if self._session:
            await self._session.close()

    async def _ensure_keys(self) -> None:
        age = self._age()
        if age > _FORGOTTEN:
            await self._refresh()
            if self._age() > _FORGOTTEN:
                wait = max(0.0, self._not_before - self._clock.monotonic())
                raise IdentityProviderDown("the identity provider gives no keys, and none are known", wait)
        elif age > _STALE and not self._is_failing:
            await self._refresh()
        elif age > _FRESH:
            self._begin()

    def _age(self) -> float:
        return self._clock.monotonic() - self._fetched

    async def _refresh(self) -> None:
        """Wait for new keys, unless they were asked for a moment ago; a caller that gives up ends nobody's fetch."""
        if fetching := self._begin():
            await asyncio.shield(fetching)

    def _begin(self) -> asyncio.Task[None] | None:
        """Return the fetch that is under way, or a new one; None where it is too early for one."""
        if self._fetching is None or self._fetching.done():
            if self._clock.monotonic() < self._not_before:
                return None
            self._fetching = asyncio.create_task(self._fetch(), name="keys of the identity provider")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            url = await self._discover() if self._is_discovered else self._url
            self._keys = _key_set(await self._get(url), self._algorithms)
        except (aiohttp.ClientError, TimeoutError, UnicodeError, _Unusable) as error:  # Unicode: a host that is none
            why = str(error) if isinstance(error, _Unusable) else "it does not answer"
            logger.warning("no keys from the identity provider: %s", why, extra={"error_class": type(error).__name__})
            self._is_failing = True
        else:
            self._fetched = self._clock.monotonic()
            self._is_failing = False
        pause = _PAUSE if self._age() <= _FORGOTTEN else _PAUSE_WITHOUT_KEYS
        self._not_before = self._clock.monotonic() + pause

    async def _discover(self) -> URL:
        document = await self._get(self._url)
        if document.get("issuer") != self._issuer:
            # Who can answer in its place must not name keys for it (OpenID Connect Discovery 1.0, 4.3).
            raise _Unusable("its configuration is that of another issuer")
        try:
            return _guarded(document.get("jwks_uri"))
        except ValueError:
            raise _Unusable("its configuration names no usable address of keys") from None

    async def _get(self, url: URL) -> dict[str, Any]:
        if self._session is None:
            self._session = self._session_factory()
        # A redirect could lead past the check of the address, and a compressed answer past that of its size.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._session.get(url, headers=headers, allow_redirects=False, timeout=self._timeout) as response:
            if response.status != 200:
                raise _Unusable(f"it answers {response.status}")
            return _json(await _read(response))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(_ENOUGH):
        body += part
        if len(body) > _ENOUGH:
            raise _Unusable(f"its answer has more than {_ENOUGH} bytes")
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        raise _Unusable("its answer is no JSON") from None
    if not isinstance(document, dict):
        raise _Unusable("its answer is no JSON object")
    return document


def _key_set(document: dict[str, Any], algorithms: frozenset[str]) -> dict[str, VerifyingKey]:
    try:
        return read_key_set(document, algorithms)
    except ValueError as error:
        raise _Unusable(str(error)) from None


def _guarded(address: object) -> URL:
    """Return an address that nobody on the way can answer for. Raises ValueError."""
    url = URL(address) if isinstance(address, str) else URL()
    if not (url.host and (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host)))):
        raise ValueError("an identity provider's address must begin with https://")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
