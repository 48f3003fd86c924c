"""The routes by which readers have a reference checked, without saying who they are: for programs, and for people."""

import base64
import hashlib
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from services.core.clock import Clock
from services.core.ids import ID_BYTES, format_reference, parse_reference
from services.kit.config import Networks
from services.kit.postgres import is_retryable
from services.kit.process import OpenRoute, Problem, json_response, read_form, read_json
from services.tracking.domain import Verdict
from services.tracking.metrics import VerificationMetrics
from services.tracking.verification.allowances import Allowance, Allowances, asking_place
from services.tracking.verification.answering import Verifications
from services.tracking.verification.page import STYLE, language_of, render

__all__ = ["VerificationApi"]

logger = logging.getLogger(__name__)

# A family with its letters, or a call centre at its busiest; hundreds of people share an address of a mobile network.
_OF_PLACE: Final = Allowance(at_once=60, per_second=1.0)
# Of 941,000 letters on one day one in twenty checked is 47,000 questions, half a second on average at most. A look-up
# takes a third of a millisecond: so many keep a core busy for a fiftieth of its time.
_OF_ALL: Final = Allowance(at_once=200, per_second=50.0)
_AGAIN: Final = 5  # seconds, after which what is out of order may be in order
_LONGEST: Final = 40  # characters: a reference has 19 with its hyphens, and people add spaces
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}
_STATUS: Final = {Verdict.MISTYPED: 400, Verdict.TOO_OFTEN: 429, Verdict.NOT_NOW: 503}


class VerificationApi:
    """The routes and what they need."""

    def __init__(
        self, verifications: Verifications, metrics: VerificationMetrics, clock: Clock, proxies: Networks
    ) -> None:
        self._verifications, self._metrics, self._clock, self._proxies = verifications, metrics, clock, proxies
        self._allowances = Allowances(_OF_PLACE, _OF_ALL)

    def routes(self) -> list[OpenRoute]:
        """Return the routes."""
        return [
            OpenRoute("POST", "/v1/verifications", self.verify),
            OpenRoute("GET", "/verify", self.show_form),
            OpenRoute("POST", "/verify", self.show_answer),
        ]

    async def verify(self, request: web.Request) -> web.StreamResponse:
        """Tell whether a reference is of a notice of ours."""
        body = await read_json(request)
        reference = body.get("reference") if isinstance(body, dict) else None
        if not isinstance(reference, str):
            raise Problem(400, "The body lacks a reference", 'It must be {"reference": "XXXX-XXXX-XXXX-XXXX"}.')
        verdict, after = await self._ask(request, reference)
        if verdict is Verdict.MISTYPED:
            said = "It is no reference, or a letter of it is wrong: compare it with the message."
            raise Problem(400, "Mistyped", said, kind="mistyped-reference")
        if verdict is Verdict.TOO_OFTEN:
            raise Problem(429, "Asked too often", headers={"Retry-After": str(after)})
        if verdict is Verdict.NOT_NOW:
            raise Problem(503, "Not now", "It cannot be told now.", headers={"Retry-After": str(after)})
        return json_response({"genuine": verdict is Verdict.GENUINE})

    async def show_form(self, request: web.Request) -> web.StreamResponse:
        """Return the page before anything was asked."""
        return _page(_language(request))

    async def show_answer(self, request: web.Request) -> web.StreamResponse:
        """Return the page with what is known of the reference that was entered."""
        reference = (await read_form(request)).get("reference", "")
        verdict, after = await self._ask(request, reference)
        headers = {"Retry-After": str(after)} if after else {}
        return _page(_language(request), verdict, _shown(reference, verdict), headers)

    async def _ask(self, request: web.Request, reference: str) -> tuple[Verdict, int]:
        """Return what is told, and after how many seconds it may be asked again where nothing could be told."""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        place = asking_place(request.remote or "", forwarded, self._proxies)
        after = self._allowances.take(place, self._clock.monotonic())
        verdict = Verdict.TOO_OFTEN
        if not after:
            verdict = await self._look_up(reference)
            after = _AGAIN if verdict is Verdict.NOT_NOW else 0
        self._metrics.count(verdict)
        return verdict, after

    async def _look_up(self, reference: str) -> Verdict:
        if len(reference) > _LONGEST:
            return Verdict.MISTYPED
        try:
            return await self._verifications.of(reference)
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("a reference cannot be verified now", extra={"error_class": type(error).__name__})
            return Verdict.NOT_NOW


def _shown(reference: str, verdict: Verdict) -> str:
    """Return what the page repeats of what was entered: as it is printed, or what has to be mended."""
    if verdict is Verdict.MISTYPED:
        return reference[:_LONGEST]
    readable = verdict in {Verdict.GENUINE, Verdict.UNKNOWN}
    return format_reference(parse_reference(reference).ljust(ID_BYTES, b"\0")) if readable else ""


def _language(request: web.Request) -> str:
    return language_of(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def _page(
    language: str, verdict: Verdict | None = None, reference: str = "", headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    return web.Response(
        text=render(language, verdict, reference),
        status=_STATUS.get(verdict, 200) if verdict else 200,
        content_type="text/html",
        charset="utf-8",
        headers={**_HEADERS, "Content-Language": language, **(headers or {})},
    )
