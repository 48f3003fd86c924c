"""Incidents and cohorts, from the request to the rows and blocks."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Caller
from services.core.policy import Policy, in_words
from services.intake.context import SOURCE
from services.intake.control.control import Control
from services.kit.eventlog import Output, append_outputs
from services.wire.incident_document import normal_form
from tests.conftest import RoomPool
from tests.integration.intake.conftest import COHORT, PARTITIONS, Intake, a_document
from tests.principals import OPERATOR

INCIDENT = "/v1/incidents/lab"
LABEL = {"nl": "tekst", "en": "text"}


async def test_same_document_again_changes_nothing(intake: Intake) -> None:
    """A repeated document keeps its version, whatever the order of its keys; no block is written."""
    blocks = len(await intake.changes())
    document = dict(reversed(a_document().items()))

    status, answer = await intake.put(INCIDENT, document)

    assert (200, 1, False) == (status, answer["version"], answer["changed"])
    assert blocks == len(await intake.changes())


async def test_what_cannot_be_rendered_is_not_taken(intake: Intake) -> None:
    """A sign that letters lack is named by its place; the document of before stands."""
    text = {"nl": "Een \N{UNICORN FACE} brak in", "en": "text"}
    content = a_document()["content"] | {"nature": text}
    status, problem = await intake.put("/v1/incidents/lab", a_document(content=content))

    assert (400, ["content.nature.nl"]) == (status, [one["field"] for one in problem["problems"]])
    assert 1 == (await intake.get("/v1/incidents/lab"))[1]["version"]


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


def _heads(**last: int) -> list[int]:
    """Return the last block of each partition; those that are not named have none."""
    return [last.get(f"p{partition}", 0) for partition in range(PARTITIONS)]


async def _write(intake: Intake, partition: int, blocks: int) -> None:
    async with intake.pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, SOURCE, [Output(MEMBERS_ACCEPTED, partition, b"members")] * blocks)


async def _release_after(intake: Intake) -> list[list[int]]:
    """Return what each version of the cohort says that its release comes after."""
    return [list(cohort.release_after) for block in await intake.changes() for cohort in block.cohorts]


async def test_release_says_what_came_before_it(intake: Intake) -> None:
    """The heads of all partitions at the release go with every later version, and no later block moves them."""
    await _write(intake, 1, 3)
    await intake.post(f"{COHORT}/release", {"all": True})
    await _write(intake, 1, 2)
    await _write(intake, 2, 1)
    await intake.post(f"{COHORT}/seal")
    await intake.post(f"{COHORT}/release", {"all": True})

    assert [[], _heads(p1=3), _heads(p1=3)] == await _release_after(intake)


async def test_a_version_of_the_document_says_what_came_before_it(intake: Intake) -> None:
    """What it permits holds once that is known; before the first version there was nothing. The same again is none."""
    await _write(intake, 1, 3)
    changed = a_document(compromisedChannels=["portal"])
    await intake.put(INCIDENT, changed)
    await _write(intake, 2, 1)
    await intake.put(INCIDENT, changed)
    await intake.put(INCIDENT, a_document())

    versions = [(one.version, list(one.after)) for block in await intake.changes() for one in block.incidents]
    assert [(1, []), (2, _heads(p1=3)), (3, _heads(p1=3, p2=1))] == versions


async def test_permission_that_is_given_anew_comes_after_what_was_taken_since(intake: Intake) -> None:
    """Taken back, it has none; given again, it comes after all that was taken by then."""
    await intake.put(COHORT, {"source": "lab", "autoRelease": True})
    await _write(intake, 0, 1)
    await intake.put(COHORT, {"source": "lab", "autoRelease": False})
    await intake.put(COHORT, {"source": "lab", "autoRelease": True})
    await intake.post(f"{COHORT}/release", {"all": True})
    await _write(intake, 0, 1)
    await intake.put(COHORT, {"source": "lab", "autoRelease": False})

    assert [[], _heads(), [], _heads(p0=1), _heads(p0=1), _heads(p0=1)] == await _release_after(intake)


async def test_cohort_that_opens_released_comes_after_others_members(intake: Intake) -> None:
    """Members of other cohorts that were taken before may be the same people."""
    await _write(intake, 3, 2)
    await intake.put(COHORT.replace("wave-1", "wave-2"), {"source": "lab", "autoRelease": True})

    assert [[], _heads(p3=2)] == await _release_after(intake)


async def test_release_covers_what_another_replica_acknowledged(intake: Intake, room_pool: RoomPool) -> None:
    """Replicas write as one source, so that whichever of them releases knows what all of them took."""
    other = Control(replace(intake.context, pool=await room_pool("intake")))
    await intake.upload("memberRef,bsn,email,dataCategories\nm-1,999990019,a@example.nl,name\n")
    heads = [
        tuple(row)
        for row in await intake.pool.fetch(
            "select partition, last_seq from log.head where topic = $1", MEMBERS_ACCEPTED
        )
    ]
    released = await other.release(Caller(OPERATOR.principal, "r-1"), "lab", "wave-1")

    assert 1 == len(heads)
    assert _heads(**{f"p{partition}": last for partition, last in heads}) == list(released.cohort.release_after)


async def test_release_waits_for_a_chunk_under_way(intake: Intake) -> None:
    """Members of the cohort that are being written when it is released come before the release."""
    async with intake.pool.acquire() as connection, connection.transaction():
        await intake.context.store.hold_cohort(connection, "lab", "wave-1")
        releasing = asyncio.create_task(intake.post(f"{COHORT}/release", {"all": True}))
        async with asyncio.timeout(30):
            while not await intake.pool.fetchval("select 1 from pg_locks where not granted"):  # noqa: ASYNC110 - as the database sees it
                await asyncio.sleep(0.01)
        await append_outputs(connection, SOURCE, [Output(MEMBERS_ACCEPTED, 2, b"members")])
    await releasing

    assert [[], _heads(p2=1)] == await _release_after(intake)


@pytest.mark.parametrize("body", [{}, {"all": False}, {"canary": 0}, {"all": True, "canary": 1}, []])
async def test_release_that_says_not_how_much_is_refused(intake: Intake, body: Any) -> None:
    """Nothing is quietly made into a whole release."""
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
    """The incident is shown as it stands, with every rule that holds and with what was counted."""
    _, shown = await intake.get(INCIDENT)

    assert ("lab", 1, a_document()) == (shown["incidentId"], shown["version"], shown["document"])
    assert in_words(Policy()) == shown["policy"]
    assert [("wave-1", 3, 0)] == [(c["cohortId"], c["declared"], c["received"]) for c in shown["cohorts"]]


@pytest.mark.parametrize("letters", [262_144, 1_020_000])
async def test_a_large_document_is_refused(intake: Intake, letters: int) -> None:
    """Every process keeps it for ever: what is too large is the sender's fault, also near the log's own limit."""
    status, problem = await intake.put("/v1/incidents/large", a_document(title="a" * letters))

    assert 400 == status
    assert {"status", "title"} <= set(problem)


async def test_a_document_does_not_change_for_ever(intake: Intake) -> None:
    """A script that went wrong is stopped: within a minute so many versions are taken, and it is told when to go on."""
    statuses = [(await intake.put("/v1/incidents/often", a_document(title=f"Title {n}")))[0] for n in range(21)]
    async with intake.session.put("/v1/incidents/often", json=a_document(title="Once more")) as refused:
        retry_after = refused.headers["Retry-After"]

    assert [201] + [200] * 19 + [429] == statuses
    assert "60" == retry_after
    assert 200 == (await intake.put("/v1/incidents/often", a_document(title="Title 19")))[0]  # as it stands


async def test_a_cohort_has_the_group_that_it_was_opened_with(intake: Intake) -> None:
    """Every room is told of it with each version, and it never becomes another one."""
    cohort = "/v1/incidents/lab/cohorts/clinic"
    opened, shown = await intake.put(cohort, {"source": "lab", "group": "clinic"})
    repeated, again = await intake.put(cohort, {"source": "lab", "declaredCount": 3})
    other, _ = await intake.put(cohort, {"source": "lab", "group": "doctor"})
    wrong, problem = await intake.put(f"{cohort}-2", {"source": "lab", "group": "a b"})

    assert (201, "clinic", 200, "clinic", 409) == (opened, shown["group"], repeated, again["group"], other)
    assert (400, ["group"]) == (wrong, [one["field"] for one in problem["problems"]])
    assert ["clinic", "clinic"] == [one.group for block in await intake.changes() for one in block.cohorts][-2:]
