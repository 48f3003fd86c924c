"""Tracking's routes: the ledger as JSON, and as a page."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from aiohttp import web

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.kit.errors import RetryableError
from services.kit.process import Problem, Route, json_response
from services.tracking.closures import ClosureLists
from services.tracking.handlers import Ledgers, PauseLists
from services.tracking.ledger import CohortLine, Ledger, Line
from services.tracking.page import render
from services.tracking.progress import ReleaseProgress

__all__ = ["Api"]

_HERE = Path(__file__).parent


class Api:
    """The routes and what they need."""

    def __init__(
        self, ledgers: Ledgers, pauses: PauseLists, closures: ClosureLists, progress: ReleaseProgress, clock: Clock
    ) -> None:
        self._ledgers, self._pauses, self._progress, self._clock = ledgers, pauses, progress, clock
        self._closures = closures
        self._style = (_HERE / "page.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def routes(self) -> list[Route]:
        """Return the routes, each with the act that it asks for."""
        return [
            Route("GET", "/", Act.LEDGER_SHOWN, self.show_page, browser=True),
            Route("GET", "/v1/incidents", Act.INCIDENT_SHOWN, self.list_incidents),
            Route("GET", "/v1/incidents/{incident_id}/ledger", Act.LEDGER_SHOWN, self.show_ledger),
            Route("GET", "/v1/incidents/{incident_id}/pauses", Act.LEDGER_SHOWN, self.show_pauses),
            Route("GET", "/v1/incidents/{incident_id}/closures", Act.LEDGER_SHOWN, self.show_closures),
            Route(
                "GET", "/v1/incidents/{incident_id}/cohorts/{cohort_id}/release", Act.LEDGER_SHOWN, self.show_release
            ),
            Route("GET", "/v1/incidents/{incident_id}/pauses/{pause_id}", Act.LEDGER_SHOWN, self.show_pause),
        ]

    async def list_incidents(self, _: web.Request, caller: Caller) -> web.StreamResponse:
        """Return the incidents that the caller sees."""
        self._expect_loaded()
        incidents = self._ledgers.incidents(caller.principal)
        return json_response({"incidents": [{"incidentId": i.incident_id, "title": i.name} for i in incidents]})

    async def show_ledger(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return the ledger of an incident, as far as the caller sees it."""
        self._expect_loaded()
        ledger = await self._ledgers.of(request.match_info["incident_id"])
        seen = ledger.seen_by(caller.principal) if ledger else None
        if seen is None:
            raise Problem(404, "The incident is not known", kind="unknown-incident")
        return json_response(ledger_json(seen))

    async def show_pause(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return what had begun when a cohort was paused."""
        self._expect_loaded()
        about = request.match_info
        found = await self._pauses.of(caller.principal, about["incident_id"], about["pause_id"])
        if found is None:
            raise Problem(404, "The pause is not known", kind="unknown-pause")
        return json_response(found)

    async def show_pauses(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return what had begun of every pause of an incident that holds now."""
        self._expect_loaded()
        found = await self._pauses.of_all(caller.principal, request.match_info["incident_id"])
        if found is None:
            raise Problem(404, "The incident is not known", kind="unknown-incident")
        return json_response(found)

    async def show_closures(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return what had begun when channels of an incident were closed, and how many moved on."""
        self._expect_loaded()
        found = await self._closures.of(caller.principal, request.match_info["incident_id"])
        if found is None:
            raise Problem(404, "The incident is not known", kind="unknown-incident")
        return json_response(found)

    async def show_release(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return how the release of a cohort goes."""
        self._expect_loaded()
        about = request.match_info
        found = await self._progress.of(caller.principal, about["incident_id"], about["cohort_id"])
        if found is None:
            raise Problem(404, "The cohort is not known", kind="unknown-cohort")
        return json_response(found)

    async def show_page(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return the ledgers of all incidents as a page, as far as the caller sees them."""
        ledgers = [ledger.seen_by(caller.principal) for ledger in await self._ledgers.all()]
        refresh = request.query.get("refresh") != "off"
        page = render([ledger for ledger in ledgers if ledger], self._clock.now(), refresh=refresh)
        return web.Response(
            text=page.replace("%STYLE%", self._style, 1),
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": self._policy, "Referrer-Policy": "no-referrer"},
        )

    def _expect_loaded(self) -> None:
        if not self._ledgers.known():
            raise RetryableError("the incidents are still being read", after=1.0)


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
        "surplus": cohort.line.surplus > 0,
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
        "uncorrected": line.uncorrected,
        "bareJoins": line.bare_joined,
        "heldReasons": {reason.key: members for reason, members in line.holds.items()},
        "toBeTold": line.to_be_told,
        "told": line.told,
    }
