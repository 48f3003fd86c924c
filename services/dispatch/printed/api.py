"""Routes of print jobs: how each stands with the print house, who lies in rejected ones, and what is done about it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from services.core.access import Act, Caller
from services.core.channel import Channel
from services.dispatch.domain import Batch
from services.dispatch.print_runs import HANDLINGS
from services.dispatch.printed.deciding import Deciding, PostedError, UnknownJobError, file_of
from services.dispatch.printed.store import JobLine, PrintedStore
from services.dispatch.rejected.decided import Decision, Waiting
from services.dispatch.rejected.store import RejectedStore
from services.kit.errors import LostOwnershipError
from services.kit.postgres import Pool
from services.kit.process import Problem, Route, json_response

__all__ = ["MOST_JOBS", "PrintedApi"]

MOST_JOBS: Final = 500  # of one answer: those of a month
MOST_BATCHES: Final = 64  # of one page: each has hundreds of letters at most
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class PrintedApi:
    """The routes and what they need."""

    def __init__(self, pool: Pool, channel: Channel, deciding: Deciding) -> None:
        self._pool, self._store, self._deciding = pool, PrintedStore(channel), deciding
        self._rejected = RejectedStore(channel)

    def routes(self) -> list[Route]:
        """Return the routes, each with the act that it asks for."""
        return [
            Route("GET", "/v1/print-jobs", Act.CHANNELS_SHOWN, self.list_jobs),
            Route("GET", "/v1/print-jobs/{job}/letters", Act.CHANNELS_SHOWN, self.list_letters),
            Route("POST", "/v1/print-jobs/{job}/print-again", Act.PRINTED_AGAIN, self.print_again),
            Route("POST", "/v1/print-jobs/{job}/give-up", Act.PRINT_GIVEN_UP, self.give_up),
        ]

    async def list_jobs(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return how print runs stand, those first that are the latest; all of them where that is asked for."""
        async with self._pool.acquire() as connection:
            lines = await self._store.jobs(connection, MOST_JOBS, every=request.query.get("all") == "true")
            files = await self._store.rejected_files(connection, [line.run for line in lines if line.unprinted])
            decided = await self._rejected.decided_jobs(connection)
        left: dict[str, list[dict[str, Any]]] = {}
        for run, job, letters in files:
            left.setdefault(run, []).append({"batchId": job.hex(), "letters": letters})
        return json_response({"jobs": [_shown(line, left.get(line.run, []), decided.get(line.run)) for line in lines]})

    async def list_letters(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return a page of the letters in a job that were rejected and that nobody decided about."""
        after, job = request.query.get("after", "0"), request.match_info["job"]
        if not _NUMBER.fullmatch(after):
            fault = {"field": "after", "problem": "must be the `next` of another page"}
            raise Problem(400, "That is no page", problems=[fault])
        async with self._pool.acquire() as connection:
            found = await self._store.unprinted_page(connection, job, file_of(job), int(after), MOST_BATCHES)
        following = str(found[-1].number) if len(found) == MOST_BATCHES else None
        return json_response({"letters": [one for batch in found for one in _letters(batch)], "next": following})

    async def print_again(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Have what was rejected of a job printed anew, as attempts of their own."""
        return await self._decide(request, caller, self._deciding.print_again)

    async def give_up(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Have the people of what was rejected of a job told on their next channel."""
        return await self._decide(request, caller, self._deciding.give_up)

    async def _decide(
        self, request: web.Request, caller: Caller, decide: Callable[..., Awaitable[Decision]]
    ) -> web.StreamResponse:
        """Answer what is decided: it is done once all is known that was acknowledged before."""
        even_if_posted, job = request.query.get("evenIfPosted") == "true", request.match_info["job"]
        try:
            found = await decide(job, caller, even_if_posted=even_if_posted)
        except UnknownJobError:
            raise Problem(404, "No print job and no print file is called so", kind="unknown-print-job") from None
        except PostedError:
            detail = "The print house said both that it was posted and that it was rejected: ask there first."
            raise Problem(409, "Its people may be told already", detail, kind="posted") from None
        except LostOwnershipError:
            raise Problem(503, "This process has no part of the work now") from None
        return json_response({"job": job, "letters": found.notices, "waiting": found.waiting}, status=202)


def _shown(line: JobLine, files: list[dict[str, Any]], decided: Waiting | None) -> dict[str, Any]:
    return {
        "job": line.run,
        "day": line.day,
        "handling": HANDLINGS[line.handling],
        "state": line.state,
        "closed": line.closed,
        "files": line.files,
        "letters": line.letters,
        "filesWaiting": line.waiting,
        "waitsSince": line.waits_since.isoformat(timespec="seconds") if line.waits_since else None,
        "filesRejected": line.rejected,
        "reasons": list(line.reasons),
        "contradictory": line.contradictory,
        "unprinted": line.unprinted,
        "unprintedFiles": files,
        "decided": decided.as_json() if decided else None,
    }


def _letters(batch: Batch) -> list[dict[str, Any]]:
    notices, job = batch.notices, batch.print_job.hex() if batch.print_job else None
    since = batch.since.isoformat(timespec="seconds")
    return [
        {"noticeId": notice.hex(), "attempt": attempt, "incidentId": notices.incident_id, "cohortId": cohort}
        | {"batchId": job, "since": since}
        for notice, attempt, cohort in zip(notices.ids, notices.attempts, notices.cohorts, strict=True)
    ]
