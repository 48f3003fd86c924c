"""Routes of what a provider rejected: of which incidents, whose, and what is done about it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from services.core.access import Act, Caller
from services.dispatch.domain import Batch
from services.dispatch.rejected.decided import Decision
from services.dispatch.rejected.deciding import RejectedDeciding
from services.dispatch.rejected.store import RejectedStore
from services.kit.errors import LostOwnershipError
from services.kit.postgres import Pool
from services.kit.process import Problem, Route, json_response

__all__ = ["MOST_BATCHES", "RejectedApi"]

MOST_BATCHES: Final = 256  # of one page: nearly each has one notice
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class RejectedApi:
    """The routes and what they need."""

    def __init__(self, pool: Pool, store: RejectedStore, deciding: RejectedDeciding) -> None:
        self._pool, self._store, self._deciding = pool, store, deciding

    def routes(self) -> list[Route]:
        """Return the routes, each with the act that it asks for."""
        return [
            Route("GET", "/v1/rejected", Act.CHANNELS_SHOWN, self.list_incidents),
            Route("GET", "/v1/rejected/{incidentId}", Act.CHANNELS_SHOWN, self.list_notices),
            Route("POST", "/v1/rejected/{incidentId}/again", Act.SENT_AGAIN, self.make_again),
            Route("POST", "/v1/rejected/{incidentId}/give-up", Act.SENDING_GIVEN_UP, self.give_up),
        ]

    async def list_incidents(self, _: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return of which incidents something was rejected and is neither made again nor given up."""
        async with self._pool.acquire() as connection:
            found = await self._store.by_incident(connection)
        shown = [
            {"channel": self._store.channel.label, "incidentId": one.incident_id, "notices": one.notices}
            | {"since": one.since.isoformat(timespec="seconds")}
            | {"decided": one.decided.as_json() if one.decided else None}
            for one in found
        ]
        return json_response({"rejected": shown})

    async def list_notices(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return a page of the rejected notices of an incident that nobody decided about.

        It may have none, and yet not be the last.
        """
        after, incident_id = request.query.get("after", "0"), request.match_info["incidentId"]
        if not _NUMBER.fullmatch(after):
            fault = {"field": "after", "problem": "must be the `next` of another page"}
            raise Problem(400, "That is no page", problems=[fault])
        async with self._pool.acquire() as connection:
            found = await self._store.page(connection, int(after), MOST_BATCHES)
        following = str(found[-1].batch.number) if len(found) == MOST_BATCHES else None
        undecided = [one.batch for one in found if one.decided_at is None]
        of_it = [batch for batch in undecided if batch.notices.incident_id == incident_id]
        return json_response({"notices": [one for batch in of_it for one in self._shown(batch)], "next": following})

    def _shown(self, batch: Batch) -> list[dict[str, Any]]:
        notices = batch.notices
        about = {"channel": self._store.channel.label, "since": batch.since.isoformat(timespec="seconds")}
        return [
            {"noticeId": notice.hex(), "attempt": attempt, "incidentId": notices.incident_id, "cohortId": cohort}
            | about
            for notice, attempt, cohort in zip(notices.ids, notices.attempts, notices.cohorts, strict=True)
        ]

    async def make_again(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Have what was rejected of an incident handed over anew, as attempts of their own."""
        return await self._decide(request, caller, self._deciding.make_again)

    async def give_up(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Have the people of what was rejected of an incident told on their next channel."""
        return await self._decide(request, caller, self._deciding.give_up)

    async def _decide(
        self, request: web.Request, caller: Caller, decide: Callable[[str, Caller], Awaitable[Decision]]
    ) -> web.StreamResponse:
        """Answer what is decided: it is done once all is known that was acknowledged before."""
        incident_id = request.match_info["incidentId"]
        try:
            found = await decide(incident_id, caller)
        except LostOwnershipError:
            raise Problem(503, "This process has no part of the work now") from None
        about = {"channel": self._store.channel.label, "incidentId": incident_id}
        return json_response(about | {"notices": found.notices, "waiting": found.waiting}, status=202)
