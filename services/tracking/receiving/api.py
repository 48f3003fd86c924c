"""The routes by which receipts come in: a provider's signed webhook, and a list of returned mail from an operator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.kit.process import OpenRoute, Problem, Route, json_response, read_body
from services.tracking.receiving.inbox import Inbox
from services.tracking.receiving.returned import Fault, InvalidList, read_list
from services.tracking.receiving.signing import Signers, is_signed
from services.tracking.receiving.webhook import InvalidWebhook, said_in
from services.tracking.said import Said

__all__ = ["ReceivingApi"]

_LONGEST_WEBHOOK: Final = 256 * 1024  # bytes: a thousand things said have about half of that
_SHOWN: Final = 100  # problems in one answer
_HERE: Final = ZoneInfo("Europe/Amsterdam")


class ReceivingApi:
    """The routes and what they need."""

    def __init__(self, inbox: Inbox, signers: Signers, clock: Clock) -> None:
        self._inbox, self._signers, self._clock = inbox, signers, clock

    def open_routes(self) -> list[OpenRoute]:
        """Return the route of providers: the signature says who calls."""
        return [OpenRoute("POST", "/v1/receipts/{provider}", self.take_webhook)]

    def routes(self) -> list[Route]:
        """Return the route of operators."""
        return [Route("POST", "/v1/receipts", Act.RECEIPTS_LOADED, self.take_list)]

    async def take_webhook(self, request: web.Request) -> web.StreamResponse:
        """Take what a provider says. The same again changes nothing, so its id need not be remembered."""
        signer = self._signers.get(request.match_info["provider"])
        if (request.content_length or 0) > _LONGEST_WEBHOOK:
            raise Problem(413, "The body is too large", f"{_LONGEST_WEBHOOK} bytes at most.")
        body = await read_body(request)
        now = self._clock.now()
        signed = signer and is_signed(signer.secrets, _headers(request), body, now.timestamp())
        if signer is None or not signed or len(body) > _LONGEST_WEBHOOK:
            # Which of these it is would tell a stranger whom we know.
            raise Problem(401, "Not signed", "No provider that is known here signed this lately.", kind="not-signed")
        said = _read(body, signer.channel, now)
        await self._inbox.put(said, now)
        return json_response({"taken": len(said)}, 202)

    async def take_list(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """Take a list of letters that came back, as far as its lines can be read; the others are named."""
        if request.content_type != "text/csv":
            raise Problem(415, "The body is no CSV", "Its type has to be text/csv.")
        body, now = await read_body(request), self._clock.now()
        try:
            read = list(read_list(body, now.astimezone(_HERE).date()))
        except InvalidList as error:
            raise Problem(400, "No line can be read", f"{error}: reference,reason,date.", kind=str(error)) from None
        said = [one for one in read if isinstance(one, Said)]
        faults = [one for one in read if isinstance(one, Fault)]
        await self._inbox.put(said, now)
        return json_response(_answer(said, faults), 202)


def _headers(request: web.Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items() if name.lower().startswith("webhook-")}


def _read(body: bytes, channel: int, now: datetime) -> list[Said]:
    try:
        return said_in(orjson.loads(body), channel, round(now.timestamp() * 1000))
    except orjson.JSONDecodeError:
        raise Problem(400, "The body is not JSON") from None
    except InvalidWebhook as error:
        raise Problem(400, "The body cannot be understood", f"{error} is missing, or is not as it has to be.") from None


def _answer(said: list[Said], faults: list[Fault]) -> dict[str, Any]:
    return {
        "received": len(said) + len(faults),
        "taken": len(said),
        "problems": [one._asdict() for one in faults[:_SHOWN]],
        "problemsTruncated": len(faults) > _SHOWN,
    }
