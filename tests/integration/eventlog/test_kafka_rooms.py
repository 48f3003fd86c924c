"""On a broker that enforces access rights, over TLS, each room's user does the room's work and nothing else."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest
from notification.topics import COHORT, INCIDENTS_CHANGED, TOPICS

from services.core.rooms import ROOMS, STAGES
from services.kit.errors import ConfigError, LogRefusedError, RetryableError
from services.kit.eventlog import Cursor, Output, TopicPartition, dead_letter_topic
from services.kit.eventlog.kafka import KafkaLog, KafkaSettings, ensure_topics, new_admin
from services.kit.eventlog.kafka.acls import ALLOW, LITERAL, WRITE
from services.kit.eventlog.kafka.room_rights import TOPIC, grant_rooms
from services.kit.eventlog.port import Row
from tests.kafka_fixtures import EnforcingBroker

pytestmark = pytest.mark.kafka
USERS = {room: f"heraut-{room}" for room in ROOMS}
INSIDE = [spec for spec in TOPICS if spec.log == "both"]


@pytest.fixture(scope="module")
def broker(enforcing_broker: EnforcingBroker) -> EnforcingBroker:
    """Return the broker with all topics, and what the rooms may do."""

    async def prepare() -> None:
        await ensure_topics(enforcing_broker.settings(), 1, 1, (COHORT,))
        await grant_rooms(enforcing_broker.settings(), USERS, (COHORT,))

    asyncio.run(prepare())
    return enforcing_broker


async def _writable(settings: KafkaSettings, topics: Sequence[str]) -> set[str]:
    """Return the topics that a user may write to."""
    found = set()
    producer = AIOKafkaProducer(**settings.client_options(), retry_backoff_ms=10)
    await producer.start()
    try:
        for topic in topics:
            try:
                async with asyncio.timeout(20):
                    await producer.send_and_wait(topic, b"forged", partition=0)
                found.add(topic)
            except TopicAuthorizationFailedError:
                pass
    finally:
        await producer.stop()
    return found


@pytest.mark.parametrize("stage", STAGES)
async def test_a_stage_does_all_of_its_work(broker: EnforcingBroker, stage: str) -> None:
    """It reads from where it stood, looks for its own last block, publishes, sets aside and commits its progress."""
    room = STAGES[stage]
    read = [spec.name for spec in INSIDE if {stage, room}.intersection(spec.consumers)]
    if stage == "intake":
        read.append(COHORT)
    written = [spec.name for spec in INSIDE if stage in spec.producers]
    written += [dead_letter_topic(topic, stage) for topic in read if topic != INCIDENTS_CHANGED]
    log = KafkaLog(broker.settings(USERS[room]), stage)
    try:
        for topic in written:
            at = TopicPartition(topic, 0)
            last = await log.last_sequence(stage, at)
            await log.publish(stage, at, [Row((last or 0) + 1, 0, b"block", ())])
            assert await log.last_sequence(stage, at) == (last or 0) + 1
        await log.assign({TopicPartition(topic, 0): Cursor() for topic in read})
        await log.fetch(10, 0.1)
        await log._progress.commit({TopicPartition(topic, 0): 1 for topic in read})
    finally:
        await log.close()


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_writes_to_no_other_topic(broker: EnforcingBroker, room: str) -> None:
    """Not to control, nor to another room's blocks or dead letters, nor to upstream's."""
    stages = [stage for stage, of in STAGES.items() if of == room]
    dead = [dead_letter_topic(spec.name, stage) for spec in TOPICS for stage in spec.consumers if spec.read == "stage"]
    own = {spec.name for spec in INSIDE if set(stages).intersection(spec.producers)}
    own |= {topic for topic in dead if topic.endswith(tuple(f".{stage}.dlq" for stage in stages))}

    assert own == await _writable(broker.settings(USERS[room]), [*(spec.name for spec in TOPICS), *dead])


async def test_a_room_reads_no_other_topic(broker: EnforcingBroker) -> None:
    """Tracking gets no outcome of deduplication that is not for it, and nobody but intake reads upstream's people."""
    for topic in ("heraut.members.accepted.v1", COHORT):
        log = KafkaLog(broker.settings(USERS["tracking"]), "tracking")
        try:
            with pytest.raises(RetryableError):
                await asyncio.wait_for(log.assign({TopicPartition(topic, 0): Cursor()}), 20)
        finally:
            await log.close()


async def test_a_refusal_is_no_passing_fault(broker: EnforcingBroker) -> None:
    """A dead letter that may not be written is not tried again for ever: its partition stops, and says so."""
    log = KafkaLog(broker.settings(USERS["tracking"]), "tracking")
    try:
        with pytest.raises(LogRefusedError, match="TopicAuthorizationFailedError"):
            await asyncio.wait_for(log.forward(Output(dead_letter_topic(COHORT, "intake"), 0, b"in the open")), 20)
    finally:
        await log.close()


async def test_what_the_contracts_do_not_give_is_taken_away(broker: EnforcingBroker) -> None:
    """A right that somebody gave by hand goes at the next time, and is named; repeated, nothing changes."""
    heraut = broker.settings()
    admin = new_admin(heraut)
    await admin.start()
    try:
        by_hand = (INCIDENTS_CHANGED, LITERAL, "User:heraut-tracking", "*", WRITE, ALLOW)
        await admin.ask(CreateAclsRequest(TOPIC, *by_hand))
    finally:
        await admin.stop()

    async with asyncio.timeout(20):
        while not (granted := await grant_rooms(heraut, USERS, (COHORT,))).taken:
            pass  # the broker hears of the right from its controller

    assert [f"heraut-tracking may write {INCIDENTS_CHANGED}"] == [str(right) for right in granted.taken]
    again = await grant_rooms(heraut, USERS, (COHORT,))
    assert ((), ()) == (again.given, again.taken)
    assert set() == await _writable(broker.settings(USERS["tracking"]), [INCIDENTS_CHANGED])


async def test_two_rooms_do_not_share_a_user(broker: EnforcingBroker) -> None:
    """One user with the rights of both would be a door in the wall."""
    with pytest.raises(ConfigError, match="two rooms have one user"):
        await grant_rooms(broker.settings(), {"intake": "lab", "tracking": "lab"}, ())
