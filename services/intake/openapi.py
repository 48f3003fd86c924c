"""The document that `/openapi.json` shows. Data.

Member records in it follow from `records.fields`, the incident document from `wire.incident_schema`.
"""

from typing import Any

from services.core.unsettled import ProblemKind
from services.intake.control.listing import CURSOR_FORM
from services.intake.control.shapes import ASKED_CHANGE, CONFLICTS, SHAPES
from services.intake.domain import Severity
from services.intake.identities.shapes import JUDGEMENTS, SETTLING, TIE_STATE
from services.intake.records.schema import MEMBER_SCHEMA
from services.kit.process import answer, described, faults, ref
from services.wire.incident_schema import INCIDENT_SCHEMAS

__all__ = ["OPENAPI"]


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ref(f"schemas/{schema}")}}}


_JSON = "application/json"
_INCIDENT = [ref("parameters/incidentId")]
_COHORT = [*_INCIDENT, ref("parameters/cohortId")]
_PATH_ID = {
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
}
_TIME = {"type": "string", "format": "date-time"}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_PAGE = {"type": "string", "pattern": f"^{CURSOR_FORM}$"}
_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_MAYBE_TEXT, _MAYBE_COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}

_PATHS: dict[str, Any] = {
    "/incidents/{incidentId}": {
        "parameters": _INCIDENT,
        "put": {
            "operationId": "putIncident",
            "summary": "Make an incident known, or change it: the same document again changes nothing",
            "requestBody": _body("IncidentRequest"),
            "parameters": [ref("parameters/If-Match")],
            "responses": {
                "200": answer("It stands", ref("schemas/IncidentPut"), _JSON, "ETag"),
                "201": answer("It is new", ref("schemas/IncidentPut"), _JSON, "ETag", "Location"),
                "202": answer("It waits for somebody else's approval", ref("schemas/IncidentPut"), _JSON, "ETag"),
                **faults(400, 408, 409, 412, 413, 415, 429, 503),
            },
        },
        "get": {
            "operationId": "showIncident",
            "summary": "An incident and its cohorts",
            "responses": {
                "200": answer("As it stands", ref("schemas/Incident"), _JSON, "ETag"),
                **faults(400, 404, 503),
            },
        },
    },
    "/incidents/{incidentId}/approve": {
        "parameters": _INCIDENT,
        "post": {
            "operationId": "approveIncident",
            "summary": "Let a change of the document hold that somebody else asked for",
            "requestBody": _body("IncidentApproval"),
            "responses": {
                "200": answer("It stands", ref("schemas/IncidentPut"), _JSON, "ETag"),
                **faults(400, 404, 408, 409, 413, 415, 429, 503),
            },
        },
    },
    "/incidents/{incidentId}/acts": {
        "parameters": _INCIDENT,
        "get": {
            "operationId": "listActs",
            "summary": "Who did what to an incident and its cohorts, from the oldest act",
            "parameters": [{"in": "query", "name": "after", "schema": _NUMBER}],
            "responses": {"200": answer("A page of acts", ref("schemas/Acts")), **faults(400, 404, 503)},
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}": {
        "parameters": _COHORT,
        "put": {
            "operationId": "putCohort",
            "summary": "Open a cohort, or change what its source says of it",
            "requestBody": _body("CohortRequest"),
            "responses": {
                "200": answer("It stands", ref("schemas/Cohort")),
                "201": answer("It is open", ref("schemas/Cohort"), _JSON, "Location"),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
        "get": {
            "operationId": "showCohort",
            "summary": "A cohort and what was counted of it",
            "responses": {"200": answer("As it stands", ref("schemas/Cohort")), **faults(400, 404, 503)},
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/members": {
        "parameters": _COHORT,
        "post": {
            "operationId": "postMembers",
            "summary": "Take members; answered once they are durable",
            "parameters": [
                {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"}},
                {"in": "header", "name": "Content-Encoding", "schema": {"enum": ["gzip", "identity"]}},
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/x-ndjson": {"schema": ref("schemas/Member")},
                },
            },
            "responses": {
                "202": answer("Taken", ref("schemas/UploadReport")),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/seal": {
        "parameters": _COHORT,
        "post": {
            "operationId": "sealCohort",
            "summary": "Close a cohort for new members; corrections are still taken",
            "responses": {"200": answer("It is sealed", ref("schemas/Cohort")), **faults(400, 404, 409, 503)},
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/release": {
        "parameters": _COHORT,
        "post": {
            "operationId": "releaseCohort",
            "summary": "Let the notices of a cohort go",
            "requestBody": _body("Release"),
            "responses": {
                "200": answer("It is released", ref("schemas/Cohort")),
                "202": answer("It is asked for, and waits for somebody else's approval", ref("schemas/Cohort")),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/approve": {
        "parameters": _COHORT,
        "post": {
            "operationId": "approveRelease",
            "summary": "Let the notices of a cohort go that somebody else asked for; a body says what that is",
            "requestBody": {**_body("Release"), "required": False},
            "responses": {
                "200": answer("It is released", ref("schemas/Cohort")),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/pause": {
        "parameters": _COHORT,
        "post": {
            "operationId": "pauseCohort",
            "summary": "Stop every notice that names a fact of the cohort; repeated, it is the same pause",
            "responses": {
                "202": answer("It is paused, under its pauseId", ref("schemas/Cohort")),
                **faults(400, 404, 409, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/resume": {
        "parameters": _COHORT,
        "post": {
            "operationId": "resumeCohort",
            "summary": "End a pause, after all that was acknowledged before; of a cohort that is not paused, nothing",
            "responses": {
                "200": answer("It goes on, as far as it is released", ref("schemas/Cohort")),
                **faults(400, 404, 409, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/cancel": {
        "parameters": _COHORT,
        "post": {
            "operationId": "cancelCohort",
            "summary": "Take a whole cohort back, for good: whoever was not told by it counts as withdrawn",
            "responses": {"200": answer("It is cancelled", ref("schemas/Cohort")), **faults(400, 404, 503)},
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/figures": {
        "parameters": _COHORT,
        "post": {
            "operationId": "postFigures",
            "summary": "Say how many complaints, bounces and returned letters there are in all, for the stop rules",
            "requestBody": _body("Figures"),
            "responses": {
                "200": answer("They stand", ref("schemas/Cohort")),
                **faults(400, 404, 408, 413, 415, 503),
            },
        },
    },
    "/incidents/{incidentId}/pause": {
        "parameters": _INCIDENT,
        "post": {
            "operationId": "pauseIncident",
            "summary": "Pause all cohorts, also those that are opened until the incident is resumed",
            "responses": {"202": answer("They are paused", ref("schemas/IncidentPause")), **faults(400, 404, 503)},
        },
    },
    "/incidents/{incidentId}/resume": {
        "parameters": _INCIDENT,
        "post": {
            "operationId": "resumeIncident",
            "summary": "End that; cohorts that somebody, or a stop rule, paused by themselves stay so",
            "responses": {"200": answer("It goes on", ref("schemas/IncidentPause")), **faults(400, 404, 503)},
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/problems": {
        "parameters": _COHORT,
        "get": {
            "operationId": "listProblems",
            "summary": "Whose records are rejected, held, or told apart from others, and why; for their source",
            "parameters": [
                {"in": "query", "name": "format", "schema": {"enum": ["json", "csv"]}},
                {"in": "query", "name": "after", "schema": _PAGE, "description": "`next` of the page before"},
                {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
            ],
            "responses": {
                "200": {
                    **answer("A page as JSON, or all of them as CSV"),
                    "content": {_JSON: {"schema": ref("schemas/Problems")}, "text/csv": {"schema": _TEXT}},
                },
                **faults(400, 404, 503),
            },
        },
    },
    "/incidents/{incidentId}/cohorts/{cohortId}/withdrawals": {
        "parameters": _COHORT,
        "post": {
            "operationId": "withdrawRecord",
            "summary": "Take one record back; a later upload of it brings it back",
            "requestBody": _body("Withdrawal"),
            "responses": {
                "200": answer("It is withdrawn", ref("schemas/Withdrawn")),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
    },
    "/incidents/{incidentId}/identities": {
        "parameters": _INCIDENT,
        "get": {
            "operationId": "listIdentities",
            "summary": "Ties: pairs that are, or may be, one person. Conflicts: records that contradict each other. "
            "Judgements: what operators said of records",
            "parameters": [
                {"name": "after", "in": "query", "schema": _NUMBER},
                {"name": "state", "in": "query", "schema": TIE_STATE},
                {"name": "afterConflict", "in": "query", "schema": {"type": "string", "pattern": "^([0-9a-f]{32})?$"}},
                {"name": "afterJudgement", "in": "query", "schema": _NUMBER},
            ],
            "responses": {
                "200": answer("A page of each, or of one", ref("schemas/Identities")),
                **faults(400, 404, 409, 503),
            },
        },
        "post": {
            "operationId": "settleTie",
            "summary": "Say that a listed pair is one person, or is not; or whose records are, and undo that",
            "requestBody": _body("Settlement"),
            "responses": {
                "200": answer("It stands", {"oneOf": [ref("schemas/Settled"), ref("schemas/Judgement")]}),
                **faults(400, 404, 408, 409, 413, 415, 503),
            },
        },
    },
}

_SCHEMAS: dict[str, Any] = {
    **INCIDENT_SCHEMAS,
    "Incident": {
        "type": "object",
        "required": ["incidentId", "version", "changedAt", "document", "policy", "cohorts"],
        "properties": {
            "incidentId": _TEXT,
            "version": _COUNT,
            "changedAt": _TIME,
            **ASKED_CHANGE,
            "document": ref("schemas/IncidentDocument"),
            "policy": ref("schemas/Policy"),
            "cohorts": {"type": "array", "items": ref("schemas/Cohort")},
        },
    },
    **SHAPES,
    "Problems": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("incidentId", "cohortId"), _TEXT),
            "next": _MAYBE_TEXT | {"description": "Ask again, after this; null: there are no more"},
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "kind": {"enum": [kind.value for kind in ProblemKind]},
                        "memberRef": _MAYBE_TEXT | {"description": "Whole, as the source sent it"},
                        "line": {"type": ["integer", "null"], "description": "Of the upload that said this last"},
                        "reason": _TEXT,
                        "fields": {"type": "array", "items": _TEXT},
                        "since": _TEXT,
                    },
                },
            },
        },
    },
    "Identities": {
        "type": "object",
        "properties": {
            "incidentId": _TEXT,
            **CONFLICTS,
            **JUDGEMENTS,
            "next": {"type": ["integer", "null"], "description": "Ask again, after this number; null: that was all"},
            "ties": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "tie": _COUNT,
                        "state": TIE_STATE,
                        "fields": {"type": "array", "items": _TEXT, "description": "Those that agree"},
                        "record": _TEXT | {"description": "The id of the member that showed it: a keyed hash"},
                        "decidedBy": _TEXT | {"description": "`rule`, or an operator"},
                        **dict.fromkeys(("cohortId", "source", "decidedAt"), _TEXT),
                    },
                },
            },
        },
    },
    **SETTLING,
    "Member": MEMBER_SCHEMA,
    "UploadReport": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("received", "accepted", "rejected", "unreadable", "warnings"), _COUNT),
            "problemsTruncated": _YES_NO,
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "line": _COUNT,
                        "problem": _TEXT,
                        **dict.fromkeys(("memberRef", "field"), _MAYBE_TEXT),
                        "severity": {"enum": [severity.value for severity in Severity]},
                    },
                },
            },
        },
    },
    "Acts": {
        "type": "object",
        "properties": {
            "incidentId": _TEXT,
            "more": _YES_NO | {"description": "Ask again, after the last number"},
            "acts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "at": _TIME,
                        **dict.fromkeys(("principal", "act", "requestId"), _TEXT),
                        "number": _COUNT,
                        "cohortId": _MAYBE_TEXT,
                        "version": _MAYBE_COUNT,
                        "detail": {"type": ["object", "null"], "description": "What was asked for, or why"},
                    },
                },
            },
        },
    },
}

OPENAPI: dict[str, Any] = described(
    "Heraut intake",
    "Takes in what happened (incidents), whom it hit (cohorts and members), and when they may be told (releases).",
    _PATHS,
    _SCHEMAS,
    parameters={name: {"name": name, **_PATH_ID} for name in ("incidentId", "cohortId")}
    | {
        "If-Match": {
            "in": "header",
            "name": "If-Match",
            "schema": _TEXT,
            "description": "ETag of the version that was read: 412 where it is no longer the newest",
        }
    },
)
