"""The JSON Schema of the incident document and its parser say the same."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from services.core.policy import Policy, in_words
from services.demo.made_up.incident import made_up_incident
from services.wire.incident_document import InvalidDocument, parse_incident
from services.wire.incident_schema import INCIDENT_SCHEMAS

SCHEMA = {"$ref": "#/components/schemas/IncidentDocument", "components": {"schemas": INCIDENT_SCHEMAS}}
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker(()))
ODD: list[Any] = [None, 5, 0, -1, True, "", " ", "x", [], {}, ["x"], {"x": "y"}, {"nl": "x", "en": "y"}, {"nl": 5}]
# What a schema cannot say: what another field decides, lists of words that lie elsewhere, and forms of texts.
BEYOND = (
    "awareAt", "occurredAt", "controller.email", "languages", "title", "content.", "variants", "dataCategories",
    "policy",
)  # fmt: skip


def whole() -> dict[str, Any]:
    """Return a document that has every field."""
    document = made_up_incident(datetime(2025, 7, 6, tzinfo=UTC)) | {"policy": in_words(Policy())}
    document["policy"]["pace"] = {
        "perDay": 5,
        "perChannel": {"letter": 3},
        "callCentre": {"callsPerDay": 9, "shareOfCallers": 0.1},
    }
    document["policy"]["cascade"] = [{"when": "unread", "afterDays": 14}]
    del document["dataCategories"][1:], document["variants"][1:]
    document["exceptions"] = [{"rule": "a", "field": "title", "reason": "so"}]
    document["variants"].append(
        {"when": {"group": "staff", "language": "nl"}, "title": "x", "content": {"nature": "y"}}
    )
    return document


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path of everything in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return the whole document with another value in one place; `...` takes it away."""
    document = whole()
    at: Any = document
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def is_taken(document: Any) -> bool:
    """Tell whether the parser takes a document."""
    try:
        parse_incident("lab", 1, document)
    except InvalidDocument:
        return False
    return True


@cache
def verdicts() -> list[tuple[str, Any, bool, bool]]:
    """Return of each variation where and what it is, whether the parser takes it, and whether the schema does."""
    return [
        (".".join(map(str, path)), value, is_taken(document), VALIDATOR.is_valid(document))
        for path, value, document in variations()
    ]


def variations() -> Iterator[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    """Return documents that differ from the whole one in a single place."""
    for path in places(whole()):
        for value in [..., *ODD]:
            yield path, value, changed(path, value)
    for path in [(), *places(whole())]:
        at: Any = whole()
        for key in path:
            at = at[key]
        if isinstance(at, dict):
            yield (*path, "surprise"), "x", changed((*path, "surprise"), "x")


def test_the_whole_document_is_valid_in_both() -> None:
    """What each field is allowed to hold is found in one document."""
    assert (True, True) == (is_taken(whole()), VALIDATOR.is_valid(whole()))


def test_the_schema_refuses_nothing_that_is_taken() -> None:
    """Who checks with the schema first is never told that a good document is bad."""
    wrong = [(path, value) for path, value, taken, valid in verdicts() if taken and not valid]

    assert [] == wrong


def test_the_schema_lets_through_only_what_it_cannot_say() -> None:
    """A field of another kind, a field too many and one too few are found without a server."""
    let_through = [path for path, _, taken, valid in verdicts() if valid and not taken and not path.startswith(BEYOND)]

    assert [] == let_through


@pytest.mark.parametrize("part", ["controller", "dataCategories"])
def test_field_of_a_part_that_is_mistyped_is_told(part: str) -> None:
    """Who writes `phonenumber` for `phone-abroad` is told, as for a field of the document itself."""
    document = whole()
    target = document[part] if isinstance(document[part], dict) else document[part][0]
    target["phonenumber"] = "1"

    with pytest.raises(InvalidDocument) as caught:
        parse_incident("lab", 1, document)

    assert caught.value.problems[0]["field"].endswith("phonenumber")


def test_the_schema_is_json() -> None:
    """It can be published as it is."""
    assert orjson.loads(orjson.dumps(INCIDENT_SCHEMAS)) == INCIDENT_SCHEMAS
