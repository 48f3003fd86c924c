"""What `/openapi.json` says. Data; the words of the ledger come from `core.ledger`."""

from typing import Any

from services.core.ledger import NOTHING_DUE, Disposition, HoldReason

__all__ = ["OPENAPI"]


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _answer(description: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _faults(*statuses: int) -> dict[str, Any]:
    return {str(s): _answer("See the problem", _ref("Problem"), "application/problem+json") for s in statuses}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _open(description: str, *, may_fail: bool = False) -> dict[str, Any]:
    """Return a route of every process, which asks for no token."""
    failed = {"503": {"description": "Not now"}} if may_fail else {}
    return {"get": {"responses": {"200": {"description": description}, **failed}, "security": []}}


_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_STANDING = [disposition.value for disposition in Disposition]

_LIST_INCIDENTS = {
    "operationId": "listIncidents",
    "summary": "The incidents that the caller sees: a source those in which it has a cohort",
    "responses": {
        "200": _answer(
            "Incidents, by id",
            _object({"incidents": {"type": "array", "items": _object({"incidentId": _TEXT, "title": _TEXT})}}),
        ),
        **_faults(401, 403),
    },
}
_SHOW_LEDGER = {
    "operationId": "showLedger",
    "summary": "The ledger of an incident",
    "description": "For every cohort declared = missing + received, received = rejected + accepted, and "
    f"accepted = {' + '.join(_STANDING)}. balanced is false once figures have disagreed for two seconds without "
    "moving; such an answer takes that long.",
    "parameters": [{"name": "incidentId", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {"200": _answer("The ledger", _ref("Ledger")), **_faults(401, 403, 404, 503)},
}
_SHOW_PAUSE = {
    "operationId": "showPause",
    "summary": "What had begun when a cohort was paused",
    "description": "Two seconds after the answer to a pause nothing begins any more; what had begun by then is listed "
    "here once each channel of the incident has reported of each partition.",
    "parameters": [
        {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("incidentId", "pauseId")
    ],
    "responses": {"200": _answer("What had begun", _ref("Pause")), **_faults(401, 403, 404, 503)},
}
_SHOW_PAGE = {
    "operationId": "showPage",
    "summary": "The ledgers of all incidents as a page",
    "description": "HTTP Basic with any user name and a token as the password, or the token as bearer.",
    "parameters": [
        {
            "name": "refresh",
            "in": "query",
            "schema": {"type": "string", "enum": ["off"]},
            "description": "off: the page does not renew itself",
        }
    ],
    "security": [{"basic": []}, {"bearer": []}],
    "responses": {"200": _answer("The page", _TEXT, "text/html"), **_faults(401, 403, 503)},
}

_LINE = _object(
    {
        "declared": _COUNT,
        "received": _COUNT,
        "missing": _COUNT | {"description": "declared - received; negative where more came than declared"},
        "rejected": _COUNT,
        "accepted": _COUNT,
        **dict.fromkeys(_STANDING, _COUNT),
        "identityConflicts": _COUNT
        | {"description": "Accepted members, wherever they stand, whose identity is that of somebody else too"},
        "heldReasons": {
            **_object({reason.key: _COUNT for reason in HoldReason}),
            "description": "Held members by what they wait for",
        },
        "toBeTold": _COUNT
        | {
            "description": "Records for which somebody should be told, missing, rejected and held ones included: "
            "declared or received, whichever is more in each cohort, less "
            f"{' and '.join(one.value for one in Disposition if one in NOTHING_DUE)}"
        },
        "told": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "The share of toBeTold that is notified; null where there is nobody to tell",
        },
    }
)
_COHORT = _object(
    {
        "cohortId": _TEXT,
        "source": {"type": ["string", "null"], "description": "null while its opening has not been heard of"},
        "surplus": _YES_NO | {"description": "More records came than were declared"},
        "balanced": _YES_NO,
    }
)
_LEDGER = _object(
    {
        "incidentId": _TEXT,
        "title": _TEXT,
        "balanced": _YES_NO,
        "cohorts": {"type": "array", "items": _ref("Cohort")},
        "totals": _ref("Line"),
    }
)
_PAUSE = _object(
    {
        "incidentId": _TEXT,
        "cohortId": _TEXT,
        "pauseId": _TEXT,
        "complete": _YES_NO | {"description": "Nothing is still to be reported"},
        "waitingFor": {"type": "array", "items": _TEXT, "description": "Channels that have not reported all"},
        "begun": {
            "type": "array",
            "items": _object({"noticeId": _TEXT, "channel": _TEXT, "attempt": _COUNT}),
            "description": "Attempts that may have been handed over after the pause was said",
        },
    }
)
_PROBLEM = _object({"status": _COUNT, "title": _TEXT, "detail": _TEXT, "requestId": _TEXT}, "detail") | {
    "description": "RFC 9457"
}

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Heraut tracking",
        "version": "1.0.0",
        "description": "Where every member of every cohort stands. Holds figures, no persons.",
    },
    "security": [{"bearer": []}],
    "paths": {
        "/v1/incidents": {"get": _LIST_INCIDENTS},
        "/v1/incidents/{incidentId}/ledger": {"get": _SHOW_LEDGER},
        "/v1/incidents/{incidentId}/pauses/{pauseId}": {"get": _SHOW_PAUSE},
        "/": {"get": _SHOW_PAGE},
        "/livez": _open("OK", may_fail=True),
        "/readyz": _open("OK", may_fail=True),
        "/metrics": {"get": {"responses": {"200": {"description": "Prometheus text"}, **_faults(401, 403)}}},
        "/openapi.json": _open("This document"),
    },
    "components": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic"},
        },
        "schemas": {
            "Line": _LINE,
            "Cohort": {"allOf": [_ref("Line"), _COHORT]},
            "Ledger": _LEDGER,
            "Pause": _PAUSE,
            "Problem": _PROBLEM,
        },
    },
}
