"""What `/openapi.json` says of cohorts, releases and conflicts. Data."""

from typing import Any, Final

from services.core.unsettled import ProblemKind

__all__ = ["CONFLICTS", "SHAPES"]

_SOME = {"type": "integer", "minimum": 1}
_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_MAYBE_TEXT, _MAYBE_COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}

SHAPES: Final[dict[str, Any]] = {
    "Cohort": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("incidentId", "cohortId", "source", "changedAt"), _TEXT),
            **dict.fromkeys(("version", "received", "rejected", "accepted", "discarded"), _COUNT),
            **dict.fromkeys(("autoRelease", "sealed", "released", "cancelled", "paused"), _YES_NO),
            "declared": _MAYBE_COUNT,
            "pauseId": _MAYBE_TEXT | {"description": "The pause that holds now"},
            "canary": _MAYBE_COUNT | {"description": "The release lets go at most so many notices in all"},
            "perDay": _MAYBE_COUNT | {"description": "The release lets go at most so many notices a day"},
            "releaseAskedBy": _MAYBE_TEXT | {"description": "Who asked for a release that takes two principals"},
            "releaseApprovedBy": _MAYBE_TEXT,
            "releaseAsked": {
                "description": "The release that waits for somebody else's approval, null where none does",
                "oneOf": [{"$ref": "#/components/schemas/Release"}, {"type": "null"}],
            },
        },
    },
    "Release": {
        "type": "object",
        "description": "One of the three; numbers of persons' notices. A day is a calendar day in the Netherlands",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {"all": {"const": True}, "canary": _SOME, "perDay": _SOME},
    },
}

CONFLICTS: Final[dict[str, Any]] = {
    "nextConflict": _MAYBE_TEXT | {"description": "Ask again, as afterConflict; null: that was all"},
    "conflicts": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "conflict": _TEXT,
                "others": _COUNT | {"description": "Records that are not shown: of other sources, or more than a few"},
                "records": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            **dict.fromkeys(("cohortId", "source", "reason", "since"), _TEXT),
                            "record": _TEXT | {"description": "The id of the member: a keyed hash"},
                            "kind": {"enum": [ProblemKind.HELD.value, ProblemKind.CONFLICTING.value]},
                            "memberRef": _MAYBE_TEXT | {"description": "Whole, as the source sent it"},
                            "line": _MAYBE_COUNT,
                            "fields": {"type": "array", "items": _TEXT},
                        },
                    },
                },
            },
        },
    },
}
