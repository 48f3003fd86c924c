"""A release that takes two: one asks, somebody else approves, and no way around it for one alone."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.intake.context import SOURCE
from services.intake.control.cohorts import Cohorts
from services.kit.eventlog import Output, append_outputs
from tests.integration.intake.conftest import COHORT, PARTITIONS, Intake, a_document
from tests.principals import OPERATOR
from tests.unit.intake.builders import a_record

INCIDENT = "/v1/incidents/lab"
OTHER = COHORT.replace("wave-1", "wave-2")
ALL = {"all": True}


async def _sealed(intake: Intake) -> None:
    """Close the cohort of an incident that has four eyes."""
    assert (200, 200) == (
        (await intake.put(INCIDENT, a_document(fourEyes=True)))[0],
        (await intake.post(f"{COHORT}/seal"))[0],
    )


async def _asked(intake: Intake) -> None:
    await _sealed(intake)
    assert 202 == (await intake.post(f"{COHORT}/release", ALL))[0]


async def _as(intake: Intake, name: str, action: str, body: Any = None) -> tuple[int, Any]:
    async with intake.as_principal(name) as somebody:
        return await somebody.post(f"{COHORT}/{action}", body)


async def _state(intake: Intake) -> tuple[Any, ...]:
    _, shown = await intake.get(COHORT)
    return tuple(shown[key] for key in ("version", "released", "releaseAskedBy", "releaseApprovedBy"))


async def _acts(intake: Intake) -> list[tuple[str, str, int]]:
    """Return who let the cohort go, and which version of it they meant."""
    _, answer = await intake.get(f"{INCIDENT}/acts")
    acts = {Act.COHORT_RELEASED, Act.RELEASE_ASKED, Act.COHORT_APPROVED}
    return [(one["principal"], one["act"], one["version"]) for one in answer["acts"] if one["act"] in acts]


async def test_a_release_is_only_asked_for(intake: Intake) -> None:
    """The cohort says who asked, and nothing goes: no room hears of it. Asked again, by whomever, nothing changes."""
    await _sealed(intake)
    blocks = len(await intake.changes())
    status, answer = await intake.post(f"{COHORT}/release", ALL)
    again = [await intake.post(f"{COHORT}/release", ALL), await _as(intake, "colleague", "release", ALL)]

    assert (202, False, "operator", None) == (
        status,
        answer["released"],
        answer["releaseAskedBy"],
        answer["releaseApprovedBy"],
    )
    assert [(202, answer)] * 2 == again
    assert (2, False, "operator", None) == await _state(intake)
    assert blocks == len(await intake.changes())
    assert [("operator", "release-asked", 2)] == await _acts(intake)


@pytest.mark.parametrize("somebody", ["approver", "colleague"])
async def test_somebody_else_approves(intake: Intake, somebody: str) -> None:
    """Then it goes, and who asked and who approved stay with it, whoever repeats what."""
    await _asked(intake)
    status, answer = await _as(intake, somebody, "approve")
    again = [(await _as(intake, name, "approve"))[0] for name in ("approver", "colleague")]
    released, _ = await intake.post(f"{COHORT}/release", ALL)

    assert (200, True, "operator", somebody) == (
        status,
        answer["released"],
        answer["releaseAskedBy"],
        answer["releaseApprovedBy"],
    )
    assert ([200, 200], 200) == (again, released)
    assert (3, True, "operator", somebody) == await _state(intake)
    assert (3, True) == ((change := (await intake.changes())[-1].cohorts[0]).version, change.released)
    assert [("operator", "release-asked", 2), (somebody, "cohort-approved", 3)] == await _acts(intake)


async def test_nobody_approves_their_own_release(intake: Intake) -> None:
    """Whatever roles they have: 403, with words, and before and after somebody else did."""
    await _sealed(intake)
    await _as(intake, "colleague", "release", ALL)
    before = await _as(intake, "colleague", "approve")
    approved, _ = await _as(intake, "approver", "approve")
    after = await _as(intake, "colleague", "approve")

    assert [403, 403] == [before[0], after[0]]
    assert "whoever asked for a release does not approve it" == before[1]["detail"]
    assert 200 == approved


@pytest.mark.parametrize("four_eyes", [True, False])
async def test_what_nobody_asked_for_is_not_approved(intake: Intake, *, four_eyes: bool) -> None:
    """An approval is the second word, never the first; of a cohort that went by one word there is none."""
    await intake.put(INCIDENT, a_document(fourEyes=four_eyes))
    if not four_eyes:
        await intake.post(f"{COHORT}/release", ALL)
    status, problem = await _as(intake, "approver", "approve")

    assert (409, "nobody asked for the release of this cohort") == (status, problem["detail"])
    assert four_eyes != (await intake.get(COHORT))[1]["released"]


@pytest.mark.parametrize("name", ["lab", "auditor", "other"])
async def test_others_do_not_approve(intake: Intake, name: str) -> None:
    """An approval is an approver's or an operator's."""
    await _asked(intake)

    assert 403 == (await _as(intake, name, "approve"))[0]
    assert 404 == (await intake.post("/v1/incidents/none/cohorts/wave-1/approve"))[0]
    assert 404 == (await intake.post("/v1/incidents/lab/cohorts/none/approve"))[0]


async def test_an_approver_alone_asks_for_nothing(intake: Intake) -> None:
    """To release is an operator's."""
    await _sealed(intake)

    assert 403 == (await _as(intake, "approver", "release", ALL))[0]


async def test_an_open_cohort_is_not_asked_for(intake: Intake) -> None:
    """Whom somebody adds after the approval, nobody else would have looked at."""
    await intake.put(INCIDENT, a_document(fourEyes=True))
    status, problem = await intake.post(f"{COHORT}/release", ALL)

    assert 409 == status
    assert "seal the cohort first" in problem["detail"]
    assert (1, False, None, None) == await _state(intake)


async def test_an_approval_comes_after_all_that_was_taken_before_it(intake: Intake) -> None:
    """What was acknowledged between the asking and the approval is part of what goes."""
    await _asked(intake)
    async with intake.pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, SOURCE, [Output(MEMBERS_ACCEPTED, 1, b"members")] * 2)
    await _as(intake, "approver", "approve")

    assert [0, 2, 0, 0][:PARTITIONS] == list((await intake.changes())[-1].cohorts[0].release_after)


async def test_no_cohort_of_four_eyes_goes_by_itself(intake: Intake) -> None:
    """An autoRelease would be a release of one alone: at the opening and later."""
    await intake.put(INCIDENT, a_document(fourEyes=True))
    asked = [await intake.put(path, {"source": "lab", "autoRelease": True}) for path in (COHORT, OTHER)]

    assert [409, 409] == [status for status, _ in asked]
    assert all("fourEyes" in problem["detail"] for _, problem in asked)
    assert 404 == (await intake.get(OTHER))[0]


async def test_four_eyes_are_not_opened_over_cohorts_that_go_by_themselves(intake: Intake) -> None:
    """They are named; once none is left, it may be."""
    await intake.put(OTHER, {"source": "lab", "autoRelease": True})
    status, problem = await intake.put(INCIDENT, a_document(fourEyes=True))
    await intake.put(OTHER, {"source": "lab", "autoRelease": False})
    later, _ = await intake.put(INCIDENT, a_document(fourEyes=True))

    assert (409, 200) == (status, later)
    assert "wave-2" in problem["detail"]
    assert "wave-1" not in problem["detail"]


@pytest.mark.parametrize("closed", [{"fourEyes": False}, {}])
async def test_four_eyes_are_never_closed(intake: Intake, closed: dict[str, bool]) -> None:
    """Nobody puts a document without them to release alone."""
    await intake.put(INCIDENT, a_document(fourEyes=True))
    status, problem = await intake.put(INCIDENT, a_document(**closed, title="Other"))

    assert 409 == status
    assert "never off" in problem["detail"]
    assert (await intake.get(INCIDENT))[1]["document"]["fourEyes"]


async def test_of_two_approvals_at_once_one_counts(intake: Intake) -> None:
    """Both are answered alike; one version, one act, one approver."""
    await _asked(intake)
    async with intake.as_principal("approver") as one, intake.as_principal("colleague") as two:
        answers = await asyncio.gather(*(who.post(f"{COHORT}/approve") for who in (one, two)))
    acts = await _acts(intake)

    assert [200, 200] == [status for status, _ in answers]
    assert answers[0] == answers[1]
    assert (3, True, "operator", acts[1][0]) == await _state(intake)
    assert [("operator", "release-asked", 2), (acts[1][0], "cohort-approved", 3)] == acts


async def test_an_approval_waits_for_the_cohorts_next_version(intake: Intake) -> None:
    """It is of the cohort as it stands then: neither change is lost, and what was taken meanwhile comes before it."""
    await _asked(intake)
    async with intake.pool.acquire() as connection, connection.transaction():
        store, now = intake.context.store, intake.context.clock.now()
        cohorts = Cohorts(connection, store, Caller(OPERATOR.principal, "r-1"), PARTITIONS, now)
        _, outputs = await cohorts.change(Act.COHORT_PUT, "lab", "wave-1", lambda c: replace(c, declared=7))
        approving = asyncio.create_task(_as(intake, "approver", "approve"))
        await _somebody_waits(intake)
        await append_outputs(connection, SOURCE, [*outputs, Output(MEMBERS_ACCEPTED, 2, b"members")])
    status, answer = await approving
    change = (await intake.changes())[-1].cohorts[0]

    assert (200, 4, 7) == (status, answer["version"], answer["declared"])
    assert (4, 7, True, [0, 0, 1, 0]) == (change.version, change.declared, change.released, list(change.release_after))


async def test_four_eyes_are_opened_before_or_after_a_release_and_never_during_it(intake: Intake) -> None:
    """A release that was begun with one pair of eyes is done before the document says that it takes two."""
    await intake.post(f"{COHORT}/seal")
    async with intake.pool.acquire() as connection, connection.transaction():
        await intake.context.store.lock_cohort(connection, "lab", "wave-1")
        releasing = asyncio.create_task(intake.post(f"{COHORT}/release", ALL))
        await _somebody_waits(intake)
        opening = asyncio.create_task(intake.put(INCIDENT, a_document(fourEyes=True)))
        await _somebody_waits(intake, 2)
        assert not opening.done()
    answers = [(await releasing)[0], (await opening)[0]]

    assert [200, 200] == answers
    assert [1, 2, 3] == [one.version for block in await intake.changes() for one in block.cohorts]
    assert 2 == (await intake.changes())[-1].incidents[0].version


async def test_corrections_come_between_the_asking_and_the_approval(intake: Intake) -> None:
    """A sealed cohort takes them, and the approval holds for the cohort with them."""
    headers = {"Content_Type": "application/x-ndjson"}
    await intake.upload(orjson.dumps(a_record()), **headers)
    await _asked(intake)
    status, _ = await intake.upload(orjson.dumps(a_record(city="Breda")), **headers)
    approved, _ = await _as(intake, "approver", "approve")

    assert (202, 200) == (status, approved)
    assert 2 == sum((await intake.changes())[-1].cohorts[0].release_after)


async def _somebody_waits(intake: Intake, count: int = 1) -> None:
    """Wait until so many are waiting for a lock."""
    query = "select count(*) from pg_locks where not granted"
    async with asyncio.timeout(30):
        while await intake.pool.fetchval(query) < count:  # noqa: ASYNC110 - as the database sees it
            await asyncio.sleep(0.01)
