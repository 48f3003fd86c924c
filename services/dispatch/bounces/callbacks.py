"""What Notify tells by itself of what it was given: it calls us, with a token that we gave it."""

import hmac
import logging

from aiohttp import web

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.receipts import FAILED, REASON_NAMES, ReceiptReason, is_the_recipients
from services.dispatch.bounces.keeping import keep
from services.dispatch.bounces.statuses import receipt_of
from services.kit.process import OpenRoute, Problem, read_json
from services.kit.stage import StageHandle

__all__ = ["Callbacks"]

logger = logging.getLogger(__name__)


class Callbacks:
    """The route that Notify calls."""

    def __init__(self, token: str, *, stage: StageHandle, channel: Channel, clock: Clock) -> None:
        """`token` is what Notify shows: no other caller knows it."""
        self._token, self._stage, self._channel, self._clock = token, stage, channel, clock

    def routes(self) -> list[OpenRoute]:
        """Return the route. It asks for its own token and no principal's, as Notify has one token for all."""
        return [OpenRoute("POST", "/v1/notify/statuses", self.hear)]

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """Keep what is said of one notification, before it is acknowledged. Notify calls again after a 503."""
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {self._token}".encode()):
            raise Problem(401, "This token is not known")
        said = await read_json(request)
        now = int(self._clock.now().timestamp() * 1000)
        receipt = receipt_of(said, self._channel, now) if isinstance(said, dict) else None
        if receipt is not None:
            if not await keep(self._stage, [receipt]):
                raise Problem(503, "It cannot be kept now")
            if receipt.kind in FAILED and not is_the_recipients(receipt.kind, receipt.reason):
                why = REASON_NAMES[ReceiptReason(receipt.reason)]
                logger.error("what Notify took told nobody, through no fault of its recipient", extra={"reason": why})
        return web.Response(status=204)
