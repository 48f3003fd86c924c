"""Intake's routes: requests become calls of `control` and `members.upload`, and their errors become answers."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.core.cohort import Cohort, Grant
from services.core.incident import Incident
from services.intake.answers import (
    COLUMNS,
    NO_RECORDS,
    answered,
    broken,
    cohort_ids_of,
    incident_id_of,
    put_document,
    put_response,
    version_read,
    versioned,
)
from services.intake.context import Context
from services.intake.control.changes import cohort_json, read_cohort
from services.intake.control.conflicts import Conflicts
from services.intake.control.control import Control, release_json
from services.intake.control.figures import read_figures
from services.intake.control.four_eyes import read_approval
from services.intake.control.grants import read_release
from services.intake.control.listing import START, Cursor, Listed, as_csv, as_json, read_cursor
from services.intake.control.problems import MOST_RECORDS, Problems
from services.intake.control.withdrawals import read_named
from services.intake.errors import BadHeaderError, BrokenBodyError, NotPermittedError
from services.intake.identities.judgements import read_said, read_unsaid
from services.intake.identities.judging import Judging
from services.intake.identities.settling import Settling, read_settlement
from services.intake.members.slots import UploadPace, UploadSlots
from services.intake.members.upload import Format, Report, Upload, unpacked
from services.intake.store import Answer
from services.kit.process import Problem, Route, json_response, read_json

__all__ = ["Api"]

_KEY = re.compile(r"[\x21-\x7e]{1,255}")  # an Idempotency-Key: signs that every HTTP library passes on unchanged
_CONFLICT = re.compile(r"(?:[0-9a-f]{32})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_IDLE = 60.0  # seconds without a byte after which the sender counts as gone
# What a page of identities lists, with the queries that ask for it alone.
_LISTED = {"ties": {"after", "state"}, "conflicts": {"afterConflict"}, "judgements": {"afterJudgement"}}
_INCIDENT = "/v1/incidents/{incident_id}"
_COHORT = _INCIDENT + "/cohorts/{cohort_id}"

Known = tuple[Incident, Cohort]


class Api:
    """The routes."""

    def __init__(self, context: Context, slots: UploadSlots | None = None) -> None:
        self._context, self._control, self._problems = context, Control(context), Problems(context)
        self._settling, self._judging, self._conflicts = Settling(context), Judging(context), Conflicts(context)
        self._slots = slots or UploadSlots()

    def routes(self) -> list[Route]:
        """Return the routes, each with the act that it asks for."""
        return [
            Route("PUT", _INCIDENT, Act.INCIDENT_PUT, answered(self.put_incident)),
            Route("GET", _INCIDENT, Act.INCIDENT_SHOWN, answered(self.show_incident)),
            Route("POST", _INCIDENT + "/approve", Act.INCIDENT_APPROVED, answered(self.approve_incident)),
            Route("GET", _INCIDENT + "/acts", Act.ACTS_SHOWN, answered(self.show_acts)),
            Route("GET", _INCIDENT + "/identities", Act.IDENTITIES_SHOWN, answered(self.show_identities)),
            Route("POST", _INCIDENT + "/identities", Act.IDENTITY_TIED, answered(self.settle_identity)),
            Route("POST", _INCIDENT + "/pause", Act.INCIDENT_PAUSED, answered(self.pause_incident)),
            Route("POST", _INCIDENT + "/resume", Act.INCIDENT_RESUMED, answered(self.resume_incident)),
            Route("PUT", _COHORT, Act.COHORT_PUT, answered(self.put_cohort)),
            Route("GET", _COHORT, Act.COHORT_SHOWN, answered(self.show_cohort)),
            Route("POST", _COHORT + "/members", Act.MEMBERS_SENT, answered(self.post_members)),
            Route("POST", _COHORT + "/seal", Act.COHORT_SEALED, answered(self.seal)),
            Route("POST", _COHORT + "/release", Act.COHORT_RELEASED, answered(self.release)),
            Route("POST", _COHORT + "/approve", Act.COHORT_APPROVED, answered(self.approve)),
            Route("POST", _COHORT + "/pause", Act.COHORT_PAUSED, answered(self.pause)),
            Route("POST", _COHORT + "/resume", Act.COHORT_RESUMED, answered(self.resume)),
            Route("POST", _COHORT + "/cancel", Act.COHORT_CANCELLED, answered(self.cancel)),
            Route("POST", _COHORT + "/figures", Act.FIGURES_POSTED, answered(self.post_figures)),
            Route("POST", _COHORT + "/withdrawals", Act.RECORD_WITHDRAWN, answered(self.withdraw)),
            Route("GET", _COHORT + "/problems", Act.PROBLEMS_SHOWN, answered(self.show_problems)),
        ]

    async def put_incident(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take an incident document."""
        incident_id = incident_id_of(request)
        document, read = await read_json(request), version_read(request)
        put = await self._control.put_incident(caller, incident_id, document, read)
        return put_document(incident_id, put)

    async def approve_incident(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take the document that somebody else asked for."""
        incident_id = incident_id_of(request)
        number, problems = read_approval(await read_json(request))
        if problems:
            raise Problem(400, "That approves nothing", problems=problems)
        return put_document(incident_id, await self._control.approve_incident(caller, incident_id, number))

    async def show_incident(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return an incident and those of its cohorts that the caller sees."""
        shown = await self._control.show_incident(caller, incident_id_of(request))
        return versioned(json_response(shown), shown["version"])

    async def show_acts(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return who did what to an incident and its cohorts, from the act after `?after=` on."""
        after = request.query.get("after", "0")
        if not _NUMBER.fullmatch(after):
            raise Problem(400, "That is no act", problems=[{"field": "after", "problem": "must be a whole number"}])
        return json_response(await self._control.show_acts(caller, incident_id_of(request), int(after)))

    async def show_identities(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return ties between identities, conflicts (records with one that contradict each other), and judgements.

        `?after=` and `?state=` ask for ties alone, `?afterConflict=` for conflicts alone, `?afterJudgement=` for
        judgements alone. A source sees no ties.
        """
        incident_id, query = incident_id_of(request), request.query
        asked = {name for name, keys in _LISTED.items() if not keys.isdisjoint(query)} or {*_LISTED}
        if caller.principal.is_bound(Act.IDENTITIES_SHOWN):
            if asked == {"ties"}:
                raise NotPermittedError("a source sees conflicts, not ties")
            asked.discard("ties")
        after, conflict = query.get("after", "0"), query.get("afterConflict", "")
        judgement = query.get("afterJudgement", "0")
        for name, number in (("after", after), ("afterJudgement", judgement)):
            if not _NUMBER.fullmatch(number):
                raise Problem(400, "That is no page", problems=[{"field": name, "problem": "must be a whole number"}])
        if not _CONFLICT.fullmatch(conflict):
            problem = {"field": "afterConflict", "problem": "must be the `nextConflict` of another page"}
            raise Problem(400, "That is no conflict", problems=[problem])
        shown: dict[str, Any] = {"incidentId": incident_id}
        if "ties" in asked:
            shown |= await self._settling.show(caller, incident_id, int(after), query.get("state"))
        if asked != {"ties"}:
            past = bytes.fromhex(conflict) if "conflicts" in asked else None
            past_judgement = int(judgement) if "judgements" in asked else None
            shown |= await self._conflicts.page(caller, incident_id, past, past_judgement)
        return json_response(shown)

    async def settle_identity(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Make, undo or refuse a tie; or say whose records are that contradict each other, or say that no more."""
        incident_id, body = incident_id_of(request), await read_json(request)
        action = body.get("action") if isinstance(body, dict) else None
        if action == "settle":
            judged, problems = read_said(body)
            if judged is None:
                raise Problem(400, "That settles no conflict", problems=problems)
            return json_response(await self._judging.settle(caller, incident_id, judged))
        if action == "unsettle":
            number, problems = read_unsaid(body)
            if problems:
                raise Problem(400, "That undoes nothing", problems=problems)
            return json_response(await self._judging.unsettle(caller, incident_id, number))
        said, problems = read_settlement(body)
        if problems:
            raise Problem(400, "That settles no tie", problems=problems)
        return json_response(await self._settling.settle(caller, incident_id, said))

    async def put_cohort(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Open a cohort, or change what its source says of it."""
        ids = cohort_ids_of(request)
        wanted, problems = read_cohort(await read_json(request))
        if problems:
            raise Problem(400, "The cohort cannot be taken", problems=problems)
        put = await self._control.put_cohort(caller, *ids, wanted)
        shown = await self._control.show_cohort(caller, *ids)
        body = {**shown, "changed": put.changed}
        return put_response(body, put, "/v1/incidents/{}/cohorts/{}".format(*ids))

    async def show_cohort(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return a cohort and what was counted of it."""
        return json_response(await self._control.show_cohort(caller, *cohort_ids_of(request)))

    async def seal(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Close a cohort for new members."""
        return json_response(cohort_json(await self._control.seal(caller, *cohort_ids_of(request))))

    async def release(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Let so much of a cohort go; 202 where somebody else has to approve that."""
        row = await self._control.release(caller, *cohort_ids_of(request), await _grant(request))
        return json_response(release_json(row), 202 if row.waits else 200)

    async def approve(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Let go what somebody else asked for; a body with something in it says what that is."""
        given = request.can_read_body and await read_json(request) != {}
        grant = await _grant(request) if given else None
        return json_response(release_json(await self._control.approve(caller, *cohort_ids_of(request), grant)))

    async def pause(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Stop all notices that name a cohort's facts; within two seconds nothing of them begins any more."""
        return json_response(release_json(await self._control.pause(caller, *cohort_ids_of(request))), 202)

    async def resume(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """End a cohort's pause."""
        return json_response(release_json(await self._control.resume(caller, *cohort_ids_of(request))))

    async def cancel(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take a whole cohort back, for good."""
        return json_response(release_json(await self._control.cancel(caller, *cohort_ids_of(request))))

    async def pause_incident(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Pause all cohorts of an incident; within two seconds nothing of it begins any more."""
        return json_response((await self._control.pause_incident(caller, incident_id_of(request))).as_json(), 202)

    async def resume_incident(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """End an incident's pause."""
        return json_response((await self._control.resume_incident(caller, incident_id_of(request))).as_json())

    async def post_figures(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take figures that people counted of a cohort."""
        ids = cohort_ids_of(request)
        said, problems = read_figures(await read_json(request))
        if problems:
            raise Problem(400, "The figures cannot be taken", problems=problems)
        return json_response(cohort_json(await self._control.post_figures(caller, *ids, said)))

    async def withdraw(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take one record of a cohort back."""
        ids = cohort_ids_of(request)
        named, problems = read_named(await read_json(request))
        if problems:
            raise Problem(400, "That names no record", problems=problems)
        return json_response(await self._control.withdraw(caller, *ids, named))

    async def show_problems(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return who of a cohort is rejected, held or told apart: a page as JSON, or all of them as CSV."""
        ids = cohort_ids_of(request)
        cursor, limit = _page(request)
        if _wants_csv(request):
            pages = self._problems.pages(caller, *ids)
            first = await anext(pages)
            return web.Response(body=_csv_pieces(first, pages), content_type="text/csv", charset="utf-8")
        page = await self._problems.page(caller, *ids, cursor, limit)
        following = None if page.following is None else str(page.following)
        named = {"incidentId": ids[0], "cohortId": ids[1]}
        return json_response({**named, "problems": as_json(page.problems), "next": following})

    async def post_members(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Take members of a cohort: a body of any length, read as it arrives."""
        ids, body_format = cohort_ids_of(request), _format(request)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise Problem(400, "The Idempotency-Key must be 1 to 255 visible ASCII characters")
        known = await self._control.find_cohort(caller, *ids)
        async with self._slots.taken(caller.principal.name):
            with self._context.metrics.open_uploads.track_inprogress(), self._context.metrics.upload_seconds.time():
                body = unpacked(_pieces(request, self._context.clock), gzip=body_format.gzip)
                if key is None:
                    return _accepted(await self._upload(caller, known, body_format, body))
                return await self._upload_once(caller, known, body_format, body, key)

    async def _upload_once(
        self, caller: Caller, known: Known, body_format: Format, body: AsyncIterator[bytes], key: str
    ) -> web.StreamResponse:
        """Take an upload whose answer is remembered by its key and by its content, compression aside."""
        fingerprints = self._context.hashes.of(known[0]).fingerprints
        named = fingerprints.line(f"{known[1].incident_id}/{known[1].cohort_id}", key.encode())
        digest = fingerprints.body()
        digest.update(b"csv" if body_format.csv else b"ndjson")

        async def hashed() -> AsyncIterator[bytes]:
            async for piece in body:
                digest.update(piece)
                yield piece

        answer = await self._find_answer(named)
        if answer is None:
            report = await self._upload(caller, known, body_format, hashed())
            response = _accepted(report)
            answer = Answer(digest.digest(), response.status, bytes(response.body))  # type: ignore[arg-type]
            async with self._context.pool.acquire() as connection:
                if await self._context.store.keep_answer(connection, named, answer, self._context.clock.now()):
                    return response
            answer = await self._find_answer(named)  # the same key came twice at the same time
        else:
            await self._read_again(hashed())
        if answer is None or answer.body != digest.digest():
            detail = "The answer to its first body is kept; another body needs another key."
            raise Problem(409, "This Idempotency-Key was used with another body", detail, kind="key-used")
        return web.Response(status=answer.status, body=answer.answer, content_type="application/json")

    async def _find_answer(self, key: bytes) -> Answer | None:
        async with self._context.pool.acquire() as connection:
            return await self._context.store.find_answer(connection, key)

    async def _read_again(self, body: AsyncIterator[bytes]) -> None:
        """Read a body that was taken already, for its digest alone."""
        try:
            async for _ in body:
                await asyncio.sleep(0)  # other requests get their turn
        except BrokenBodyError as error:
            raise self._broken(error) from None

    def _broken(self, error: BrokenBodyError, **report: Any) -> Problem:
        self._context.metrics.broken_uploads.labels(error.reason).inc()
        return broken(error, **report)

    async def _upload(self, caller: Caller, known: Known, body_format: Format, body: AsyncIterator[bytes]) -> Report:
        upload = Upload(*known, body_format, self._context, caller)
        try:
            report = await upload.run(body)
        except BrokenBodyError as error:
            report = upload.report
            raise self._broken(error, lastDurableLine=report.last_line, **report.as_json()) from None
        except BadHeaderError as error:
            raise Problem(
                400, "The header row cannot be used", COLUMNS, kind="unusable-header", problems=error.problems
            ) from None
        if report.unreadable and not (report.accepted or report.rejected):
            raise Problem(
                400, "No line can be read", NO_RECORDS[body_format.csv], kind="no-records", **report.as_json()
            )
        if report.refused and not report.accepted:
            detail = "It takes corrections while it is not cancelled, and nobody new."
            raise Problem(409, "The cohort is closed", detail, kind="cohort-closed", **report.as_json())
        return report


def _accepted(report: Report) -> web.Response:
    return json_response(report.as_json(), 202)


async def _grant(request: web.Request) -> Grant:
    grant, problems = read_release(await read_json(request))
    if problems:
        raise Problem(400, "The cohort cannot be released like this", problems=problems)
    return grant


def _format(request: web.Request) -> Format:
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    kinds = {"text/csv": True, "application/x-ndjson": False}
    if request.content_type not in kinds or encoding not in {"gzip", "identity"}:
        raise Problem(415, "Members come as text/csv or application/x-ndjson, plain or with gzip")
    charset = (request.charset or "utf-8").lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(415, "Members come as UTF-8")
    return Format(csv=kinds[request.content_type], gzip=encoding == "gzip")


def _page(request: web.Request) -> tuple[Cursor, int]:
    """Return where a page of problems begins, and how many records it has."""
    cursor = read_cursor(after) if (after := request.query.get("after")) is not None else START
    limit = request.query.get("limit", str(MOST_RECORDS))
    problems = [] if cursor else [{"field": "after", "problem": "must be the `next` of another page"}]
    if not (_NUMBER.fullmatch(limit) and 0 < int(limit) <= MOST_RECORDS):
        problems.append({"field": "limit", "problem": f"must be a whole number from 1 to {MOST_RECORDS}"})
    if cursor is None or problems:
        raise Problem(400, "That is no page", problems=problems)
    return cursor, int(limit)


def _wants_csv(request: web.Request) -> bool:
    """Tell whether the answer is to be CSV: by `?format=`, else by Accept."""
    wanted = request.query.get("format")
    if wanted not in {None, "csv", "json"}:
        raise Problem(400, "That is no format", problems=[{"field": "format", "problem": "must be csv or json"}])
    return wanted == "csv" or (wanted is None and "text/csv" in request.headers.get("Accept", "").lower())


async def _csv_pieces(first: list[Listed], pages: AsyncIterator[list[Listed]]) -> AsyncIterator[bytes]:
    yield as_csv(first, header=True).encode()
    async for problems in pages:
        yield as_csv(problems, header=False).encode()


async def _pieces(request: web.Request, clock: Clock) -> AsyncIterator[bytes]:
    """Return the body as it arrives. Raises BrokenBodyError unless its length or its last chunk proves its end."""
    pace = UploadPace()
    try:
        while True:
            asked_at = clock.monotonic()
            async with asyncio.timeout(_IDLE):
                piece = await request.content.readany()
            if not piece:
                return
            pace.came(len(piece), clock.monotonic() - asked_at)
            yield piece
    except (TimeoutError, ConnectionError, ClientError, HttpProcessingError):
        raise BrokenBodyError("cut-off") from None
