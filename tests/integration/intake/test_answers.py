"""What is answered beside the body: versions, places, and problems that say what to do."""

from typing import Any

import pytest

from services.intake.api import Api
from services.intake.openapi import OPENAPI
from tests.integration.intake.conftest import COHORT, Intake, a_document

LAB = "/v1/incidents/lab"


async def _put(intake: Intake, path: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with intake.session.put(path, json=body, headers=sent) as answer:
        return answer.status, answer.headers, await answer.json(content_type=None)


async def test_who_changes_what_somebody_else_changed_is_told(intake: Intake) -> None:
    """Of two editors who read the same version, the second overwrites nothing: 412, with the newest tag."""
    async with intake.session.get(LAB) as shown:
        tag = shown.headers["ETag"]
    first, changed, _ = await _put(intake, LAB, a_document(title="First"), If_Match=tag)
    second, headers, problem = await _put(intake, LAB, a_document(title="Second"), If_Match=tag)
    _, shown_now = await intake.get(LAB)

    assert ('"1"', 200, '"2"') == (tag, first, changed["ETag"])
    assert (412, '"2"', "urn:heraut:problem:changed-meanwhile") == (second, headers["ETag"], problem["type"])
    assert "First" == shown_now["document"]["title"]


@pytest.mark.parametrize("tag", ["7", 'W/"1"', '"0"', "lab"])
async def test_a_tag_that_is_none_of_ours_matches_nothing(intake: Intake, tag: str) -> None:
    """Neither does it make an incident that is not there."""
    status, _, _ = await _put(intake, "/v1/incidents/new", a_document(), If_Match=tag)

    assert 412 == status


async def test_what_is_new_has_a_place(intake: Intake) -> None:
    """201 comes with Location, once."""
    made = [await _put(intake, "/v1/incidents/new", a_document()) for _ in range(2)]
    cohort = await _put(intake, "/v1/incidents/new/cohorts/a", {"source": "lab"})

    assert [(201, "/v1/incidents/new"), (200, None)] == [(status, head.get("Location")) for status, head, _ in made]
    assert (201, "/v1/incidents/new/cohorts/a") == (cohort[0], cohort[1]["Location"])


@pytest.mark.parametrize(
    ("path", "kind", "named"),
    [
        ("/v1/incidents/leb", "unknown-incident", "leb"),
        ("/v1/incidents/lab/cohorts/wave-9", "unknown-cohort", "wave-9 of incident lab"),
        ("/v1/nothing", "not-found", "nothing here"),
    ],
)
async def test_what_is_not_known_is_named(intake: Intake, path: str, kind: str, named: str) -> None:
    """A problem has a type, a detail and the id of its request, wherever it comes from."""
    status, problem = await intake.get(path)

    assert (404, f"urn:heraut:problem:{kind}") == (status, problem["type"])
    assert named in problem["detail"]
    assert problem["requestId"]


async def test_other_methods_are_listed(intake: Intake) -> None:
    """405 says which methods there are."""
    async with intake.session.delete(LAB) as answer:
        problem = await answer.json(content_type=None)

    assert (405, "GET,HEAD,PUT", "urn:heraut:problem:method-not-allowed") == (
        answer.status,
        answer.headers["Allow"],
        problem["type"],
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"memberRef;bsn\n1;2\n", "Columns are: memberRef, bsn,"),
        ("memberRef,familyName,dataCategories\n1,Daniël,name\n".encode("latin-1"), "mend the file and send it again"),
    ],
)
async def test_what_to_do_about_a_file_is_said(intake: Intake, body: bytes, says: str) -> None:
    """To send the same again is asked only where that can help."""
    status, problem = await intake.upload(body, cohort=COHORT)

    assert 400 == status
    assert says in problem["detail"]
    assert "send the same" not in problem["detail"]


async def test_the_description_is_open_to_tools(intake: Intake) -> None:
    """It is where the API Design Rules (NL GOV) look for it, and pages of any origin may read it."""
    async with intake.session.get("/v1/openapi.json") as answer:
        document = await answer.json()

    assert ("3.1.0", "*") == (document["openapi"], answer.headers["Access-Control-Allow-Origin"])


async def test_what_is_described_is_what_there_is(intake: Intake) -> None:
    """Every route of intake is described, with its method, and nothing else is."""
    names = {"{incident_id}": "{incidentId}", "{cohort_id}": "{cohortId}"}
    routes = {(route.method.lower(), _renamed(route.path, names)) for route in Api(intake.context).routes()}
    described = {
        (method, f"/v1{path}")
        for path, item in OPENAPI["paths"].items()
        if "servers" not in item
        for method in item.keys() - {"parameters"}
    }

    assert described == routes


def _renamed(path: str, names: dict[str, str]) -> str:
    for name, described in names.items():
        path = path.replace(name, described)
    return path
