"""What intake answers: errors of its use cases as problems, and what a PUT came to; and what a request names."""

import re
from typing import Any, Final

from aiohttp import web

from services.core.access import Caller
from services.core.synthetic import is_synthetic
from services.intake.control.cohorts import Put
from services.intake.errors import (
    BrokenBodyError,
    ChangedMeanwhileError,
    ConflictError,
    MissingTextsError,
    NotFoundError,
    NotPermittedError,
    NotPublishedError,
    ThrottledError,
)
from services.intake.records.fields import FIELD_NAMES
from services.kit.process import GuardedHandler, Problem, json_response
from services.wire.incident_document import InvalidDocument

__all__ = [
    "COLUMNS",
    "NO_RECORDS",
    "answered",
    "broken",
    "cohort_ids_of",
    "incident_id_of",
    "put_document",
    "put_response",
    "version_read",
    "versioned",
]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_VERSION = re.compile(r'"([1-9][0-9]{0,8})"', re.ASCII)  # an entity tag; a weak one never matches here
_AGAIN = "send the same again"  # where the body may arrive better than it did
_MENDED = "mend the file and send it again: what was taken before changes nothing"
_BROKEN: Final = {
    "cut-off": ("the body ended early", _AGAIN),
    "encoding": ("the body is not UTF-8", _MENDED),
    "utf-16": ("the body is UTF-16, or not text: UTF-8 is taken", _MENDED),
    "gzip": ("the body is not whole gzip", "pack the file anew and send it again"),
    "gzip-ratio": ("the body unpacks to more than a hundred times its size", "send it plain"),
    "blank-lines": ("most lines of the body are blank", _MENDED),
    "too-slow": ("the body came too slowly", _AGAIN),
    "unclosed-quote": ("a quote is opened and never closed", _MENDED),
}
COLUMNS: Final = f"Columns are: {', '.join(FIELD_NAMES)}."
_RESERVED: Final = "Heraut sends a synthetic person through it, who is nobody: it takes, shows and does nothing else."
NO_RECORDS: Final = {
    True: "no line is as wide as the header and has a memberRef; nothing was counted",
    False: "NDJSON has one whole record on each line, with a memberRef; nothing was counted",
}


def answered(handler: GuardedHandler) -> GuardedHandler:
    """Return the route that turns what the use cases raise into answers."""

    async def route(request: web.Request, caller: Caller) -> web.StreamResponse:
        try:
            return await handler(request, caller)
        except (NotFoundError, NotPermittedError, ChangedMeanwhileError, ConflictError, ThrottledError) as error:
            raise _refusal(request, error) from None
        except NotPublishedError as error:
            title, after = "Nobody has heard of it yet", {"Retry-After": "1"}
            raise Problem(503, title, str(error), kind="not-heard-yet", headers=after, **error.named) from None
        except MissingTextsError as error:
            title = "Texts are missing that people would read"
            raise Problem(409, title, kind="missing-texts", problems=error.problems) from None
        except InvalidDocument as error:
            title = "The incident document cannot be taken"
            raise Problem(400, title, kind="invalid-document", problems=error.problems) from None

    return route


def _refusal(request: web.Request, error: Exception) -> Problem:
    words = str(error)
    match error:
        case NotFoundError():
            return _unknown(request, words)
        case NotPermittedError():
            return Problem(403, "Not permitted", words)
        case ChangedMeanwhileError():
            return Problem(412, "It was changed meanwhile", words, headers={"ETag": _etag(error.version)})
        case ThrottledError():
            return Problem(429, "Too often", words, headers={"Retry-After": f"{error.after:.0f}"})
    return Problem(409, "That goes against what stands", words)


def _unknown(request: web.Request, what: str) -> Problem:
    """Return the answer to who names what is not there; ids were checked, and tell nothing of a person."""
    names = [name for name in ("cohort_id", "incident_id") if name in request.match_info]
    asked = " of incident ".join(request.match_info[name] for name in names)
    detail = f"Asked for {asked}: there is none, or none that the caller sees."
    return Problem(404, f"The {what} is not known", detail, kind=f"unknown-{what.replace(' ', '-')}")


def broken(error: BrokenBodyError, **report: Any) -> Problem:
    """Return the answer to an upload that broke off, with what was counted before."""
    what, remedy = _BROKEN[error.reason]
    detail = f"{what}; what was read before it is durable; {remedy}"
    about = {"reason": error.reason, "line": error.line, **report}
    return Problem(400, "The upload broke off", detail, kind="upload-broke-off", **about)


def put_document(incident_id: str, put: Put) -> web.Response:
    """Return the answer to who puts or approves an incident document: 202 where that takes somebody else yet."""
    asked = put.asked and {"number": put.asked.number, "askedBy": put.asked.asked_by}
    body = {"incidentId": incident_id, "version": put.version, "changed": put.changed, "asked": asked}
    body |= {"warnings": list(put.warnings), "closed": list(put.closed)}
    response = put_response(body, put, f"/v1/incidents/{incident_id}")
    if asked:
        response.set_status(202)
    return versioned(response, put.version)


def put_response(body: dict[str, Any], put: Put, path: str) -> web.Response:
    """Return the answer to a PUT: 201 with its place where there was nothing before."""
    response = json_response(body, 201 if put.created else 200)
    if put.created:
        response.headers["Location"] = path
    return response


def versioned(response: web.Response, version: int) -> web.Response:
    """Return an answer about a version, with the tag that If-Match takes."""
    response.headers["ETag"] = _etag(version)
    return response


def version_read(request: web.Request) -> int | None:
    """Return the version that a change is based on, by If-Match (RFC 9110, 13.1.1); None = whichever is the newest.

    `*` is any, and -1 what no version is: a tag that is none of ours.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    tag = _VERSION.fullmatch(given.strip())
    return int(tag[1]) if tag else -1


def _etag(version: int) -> str:
    return f'"{version}"'


def incident_id_of(request: web.Request) -> str:
    """Return the incident that a path names. Raises Problem where that is no id."""
    return _checked(incidentId=request.match_info["incident_id"])[0]


def cohort_ids_of(request: web.Request) -> tuple[str, str]:
    """Return the incident and the cohort that a path names. Raises Problem where one is no id."""
    incident_id, cohort_id = request.match_info["incident_id"], request.match_info["cohort_id"]
    _checked(incidentId=incident_id, cohortId=cohort_id)
    return incident_id, cohort_id


def _checked(**ids: str) -> list[str]:
    problems = [
        {"field": name, "problem": "must be 1 to 64 letters, digits, dots, hyphens or underscores"}
        for name, given in ids.items()
        if not _ID.fullmatch(given)
    ]
    if problems:
        raise Problem(400, "That cannot be an id", problems=problems)
    if is_synthetic(ids["incidentId"]):
        raise Problem(403, "The incident is reserved", _RESERVED, kind="reserved")
    return list(ids.values())
