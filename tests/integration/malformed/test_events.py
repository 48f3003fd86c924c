"""Malformed events on a real Kafka, to a whole process of intake: they are set aside, and the others go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession

from services.kit.eventlog.kafka.client import KafkaSettings
from tests.integration.malformed.conftest import put_incident
from tests.integration.malformed.events import EVENTS, Event, Upstream, an_event, members
from tests.integration.malformed.material import CANARIES, UPLOADS, a_member
from tests.integration.malformed.process import Intake, a_cohort, counts, intake_process
from tests.kafka_fixtures import empty_topics

pytestmark = pytest.mark.kafka
_PATIENCE = 60.0  # seconds; a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def intake(kafka_bootstrap: str, shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    """Run intake on a real broker with empty topics; its incident is there."""
    asyncio.run(empty_topics(KafkaSettings(bootstrap_servers=kafka_bootstrap)))
    folder = tmp_path_factory.mktemp("intake")
    kafka = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    with intake_process(shared_database, folder, **kafka) as process:
        asyncio.run(put_incident(process))
        yield process


@pytest.fixture
def upstream(kafka_bootstrap: str) -> Upstream:
    """Return the upstream system."""
    return Upstream(kafka_bootstrap)


@pytest.fixture
async def session(intake: Intake) -> AsyncIterator[ClientSession]:
    """Return a client of intake's routes."""
    async with intake.session() as client:
        yield client


async def _accepted(session: ClientSession, cohort: str, count: int) -> tuple[int, int, int]:
    """Wait until so many are accepted; returns received, rejected, accepted."""
    async with asyncio.timeout(_PATIENCE):
        while (found := await counts(session, cohort))[2] < count:  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.05)
    return found


async def test_malformed_events_are_set_aside_and_the_others_go_on(session: ClientSession, upstream: Upstream) -> None:
    """Each event that is none is one dead letter, untouched, with place and reason; its good neighbours are taken."""
    cohort = await a_cohort(session, "among")
    mixed: list[Event] = []
    for at, malformed in enumerate(EVENTS):
        value = malformed.value.replace(b"%s", b"among") if malformed.value else malformed.value
        mixed += [Event(malformed.name, value, malformed.headers, malformed.reason)]
        mixed += [members(f"good {at}", "among", a_member(f"m-{at}"))]
    offsets = await upstream.send(*mixed, partition=3)
    found = await _accepted(session, cohort, len(EVENTS))
    letters = await upstream.dead_letters(len(EVENTS), partition=3)

    expected = [
        (event.reason, event.value or b"", str(offset), "3")
        for event, offset in zip(mixed, offsets, strict=True)
        if event.reason
    ]
    told = [{name: value.decode() for name, value in letter.headers if not name.startswith("original-header")}
            for letter in letters]  # fmt: skip
    assert (len(EVENTS), 0, len(EVENTS)) == found
    assert sorted(expected) == sorted(
        (header["reason"], letter.value, header["original-offset"], header["original-partition"])
        for header, letter in zip(told, letters, strict=True)
    )


async def test_malformed_events_without_end_stop_nobody(session: ClientSession, upstream: Upstream) -> None:
    """A source that sends nothing but malformed events keeps nobody on its partition waiting."""
    cohort = await a_cohort(session, "flood")
    flood = [an_event(f"flood {at}", b"{", reason="invalid-json") for at in range(150)]
    await upstream.send(*flood, members("after the flood", "flood", a_member()), partition=5)

    assert (1, 0, 1) == await _accepted(session, cohort, 1)
    assert 150 == len(await upstream.dead_letters(150, partition=5))


async def test_header_without_a_value_is_malformed_and_no_fault_of_ours(
    session: ClientSession, upstream: Upstream
) -> None:
    """Kafka allows it, so it comes: such an attribute is missing, any other header does not matter."""
    cohort = await a_cohort(session, "headers")
    good = members("good", "headers", a_member())
    odd = Event("odd", good.value, [*good.headers[:1], ("ce_id", b"odd"), *good.headers[2:], ("traceparent", None)])
    await upstream.send(
        an_event("no id", good.value, id=None), an_event("no type", good.value, type=None), odd, partition=6
    )

    assert (1, 0, 1) == await _accepted(session, cohort, 1)
    assert 2 == len(await upstream.dead_letters(2, partition=6))


async def test_bad_member_of_a_readable_event_is_rejected_alone(session: ClientSession, upstream: Upstream) -> None:
    """A bad member hurts no neighbour; what is no member at all leaves the event among the dead letters, to be seen."""
    cohort = await a_cohort(session, "alone")
    bad: list[Any] = [
        7,
        None,
        [],
        "x",
        {"shoeSize": 43},
        a_member("m-1", bsn="1"),
        a_member("m\0"),
        a_member("m-2", city=["x"]),
    ]
    await upstream.send(members("mixed", "alone", *bad, a_member("m-9")), partition=7)

    assert (3, 1, 2) == await _accepted(session, cohort, 2)
    (letter,) = await upstream.dead_letters(1, partition=7)
    assert b"members-without-ref" == dict(letter.headers)["reason"]


async def test_event_of_a_cohort_that_is_not_open_yet_waits_for_it(session: ClientSession, upstream: Upstream) -> None:
    """Members come before their cohort, on another partition: they are taken once it is opened, none set aside."""
    early = [members(f"early {at}", "late-cohort", a_member(f"m-{at}")) for at in range(30)]
    await upstream.send(*early, partition=1)
    opened = {"incidentId": "lab", "cohortId": "late-cohort", "source": "lab"}
    await upstream.send(an_event("opened", opened, "cohort-opened"), partition=2)

    assert (30, 0, 30) == await _accepted(session, "/v1/incidents/lab/cohorts/late-cohort", 30)
    assert [] == await upstream.dead_letters(0, partition=1)


async def test_event_that_comes_twice_is_taken_once(session: ClientSession, upstream: Upstream) -> None:
    """Producers repeat what was not acknowledged: the same source and id is one event."""
    cohort = await a_cohort(session, "twice")
    await upstream.send(members("same", "twice", a_member("m-1")), partition=0)
    await upstream.send(
        members("same", "twice", a_member("m-2")), members("next", "twice", a_member("m-3")), partition=0
    )

    assert (2, 0, 2) == await _accepted(session, cohort, 2)


async def test_nobody_is_seen_in_answers_log_metrics_or_dead_letter_headers(
    intake: Intake, session: ClientSession, upstream: Upstream
) -> None:
    """With all uploads and events sent to one process, their person is in no answer, log line, metric or header."""
    cohort = await a_cohort(session, "canary")
    answers = []
    for upload in UPLOADS:
        if len(upload.body) < 1_000_000:
            async with session.post(f"{cohort}/members", data=upload.body, headers=upload.headers) as response:
                answers.append(f"{response.headers} {await response.text()}")
    await upstream.send(*EVENTS, members("canary", "canary", a_member("m-canary")), partition=4)
    letters = await upstream.dead_letters(len(EVENTS), partition=4)
    every = await upstream.dead_letters(len(letters))
    headers = [f"{letter.key!r} {name} {value!r}" for letter in every for name, value in letter.headers]
    async with session.get("/metrics") as response:
        metrics = await response.text()
    logged = intake.logged()
    seen = [*answers, *headers, metrics, logged]

    assert '"reason":"not-a-cloudevent"' in logged
    assert len(headers) > 8 * len(EVENTS)
    assert [] == [(canary, text[:300]) for canary in CANARIES for text in seen if canary.lower() in text.lower()]


async def test_process_says_nothing_is_wrong_with_it(intake: Intake, session: ClientSession) -> None:
    """After all that, no line of its log is an error, no partition stands still, and it is ready."""
    async with session.get("/readyz") as response:
        assert 200 == response.status
    async with session.get("/metrics") as response:
        stopped = [
            line for line in (await response.text()).splitlines() if line.startswith("intake_stopped_partitions")
        ]

    assert ["intake_stopped_partitions 0.0"] == stopped
    assert [] == [line for line in intake.logged().splitlines() if '"level":"error"' in line]
