"""Cohorts that are not as they should be: each has its answer, and nobody in them is lost."""

import asyncio
from typing import Any

import orjson
from notification.topics import MEMBERS_ACCEPTED

from tests.integration.intake.conftest import COHORT, Intake
from tests.unit.intake.builders import a_record

OTHER = COHORT.replace("wave-1", "wave-2")
NDJSON = {"Content_Type": "application/x-ndjson"}
ALL = {"all": True}


def some_members(count: int) -> bytes:
    """Return members who are as many people."""
    said = {"bsn": None, "email": None, "portalId": None}
    return b"\n".join(
        orjson.dumps(a_record(memberRef=f"m-{at}", personKey=f"{at:064x}", **said)) for at in range(count)
    )


async def _heads(intake: Intake) -> list[int]:
    rows = await intake.pool.fetch("select partition, last_seq from log.head where topic = $1", MEMBERS_ACCEPTED)
    last = {row["partition"]: row["last_seq"] for row in rows}
    return [last.get(partition, 0) for partition in range(4)]


async def _waits(intake: Intake) -> None:
    """Wait until somebody waits for a lock."""
    async with asyncio.timeout(30):
        while not await intake.pool.fetchval("select 1 from pg_locks where not granted"):  # noqa: ASYNC110 - as the database sees it
            await asyncio.sleep(0.01)


async def test_one_more_than_declared_is_taken(intake: Intake) -> None:
    """Of 1,000 declared, 1,001 come: everybody is taken and counted, before the sealing and in what it says."""
    await intake.put(COHORT, {"source": "lab", "declaredCount": 1_000})
    status, answer = await intake.upload(some_members(1_001), **NDJSON)
    sealed, _ = await intake.post(f"{COHORT}/seal")
    _, shown = await intake.get(COHORT)

    assert (202, 1_001, 0, 200) == (status, answer["accepted"], answer["rejected"], sealed)
    assert (1_000, 1_001, 0, 1_001) == tuple(shown[key] for key in ("declared", "received", "rejected", "accepted"))
    assert {"received": 1_001, "rejected": 0, "accepted": 1_001, "discarded": 0} == (await intake.totals())[-1].counts


async def test_of_two_sources_one_has_the_cohort(intake: Intake) -> None:
    """They open the same id at the same time: one has it, the other hears so, and may not fill it."""
    async with intake.as_principal("lab") as lab, intake.as_principal("other") as other:
        sources = {"lab": lab, "other": other}
        answers = await asyncio.gather(*(who.put(OTHER, {"source": name}) for name, who in sources.items()))
        statuses = dict(zip(sources, (status for status, _ in answers), strict=True))
        sent = {name: (await who.upload(some_members(1), cohort=OTHER, **NDJSON))[0] for name, who in sources.items()}
    _, shown = await intake.get(OTHER)
    (loser,) = sources.keys() - {shown["source"]}

    assert {shown["source"]: 201, loser: 409} == statuses
    assert {shown["source"]: 202, loser: 404} == sent
    assert 1 == shown["version"]


async def test_sealing_twice_seals_once(intake: Intake) -> None:
    """One after the other and at the same time, by its source and by an operator: one version, one act."""
    async with intake.as_principal("lab") as lab:
        answers = await asyncio.gather(*(who.post(f"{COHORT}/seal") for who in (lab, intake, lab)))
        later, _ = await lab.post(f"{COHORT}/seal")
    _, acts = await intake.get("/v1/incidents/lab/acts")

    assert [200] * 4 == [*(status for status, _ in answers), later]
    assert [1, 2] == [one.version for block in await intake.changes() for one in block.cohorts]
    assert 1 == [one["act"] for one in acts["acts"]].count("cohort-sealed")


async def test_a_sealed_cohort_takes_nobody_new(intake: Intake) -> None:
    """Sealing it again does not open it, and who is refused is told so."""
    await intake.upload(some_members(1), **NDJSON)
    for _ in range(2):
        await intake.post(f"{COHORT}/seal")
    status, answer = await intake.upload(some_members(2), **NDJSON)

    assert (202, 1, 1) == (status, answer["accepted"], answer["rejected"])
    assert ["cohort-sealed"] == [problem["problem"] for problem in answer["problems"]]


async def test_an_open_cohort_may_be_released(intake: Intake) -> None:
    """With nobody in it too: it stays open and released, whoever comes later, and is sealed when nobody does."""
    released, answer = await intake.post(f"{COHORT}/release", ALL)
    sent, report = await intake.upload(some_members(3), **NDJSON)
    sealed, shown = await intake.post(f"{COHORT}/seal")

    assert (200, True, False) == (released, answer["released"], answer["sealed"])
    assert (202, 3) == (sent, report["accepted"])
    assert (200, True, True) == (sealed, shown["released"], shown["sealed"])
    assert [[], [0] * 4, [0] * 4] == [list(one.release_after) for b in await intake.changes() for one in b.cohorts]


async def test_a_correction_that_is_under_way_comes_before_the_release(intake: Intake) -> None:
    """Its transaction has the cohort: the release waits for it, and comes after its block."""
    await intake.upload(orjson.dumps(a_record()), **NDJSON)
    before = await _heads(intake)
    async with intake.pool.acquire() as connection, connection.transaction():
        # The totals of the cohort are held, so that the correction stops after it has taken the cohort.
        await intake.context.store.lock_totals(connection, "lab/wave-1", intake.context.clock.now())
        correcting = asyncio.create_task(intake.upload(orjson.dumps(a_record(city="Breda")), **NDJSON))
        await _waits(intake)
        releasing = asyncio.create_task(intake.post(f"{COHORT}/release", ALL))
        async with asyncio.timeout(30):
            while await intake.pool.fetchval("select count(*) from pg_locks where not granted") < 2:  # noqa: ASYNC110 - as the database sees it
                await asyncio.sleep(0.01)
    answers: list[Any] = [await correcting, await releasing]
    after = list((await intake.changes())[-1].cohorts[0].release_after)

    assert [202, 200] == [status for status, _ in answers]
    assert await _heads(intake) == after
    assert sum(after) == sum(before) + 1


async def test_a_correction_that_comes_during_a_release_waits_for_it(intake: Intake) -> None:
    """It is taken, whole, and comes after the release: who was told by then is told at the old address."""
    await intake.upload(orjson.dumps(a_record()), **NDJSON)
    before = await _heads(intake)
    async with intake.pool.acquire() as connection, connection.transaction():
        # The log's heads are held, so that the release stops after it has taken the cohort.
        await connection.execute("select from log.head where topic = 'heraut.incidents.changed.v1' for update")
        releasing = asyncio.create_task(intake.post(f"{COHORT}/release", ALL))
        await _waits(intake)
        correcting = asyncio.create_task(intake.upload(orjson.dumps(a_record(city="Breda")), **NDJSON))
        async with asyncio.timeout(30):
            while await intake.pool.fetchval("select count(*) from pg_locks where not granted") < 2:  # noqa: ASYNC110 - as the database sees it
                await asyncio.sleep(0.01)
    answers = [await releasing, await correcting]

    assert [(200, True), (202, 1)] == [
        (answers[0][0], answers[0][1]["released"]),
        (answers[1][0], answers[1][1]["accepted"]),
    ]
    assert before == list((await intake.changes())[-1].cohorts[0].release_after)
    assert sum(await _heads(intake)) == sum(before) + 1
    assert [1, 2] == [version for block in await intake.accepted() for version in block.versions]
