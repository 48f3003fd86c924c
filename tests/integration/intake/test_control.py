"""Incidents and cohorts, from the request to the rows and blocks."""

from typing import Any

import pytest

from services.wire.incident_document import normal_form
from tests.integration.intake.conftest import COHORT, Intake, a_document

INCIDENT = "/v1/incidents/lab"
LABEL = {"nl": "tekst", "en": "text"}


async def test_same_document_again_changes_nothing(intake: Intake) -> None:
    """A repeated document keeps its version, whatever the order of its keys; no block is written."""
    blocks = len(await intake.changes())
    document = dict(reversed(a_document().items()))

    assert (200, {"incidentId": "lab", "version": 1, "changed": False}) == await intake.put(INCIDENT, document)
    assert blocks == len(await intake.changes())


async def test_changed_document_is_the_next_version(intake: Intake) -> None:
    """A changed document gets the next version, and every room hears of it."""
    document = a_document(title="Other")
    status, answer = await intake.put(INCIDENT, document)
    change = (await intake.changes())[-1].incidents[0]

    assert (200, 2, True) == (status, answer["version"], answer["changed"])
    assert ("lab", 2, normal_form(document)) == (change.incident_id, change.version, change.document)


async def test_data_categories_only_grow(intake: Intake) -> None:
    """A code may be added at the end; one lost or moved is a conflict."""
    codes = [{"code": code, "label": LABEL} for code in ("name", "bsn", "medical", "address")]
    grown, _ = await intake.put(INCIDENT, a_document(dataCategories=codes))
    lost, _ = await intake.put(INCIDENT, a_document(dataCategories=codes[:3]))
    moved, _ = await intake.put(INCIDENT, a_document(dataCategories=[codes[1], codes[0], *codes[2:]]))

    assert (200, 409, 409) == (grown, lost, moved)


async def test_bad_document_tells_all_faults(intake: Intake) -> None:
    """Everything that is wrong with a document is told at once, and nothing is kept."""
    status, answer = await intake.put("/v1/incidents/new", a_document(title="", channels=["pigeon"]))

    assert (400, {"title", "channels[0]"}) == (status, {problem["field"] for problem in answer["problems"]})
    assert 404 == (await intake.get("/v1/incidents/new"))[0]


async def test_cohort_is_opened_once(intake: Intake) -> None:
    """A repeated cohort changes nothing; what changes is its next version."""
    same, shown = await intake.put(COHORT, {"source": "lab", "declaredCount": 3})
    changed, other = await intake.put(COHORT, {"source": "lab", "declaredCount": 4, "autoRelease": True})
    change = (await intake.changes())[-1].cohorts[0]

    assert (200, 1, False) == (same, shown["version"], shown["changed"])
    assert (200, 2, True) == (changed, other["version"], other["changed"])
    assert (2, 4, True, False, False) == (
        change.version,
        change.declared,
        change.auto_release,
        change.sealed,
        change.released,
    )


async def test_cohort_of_another_source_is_a_conflict(intake: Intake) -> None:
    """A cohort id belongs to the source that opened it."""
    assert 409 == (await intake.put(COHORT, {"source": "other", "declaredCount": 3}))[0]


async def test_declared_count_stands_after_sealing(intake: Intake) -> None:
    """A sealed cohort keeps what was declared; saying the same again is fine."""
    await intake.post(f"{COHORT}/seal")

    assert 409 == (await intake.put(COHORT, {"source": "lab", "declaredCount": 4}))[0]
    assert 200 == (await intake.put(COHORT, {"source": "lab", "declaredCount": 3}))[0]


async def test_seal_and_release_are_told_once(intake: Intake) -> None:
    """Sealing and releasing give one version each, however often they are asked for."""
    for _ in range(2):
        await intake.post(f"{COHORT}/seal")
        status, answer = await intake.post(f"{COHORT}/release", {"all": True})

    assert (200, 3, True, True) == (status, answer["version"], answer["sealed"], answer["released"])
    assert [1, 2, 3] == [cohort.version for block in await intake.changes() for cohort in block.cohorts]


@pytest.mark.parametrize("body", [{}, {"all": False}, {"canary": 10}, {"perDay": 100}, {"all": True, "canary": 1}, []])
async def test_release_that_is_not_whole_is_refused(intake: Intake, body: Any) -> None:
    """Only a whole release is taken; nothing else is quietly made into one."""
    assert 400 == (await intake.post(f"{COHORT}/release", body))[0]
    assert not (await intake.get(COHORT))[1]["released"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/incidents/none/cohorts/wave-1", {"source": "lab"}),
        ("POST", "/v1/incidents/lab/cohorts/none/seal", None),
        ("POST", "/v1/incidents/lab/cohorts/none/release", {"all": True}),
        ("GET", "/v1/incidents/lab/cohorts/none", None),
        ("GET", "/v1/incidents/none", None),
    ],
)
async def test_unknown_is_not_found(intake: Intake, method: str, path: str, body: Any) -> None:
    """What is not known is 404, as a problem."""
    async with intake.session.request(method, path, json=body) as response:
        assert (404, "application/problem+json") == (response.status, response.content_type)


async def test_members_of_unknown_cohorts_are_not_found(intake: Intake) -> None:
    """Members of an unknown cohort or incident are 404, with nothing taken."""
    for cohort in ("/v1/incidents/lab/cohorts/none", "/v1/incidents/none/cohorts/wave-1"):
        assert 404 == (await intake.upload("memberRef,dataCategories\n", cohort=cohort))[0]


async def test_odd_ids_and_bodies_are_bad_requests(intake: Intake) -> None:
    """An id that cannot be one, and a cohort that says nothing right, are 400 with all faults."""
    status, answer = await intake.put("/v1/incidents/lab/cohorts/a%20b", {"source": "lab"})
    _, faults = await intake.put(COHORT, {"source": "", "declaredCount": -1, "autoRelease": "yes", "x": 1})

    assert (400, "cohortId") == (status, answer["problems"][0]["field"])
    assert {"source", "declaredCount", "autoRelease", "x"} == {problem["field"] for problem in faults["problems"]}


async def test_nobody_gets_in_without_the_token(intake: Intake) -> None:
    """Every route asks for the bearer token."""
    async with intake.session.put("/v1/incidents/lab", json={}, headers={"Authorization": "Bearer x"}) as response:
        assert 401 == response.status


async def test_incident_shows_its_cohorts(intake: Intake) -> None:
    """The incident is shown as it stands, with what was counted."""
    _, shown = await intake.get(INCIDENT)

    assert ("lab", 1, a_document()) == (shown["incidentId"], shown["version"], shown["document"])
    assert [("wave-1", 3, 0)] == [(c["cohortId"], c["declared"], c["received"]) for c in shown["cohorts"]]
