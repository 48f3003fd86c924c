"""The portal: one POST a message. It honours our key, so repeating is always safe."""

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import aiohttp

from services.core.channel import Channel
from services.core.clock import Clock
from services.dispatch.blame import Blame, blame_of_portal
from services.dispatch.channels.delivery import Delivery
from services.dispatch.config import PortalConfig
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, HandOver, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.rendering.messages.plain_text import PlainTexts
from services.rendering.messages.portal import portal_message

__all__ = ["TRAITS", "Portal", "idempotency_key", "open_provider"]

logger = logging.getLogger(__name__)

# Enough to hide a provider's latency of 100 ms at some hundreds a second, few enough to be polite.
_AT_ONCE = 64
# A message is small: a portal that has not answered by then is hanging.
_TIMEOUT = 30.0
# Bytes of an answer that are read, so that its connection can be used again; of a longer one it is closed.
_ENOUGH = 65_536
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_DATE = re.compile(r"[A-Za-z]{3}, [0-9]{2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", re.ASCII)

TRAITS = Traits(
    channel=Channel.PORTAL,
    name="portal",
    provider_class=ProviderClass.IDEMPOTENT,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
)

_ACCEPTED = Result(Ending.ACCEPTED)
_AGAIN = Result(Ending.REPEAT, blame=Blame.LATER)
_NOT_SENT = Result(Ending.NOT_SENT)
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")

# 409 = it has this key already.
_ACCEPTING = frozenset({200, 201, 409})


def open_provider(config: PortalConfig, _: Clock) -> Provider:
    """Return the portal that the settings name."""
    return Portal(config.portal_url, token=config.portal_token)


def idempotency_key(notice: bytes, attempt: int) -> str:
    """Return the key that the portal tells repeats by."""
    return f"{notice.hex()}.{attempt}"


class Portal:
    """Hands messages over to a portal's API."""

    traits = TRAITS

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = _TIMEOUT, at_once: int = _AT_ONCE
    ) -> None:
        """With `token`, a bearer token is shown with each message."""
        self._who = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = f"{url.rstrip('/')}/messages"
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._at_once = at_once
        self._texts = PlainTexts()
        self._session: aiohttp.ClientSession | None = None

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Send the messages, many at once."""
        delivery = Delivery(work, go)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(work.contacts))):
                group.create_task(self._work_off(delivery))
        return HandOver(delivery.results, delivery.outage)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _work_off(self, delivery: Delivery) -> None:
        work = delivery.work
        while (row := delivery.next_row()) is not None:
            if not work.contacts[row].portal_id:
                delivery.ended(row, _NO_RECIPIENT)
                continue
            body = delivery.made(row, self.body)
            if body is None:
                continue
            key = idempotency_key(work.round.notices.ids[row], work.round.notices.attempts[row])
            result, outage = await self._post(key, body)
            delivery.ended(row, result)
            delivery.outage = outage or delivery.outage

    def body(self, work: Work, row: int) -> bytes:
        """Return a message's bytes: from stored values alone, so that every try sends the same."""
        return portal_message(self._texts, work, row)

    async def _post(self, key: str, body: bytes) -> tuple[Result, Outage | None]:
        try:
            try:
                return await self._ask(key, body)
            except aiohttp.ServerDisconnectedError:
                # A connection that was kept open and that the portal closed meanwhile: no sign of an outage.
                return await self._ask(key, body)
        except aiohttp.ClientConnectorError:
            return _NOT_SENT, Outage()
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the portal did not answer", extra={"error_class": type(error).__name__})
            return _AGAIN, Outage()

    async def _ask(self, key: str, body: bytes) -> tuple[Result, Outage | None]:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            await _read_past(response)
            return _judge(response.status, response.headers.get("Retry-After"))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._who,
                timeout=self._timeout,
                # Two rounds may be on the wire while one ends; cookies would tie people's messages together.
                connector=aiohttp.TCPConnector(limit=self._at_once),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # some kilobytes could be unpacked to all memory that there is
            )
        return self._session


async def _read_past(response: aiohttp.ClientResponse) -> None:
    """Read an answer's body, so that the connection can be used again, or close it: its status is all that counts."""
    read = 0
    async for piece in response.content.iter_any():
        read += len(piece)
        if read > _ENOUGH:
            response.close()
            return


def _judge(status: int, retry_after: str | None) -> tuple[Result, Outage | None]:
    if status in _ACCEPTING:
        return _ACCEPTED, None
    blame = blame_of_portal(status)
    if blame is Blame.LATER:
        logger.warning("the portal puts us off", extra={"status": status})
        return _AGAIN, Outage(seconds_of(retry_after))
    return (_REFUSED if blame is Blame.RECIPIENT else _held(status, blame)), None


@cache  # a handful of statuses; rows that share a result are recorded together
def _held(status: int, blame: Blame) -> Result:
    return Result(Ending.HELD, f"http-{status}", blame)


def seconds_of(retry_after: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, 5.6.7 and 10.2.3). None where it is absent or unreadable."""
    given = (retry_after or "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    if not _DATE.fullmatch(given):
        return None
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # a 99th of January
        return None
