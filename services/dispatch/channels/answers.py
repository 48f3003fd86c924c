"""What is read of a provider's answer over HTTP, within bounds."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

__all__ = ["read_bounded", "seconds_of"]

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_DATE = re.compile(r"[A-Za-z]{3}, [0-9]{2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", re.ASCII)


async def read_bounded(response: aiohttp.ClientResponse, enough: int) -> bytes:
    """Return an answer's body, or so many bytes of it, and have its connection used again where that was all of it.

    Raises what aiohttp raises where it breaks off.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > enough:
            response.close()
            break
    return bytes(body[:enough])


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
