"""The portal: one POST a message, in the shape that it wants (`portal_shapes.py`)."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import cache

import aiohttp

from services.core.clock import Clock
from services.dispatch.blame import Blame, blame_of_portal
from services.dispatch.channels.answers import read_bounded, seconds_of
from services.dispatch.channels.credentials import (
    ANONYMOUS,
    ClientCredentials,
    Credential,
    SecretText,
    Tokens,
    TokenUnavailable,
)
from services.dispatch.channels.delivery import Delivery
from services.dispatch.channels.portal_shapes import TRAITS, FbsShape, OwnShape, Shape
from services.dispatch.config import PortalConfig, bearer_token
from services.dispatch.domain import Work
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, HandOver, Outage, Result
from services.dispatch.provider import Provider
from services.kit.certificate import OwnPair, calling

__all__ = ["TRAITS", "Portal", "idempotency_key", "open_provider"]

logger = logging.getLogger(__name__)

# Enough to hide a provider's latency of 100 ms at some hundreds a second, few enough to be polite.
_AT_ONCE = 64
# A message is small: a portal that has not answered by then is hanging.
_TIMEOUT = 30.0
# Bytes of an answer that are read, so that its connection can be used again; of a longer one it is closed.
_ENOUGH = 65_536

_ACCEPTED = Result(Ending.ACCEPTED)
_NOT_SENT = Result(Ending.NOT_SENT)
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")

_UNAUTHORIZED = 401
_TOO_MANY = 429
# What says that nothing was done with the message. After another one of 5xx, something may have been.
_UNTOUCHED = frozenset({_TOO_MANY})
# It surely took nothing: no try of anybody's, and no message that may be there.
_PUT_OFF = Result(Ending.NOT_SENT, blame=Blame.LATER)
# 409 = it has this message already.
_ACCEPTING = frozenset({200, 201, 409})


def open_provider(config: PortalConfig, clock: Clock) -> Provider:
    """Return the portal that the settings name. Raises ConfigError where a certificate cannot be used."""
    own = None
    if config.portal_cert and config.portal_key:
        own = OwnPair(config.portal_cert, config.portal_key, "HERAUT_PORTAL_CERT, HERAUT_PORTAL_KEY")
    tls = calling(config.portal_ca, "HERAUT_PORTAL_CA", own)
    shape: Shape = FbsShape(config.portal_oin) if config.portal_oin else OwnShape()
    return Portal(config.portal_url, shape=shape, credential=_credential(config, clock), tls=tls)


def _credential(config: PortalConfig, clock: Clock) -> Credential:
    files = config.secret_files
    if config.oauth_url and config.oauth_client:
        secret = (
            SecretText(config.oauth_secret, files.get("HERAUT_PORTAL_OAUTH_SECRET")) if config.oauth_secret else None
        )
        return ClientCredentials(
            config.oauth_url, config.oauth_client, clock=clock, secret=secret, scope=config.oauth_scope
        )
    if config.portal_token:
        return Tokens(SecretText(config.portal_token, files.get("HERAUT_PORTAL_TOKEN"), bearer_token), clock)
    return ANONYMOUS


def idempotency_key(notice: bytes, attempt: int) -> str:
    """Return the key that the portal tells repeats by."""
    return f"{notice.hex()}.{attempt}"


class _NoTurnError(Exception):
    """Nothing may begin any more, and this message did not."""


class Portal:
    """Hands messages over to a portal's API."""

    def __init__(
        self,
        url: str,
        *,
        shape: Shape | None = None,
        credential: Credential = ANONYMOUS,
        tls: ssl.SSLContext | None = None,
        timeout: float = _TIMEOUT,
        at_once: int = _AT_ONCE,
    ) -> None:
        """`credential` is shown with each message.

        Without `tls` the portal proves who it is by the authorities that this machine trusts.
        """
        self._credential = credential
        self._tls: ssl.SSLContext | bool = tls or True
        self._shape = shape or OwnShape()
        self.traits = self._shape.traits
        self._url = f"{url.rstrip('/')}{self._shape.path}"
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._at_once = at_once
        # As many as there are connections, so that whoever has its turn does not wait for one.
        self._room = asyncio.Semaphore(at_once)
        self._session: aiohttp.ClientSession | None = None

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Send the messages, many at once."""
        return await Delivery(work, go).worked_off(self._at_once, self._work_off)

    async def close(self) -> None:
        """Close the connections."""
        await self._credential.close()
        if self._session:
            await self._session.close()

    async def _work_off(self, delivery: Delivery) -> None:
        work = delivery.work
        while (row := delivery.next_row()) is not None:
            if not self._shape.reaches(work.contacts[row]):
                delivery.ended(row, _NO_RECIPIENT)
                continue
            body = delivery.made(row, self._shape.body)
            if body is None:
                continue
            key = idempotency_key(work.round.notices.ids[row], work.round.notices.attempts[row])
            result, outage = await self._post(key, body, delivery)
            delivery.ended(row, result)
            delivery.outage = outage or delivery.outage

    async def _post(self, key: str, body: bytes, delivery: Delivery) -> tuple[Result, Outage | None]:
        lost = self._shape.lost
        try:
            try:
                return self._judge(*await self._told_who(key, body, delivery))
            except aiohttp.ServerDisconnectedError:
                # A connection that was kept open and that the portal closed meanwhile: no sign of an outage.
                again = lost.ending is Ending.REPEAT
                return await self._repeat(key, body, delivery) if again else (lost, None)
        except _NoTurnError:
            return _NOT_SENT, None
        except TokenUnavailable as fault:
            return fault.result, fault.outage
        except aiohttp.ClientConnectorError as error:
            logger.warning("the portal cannot be reached", extra={"error_class": type(error).__name__})
            return _NOT_SENT, Outage()
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the portal did not answer", extra={"error_class": type(error).__name__})
            return lost, Outage()

    async def _repeat(self, key: str, body: bytes, delivery: Delivery) -> tuple[Result, Outage | None]:
        """Send a message once more that may have been taken."""
        try:
            return self._judge(*await self._told_who(key, body, delivery))
        except _NoTurnError:
            return self._shape.lost, None

    async def _told_who(self, key: str, body: bytes, delivery: Delivery) -> tuple[int, str | None]:
        """Send a message, once more where a token is no good any more and another one is there."""
        shown = await self._credential.shown(self._open())
        answer = await self._ask(key, body, shown, delivery)
        if answer[0] == _UNAUTHORIZED and shown and self._credential.refused(shown):
            answer = await self._ask(key, body, await self._credential.shown(self._open()), delivery)
        return answer

    async def _ask(self, key: str, body: bytes, shown: str | None, delivery: Delivery) -> tuple[int, str | None]:
        """Return status and `Retry-After` of the portal's answer. Raises _NoTurnError where nothing may begin."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **self._shape.headers(key)}
        headers |= {"Authorization": shown} if shown else {}
        async with self._room:
            if not await delivery.has_turn():
                raise _NoTurnError
            async with self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                await read_bounded(response, _ENOUGH)  # its status is all that counts
                return response.status, response.headers.get("Retry-After")

    def _judge(self, status: int, retry_after: str | None) -> tuple[Result, Outage | None]:
        if status in _ACCEPTING:
            return _ACCEPTED, None
        blame = blame_of_portal(status)
        if blame is Blame.LATER:
            logger.warning("the portal puts us off", extra={"status": status})
            result = _PUT_OFF if status in _UNTOUCHED else self._shape.lost
            return result, Outage(seconds_of(retry_after), too_many=status == _TOO_MANY)
        return (_REFUSED if blame is Blame.RECIPIENT else _held(status, blame)), None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                # Two rounds may be on the wire while one ends; cookies would tie people's messages together.
                connector=aiohttp.TCPConnector(limit=self._at_once, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # some kilobytes could be unpacked to all memory that there is
            )
        return self._session


@cache  # a handful of statuses; rows that share a result are recorded together
def _held(status: int, blame: Blame) -> Result:
    return Result(Ending.HELD, f"http-{status}", blame)
