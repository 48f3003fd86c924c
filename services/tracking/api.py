"""Tracking's routes: the ledger as JSON, and as a page."""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from aiohttp import web

from services.core.clock import Clock
from services.kit.postgres import is_retryable
from services.kit.process import Problem, json_response, problem
from services.tracking.handlers import Ledgers
from services.tracking.ledger import CohortLine, Ledger, Line
from services.tracking.page import render

__all__ = ["PUBLIC", "Api"]

# The page itself checks who asks: a browser cannot send a bearer token, but knows Basic (RFC 7617).
PUBLIC = frozenset({"/"})
_HERE = Path(__file__).parent
_CHALLENGE = 'Basic realm="Heraut", charset="UTF-8"'


_Route = Callable[["Api", web.Request], Awaitable[web.StreamResponse]]


def _while_database_answers(route: _Route) -> _Route:
    """Make a route answer 503 while the database cannot be asked."""

    @wraps(route)
    async def guarded(api: "Api", request: web.Request) -> web.StreamResponse:
        try:
            return await route(api, request)
        except Exception as error:
            if is_retryable(error):
                raise Problem(503, "The database does not answer", "Ask again in a moment.") from error
            raise

    return guarded


class Api:
    """The routes and what they need. `token` opens the page too; None = nobody gets in."""

    def __init__(self, ledgers: Ledgers, clock: Clock, token: str | None) -> None:
        self._ledgers, self._clock = ledgers, clock
        self._token = token.encode() if token else None
        self._style = (_HERE / "page.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, to be mounted behind the bearer check, PUBLIC ones beside it."""
        return [
            web.get("/", self.show_page),
            web.get("/v1/incidents", self.list_incidents),
            web.get("/v1/incidents/{incident_id}/ledger", self.show_ledger),
        ]

    async def list_incidents(self, _: web.Request) -> web.StreamResponse:
        """Return the incidents that are known."""
        self._expect_loaded()
        incidents = self._ledgers.incidents()
        return json_response({"incidents": [{"incidentId": i.incident_id, "title": i.title} for i in incidents]})

    @_while_database_answers
    async def show_ledger(self, request: web.Request) -> web.StreamResponse:
        """Return the ledger of an incident."""
        self._expect_loaded()
        ledger = await self._ledgers.of(request.match_info["incident_id"])
        if ledger is None:
            raise Problem(404, "No such incident")
        return json_response(ledger_json(ledger))

    @_while_database_answers
    async def show_page(self, request: web.Request) -> web.StreamResponse:
        """Return the ledgers of all incidents as a page."""
        if not self._may_see(request.headers.get("Authorization", "")):
            refused = problem(401, "Who asks?", "Any user name, and the operator's token as the password.")
            refused.headers["WWW-Authenticate"] = _CHALLENGE
            return refused
        refresh = request.query.get("refresh") != "off"
        page = render(await self._ledgers.all(), self._clock.now(), refresh=refresh)
        return web.Response(
            text=page.replace("%STYLE%", self._style, 1),
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": self._policy, "Referrer-Policy": "no-referrer"},
        )

    def _expect_loaded(self) -> None:
        if not self._ledgers.known():
            raise Problem(503, "Incidents are still being read", "Ask again in a moment.")

    def _may_see(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        secret = given.encode()
        if scheme.lower() == "basic":
            try:
                secret = base64.b64decode(given, validate=True).partition(b":")[2]
            except ValueError:
                return False
        elif scheme.lower() != "bearer":
            return False
        return self._token is not None and hmac.compare_digest(secret, self._token)


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """Return a ledger as it is answered (interfaces: the ledger)."""
    return {
        "incidentId": ledger.incident_id,
        "title": ledger.title,
        "balanced": ledger.balanced,
        "cohorts": [_cohort_json(cohort) for cohort in ledger.cohorts],
        "totals": _line_json(ledger.totals),
    }


def _cohort_json(cohort: CohortLine) -> dict[str, Any]:
    return {
        "cohortId": cohort.cohort_id,
        "source": cohort.source,
        **_line_json(cohort.line),
        "surplus": cohort.line.missing < 0,
        "balanced": cohort.balanced,
    }


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "declared": line.declared,
        "received": line.received,
        "missing": line.missing,
        "rejected": line.rejected,
        "accepted": line.accepted,
        **{disposition.value: members for disposition, members in line.standing().items()},
        "identityConflicts": line.conflicting,
        "heldReasons": {reason.key: members for reason, members in line.holds.items()},
    }
