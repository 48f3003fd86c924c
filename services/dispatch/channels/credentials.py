"""What the portal knows us by, beside a certificate: nothing, a token of ours, or tokens that we are given for it."""

import asyncio
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote_plus

import aiohttp
import orjson

from services.core.clock import Clock
from services.dispatch.blame import Blame, blame_of_portal
from services.dispatch.channels.answers import read_bounded, seconds_of
from services.dispatch.config import bearer_token
from services.dispatch.outcomes import Ending, Outage, Result
from services.kit.files import lies_open, state_of

__all__ = ["ANONYMOUS", "ClientCredentials", "Credential", "SecretText", "TokenUnavailable", "Tokens"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 1.0  # seconds: a new token works after so long at most
# Seconds before its end that a token is renewed: what is under way ends within them. Of a short life, half of it.
_BEFORE_END = 60.0
_LIFE = 300.0  # seconds that a token serves of which nobody says how long it is good (RFC 6749, 5.1)
_LONGEST_LIFE = 86_400.0
# Seconds between two requests for tokens that failed, or whose token was refused: nobody is hammered.
_PAUSE = 5.0
_ENOUGH = 65_536  # bytes of an answer: a token has some thousands
_LONGEST = 8_000  # characters of a token: servers take headers of about so many bytes, and answer 400 to longer ones
# The codes that an answer may say (RFC 6749, 5.2); another one is not repeated, as it may be anything.
_CODES = frozenset({
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
})  # fmt: skip


class TokenUnavailable(Exception):  # noqa: N818 - a state of who gives tokens, and no bug
    """There is no token to show. `result` is what becomes of a message for that; nothing of it was sent."""

    def __init__(self, why: str, result: Result, outage: Outage | None = None) -> None:
        super().__init__(why)
        self.why, self.result, self.outage = why, result, outage


_NOT_SENT = Result(Ending.NOT_SENT)
_NOT_ASKED = TokenUnavailable("nobody was asked yet", _NOT_SENT, Outage())


class Credential(Protocol):
    """What is shown with each message."""

    async def shown(self, http: aiohttp.ClientSession) -> str | None:
        """Return the value of `Authorization`, None where there is none. Raises TokenUnavailable."""
        ...

    def refused(self, shown: str) -> bool:
        """Take note that the portal refused this (401), and tell whether another one may be had."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class _Anonymous:
    async def shown(self, _http: aiohttp.ClientSession) -> str | None:
        return None

    def refused(self, _shown: str) -> bool:
        return False

    async def close(self) -> None:
        pass


ANONYMOUS: Credential = _Anonymous()


class SecretText:
    """A secret out of a setting; where it is in a file, it is read again when the file changes.

    A file that is gone, lies open or holds none leaves the secret as it was, and the log says so once.
    """

    def __init__(self, text: str, file: Path | None = None, parse: Callable[[str], str] = str) -> None:
        self._text, self._file, self._parse = text, file, parse
        self._seen = state_of(file) if file else None

    @property
    def text(self) -> str:
        """Return the secret as it stands."""
        if self._file is not None and (state := state_of(self._file)) != self._seen:
            self._seen = state
            self._read(self._file)
        return self._text

    def _read(self, file: Path) -> None:
        try:
            fault = "it is open to others" if lies_open(file) else None
            self._text = self._text if fault else self._parse(file.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            fault = error.strerror if isinstance(error, OSError) else str(error)  # parsers repeat nothing
        if fault:
            logger.error("%s cannot be used, the secret before goes on: %s", file, fault)
        else:
            logger.info("a secret of the portal was read again")


class Tokens:
    """A bearer token of ours (RFC 6750)."""

    def __init__(self, secret: SecretText, clock: Clock) -> None:
        self._secret, self._clock = secret, clock
        self._looked_at = -math.inf
        self._shown = ""

    async def shown(self, _http: aiohttp.ClientSession) -> str | None:
        """Return the header, with the token as of a second ago at most."""
        if self._clock.monotonic() - self._looked_at >= _LOOK_EVERY:
            self._look()
        return self._shown

    def refused(self, shown: str) -> bool:
        """Look at once, and tell whether the token is another one now."""
        self._look()
        return self._shown != shown

    async def close(self) -> None:
        """Nothing is under way."""

    def _look(self) -> None:
        self._looked_at = self._clock.monotonic()
        self._shown = f"Bearer {self._secret.text}"


class ClientCredentials:
    """Bearer tokens that an authorization server gives us for the portal (RFC 6749, 4.4).

    One token serves all messages until shortly before its end, and one request for the next is under way at a time,
    however many wait for it. Without a secret the server knows us by our certificate (RFC 8705, 2).
    """

    def __init__(
        self, url: str, client: str, *, clock: Clock, secret: SecretText | None = None, scope: str | None = None
    ) -> None:
        self._url, self._client, self._scope = url, client, scope
        self._secret, self._clock = secret, clock
        self._token = ""
        self._got = self._renew_at = self._ends = -math.inf
        self._not_before = -math.inf
        self._fault = _NOT_ASKED
        self._asking: asyncio.Task[None] | None = None

    async def shown(self, http: aiohttp.ClientSession) -> str | None:
        """Return the header, with a token that is good for a while. Raises TokenUnavailable."""
        if self._clock.monotonic() >= self._renew_at:
            await self._renew(http)
        if self._clock.monotonic() >= self._ends:
            raise TokenUnavailable(self._fault.why, self._fault.result, self._fault.outage)
        return self._token

    def refused(self, shown: str) -> bool:
        """Give up this token, unless it is a new one: a portal that refuses those refuses all."""
        if shown != self._token:
            return True
        if self._clock.monotonic() - self._got < _PAUSE:
            return False
        self._renew_at = self._ends = -math.inf
        return True

    async def close(self) -> None:
        """End a request that is under way."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _renew(self, http: aiohttp.ClientSession) -> None:
        """Wait for the next token, unless one was asked for in vain a moment ago."""
        if self._asking is None or self._asking.done():
            if self._clock.monotonic() < self._not_before:
                return
            self._asking = asyncio.create_task(self._ask(http), name="token of the portal")
        await asyncio.shield(self._asking)

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        try:
            self._take(await self._answer(http))
        except TokenUnavailable as fault:
            self._fault = fault
            after = fault.outage.after if fault.outage else None
            self._not_before = self._clock.monotonic() + (after or _PAUSE)
            logger.error("no token for the portal: %s", fault.why)  # noqa: TRY400 - no bug

    async def _answer(self, http: aiohttp.ClientSession) -> dict[str, Any]:
        """Return what the server answers. Raises TokenUnavailable."""
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        if self._secret is None:
            form["client_id"] = self._client
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"} | self._basic()
        try:
            async with http.post(self._url, data=form, headers=headers, allow_redirects=False) as response:
                body = await read_bounded(response, _ENOUGH)
                if response.status != 200:
                    raise _failed(response.status, _error_code(body), response.headers.get("Retry-After"))
                return _json(body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TokenUnavailable(type(error).__name__, _NOT_SENT, Outage()) from None

    def _basic(self) -> dict[str, str]:
        """Return client and secret as RFC 6749, 2.3.1 has them: encoded like a form, and then as HTTP Basic."""
        if self._secret is None:
            return {}
        return {"Authorization": aiohttp.encode_basic_auth(quote_plus(self._client), quote_plus(self._secret.text))}

    def _take(self, answer: dict[str, Any]) -> None:
        """Keep the token of an answer. Raises TokenUnavailable where there is none that can be shown."""
        token, kind, life = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
        if not isinstance(kind, str) or kind.lower() != "bearer" or not isinstance(token, str):
            raise _unusable("token-of-another-kind")
        if len(token) > _LONGEST:
            raise _unusable("token-too-long")
        try:
            self._token = f"Bearer {bearer_token(token)}"
        except ValueError:
            raise _unusable("token-unreadable") from None
        seconds = _seconds(life)
        self._got = self._clock.monotonic()
        self._ends = self._got + seconds
        self._renew_at = self._ends - min(_BEFORE_END, seconds / 2)


def _seconds(life: object) -> float:
    """Return how long a token serves; some servers say it as text."""
    text = str(life) if isinstance(life, int | str) and not isinstance(life, bool) else ""
    return min(float(text), _LONGEST_LIFE) if re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII) else _LIFE


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _unusable("token-answer-is-no-json")
    return answer


def _error_code(body: bytes) -> str:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return ""
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) and code in _CODES else ""


def _failed(status: int, code: str, retry_after: str | None) -> TokenUnavailable:
    """Return what an answer without a token comes to: put off, or the provider's fault until somebody mends it."""
    if blame_of_portal(status) is Blame.LATER:
        return TokenUnavailable(f"http-{status}", _NOT_SENT, Outage(seconds_of(retry_after)))
    return _unusable(f"token-{code}" if code else f"token-http-{status}")


def _unusable(reason: str) -> TokenUnavailable:
    return TokenUnavailable(reason, Result(Ending.HELD, reason, Blame.PROVIDER))
