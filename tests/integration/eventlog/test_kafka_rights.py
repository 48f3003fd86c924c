"""A topic is a trust domain: on a broker that enforces access rights its producer alone may write to it."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest
from notification.topics import COHORT

from deploy.kafka import broker, enforcing
from services.kit.errors import ConfigError
from services.kit.eventlog import family_member
from services.kit.eventlog.kafka import KafkaSettings, ensure_topics, new_admin
from services.kit.eventlog.kafka.acls import ALLOW, WRITE, grant_producers
from services.kit.eventlog.kafka.room_rights import grant_rooms
from services.kit.eventlog.rights import Granted, TopicRight
from tests.kafka_fixtures import USERS, EnforcingBroker

pytestmark = pytest.mark.kafka
_PARTITIONS = 1
_TOPIC_RESOURCE, _PREFIXED = 2, 4  # of Kafka's ResourceType, PatternType


async def a_topic(enforcing_broker: EnforcingBroker, source: str) -> str:
    """Make the topic of a source, and return its name."""
    topic = family_member(COHORT, source)
    await ensure_topics(enforcing_broker.settings(), _PARTITIONS, 1, (topic,))
    return topic


async def may_write(settings: KafkaSettings, topic: str, *, idempotent: bool = False) -> bool:
    """Tell whether a user may write to a topic. Who may write nowhere gets no idempotent producer at all."""
    producer = AIOKafkaProducer(**settings.client_options(), enable_idempotence=idempotent)
    await producer.start()
    try:
        async with asyncio.timeout(20):
            await producer.send_and_wait(topic, b"{}", partition=0)
    except TopicAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


def rights(topic: str, user: str) -> tuple[TopicRight, TopicRight]:
    """Return what a producer may do."""
    return TopicRight(topic, user, "describe"), TopicRight(topic, user, "write")


async def test_a_topic_is_written_by_its_producer_alone(enforcing_broker: EnforcingBroker) -> None:
    """Nobody may write before rights are given; then the producer may, and another source's producer may not."""
    topic, other = [await a_topic(enforcing_broker, source) for source in ("alone-lab", "alone-clinic")]
    lab, clinic = enforcing_broker.settings("lab"), enforcing_broker.settings("clinic")
    before = await may_write(lab, topic)

    granted = await grant_producers(enforcing_broker.settings(), {topic: "lab", other: "clinic"})

    assert Granted(enforced=True, given=(*rights(other, "clinic"), *rights(topic, "lab"))) == granted
    assert [False, True, False] == [before, await may_write(lab, topic), await may_write(lab, other)]
    assert await may_write(lab, topic, idempotent=True)
    assert [True, False] == [await may_write(clinic, other), await may_write(clinic, topic)]


async def test_a_former_producer_may_not_write_any_more(enforcing_broker: EnforcingBroker) -> None:
    """Another user of the source takes the place of the one before, whose rights are named as taken."""
    topic, heraut = await a_topic(enforcing_broker, "former"), enforcing_broker.settings()
    await grant_producers(heraut, {topic: "lab"})

    granted = await grant_producers(heraut, {topic: "clinic"})

    assert (rights(topic, "clinic"), rights(topic, "lab")) == (granted.given, granted.taken)
    assert [False, True] == [await may_write(enforcing_broker.settings(user), topic) for user in ("lab", "clinic")]


async def test_rights_are_given_once(enforcing_broker: EnforcingBroker) -> None:
    """Repeated, nothing is given, taken or lost."""
    topic, heraut = await a_topic(enforcing_broker, "once"), enforcing_broker.settings()
    first = await grant_producers(heraut, {topic: "lab"})

    assert rights(topic, "lab") == first.given
    assert Granted(enforced=True) == await grant_producers(heraut, {topic: "lab"})
    assert await may_write(enforcing_broker.settings("lab"), topic)


async def test_a_right_to_more_than_the_topic_is_left_and_named(enforcing_broker: EnforcingBroker) -> None:
    """Who may write by a prefix is told to the operator, and keeps what is not the topic's own to take."""
    topic, heraut = await a_topic(enforcing_broker, "wide"), enforcing_broker.settings()
    admin = new_admin(heraut)
    await admin.start()
    try:
        wide = (topic[:-1], _PREFIXED, "User:clinic", "*", WRITE, ALLOW)
        await admin.ask(CreateAclsRequest(_TOPIC_RESOURCE, *wide))
    finally:
        await admin.stop()

    async with asyncio.timeout(20):
        while not (granted := await grant_producers(heraut, {topic: "lab"})).left:
            pass  # the broker hears of the other right from its controller

    assert ((), (TopicRight(topic, "clinic", "write"),)) == (granted.taken, granted.left)
    assert await may_write(enforcing_broker.settings("clinic"), topic)


async def test_who_may_not_change_rights_is_told_so(enforcing_broker: EnforcingBroker) -> None:
    """A user without the right to the cluster cannot let itself into a topic, and waiting would not help."""
    topic = await a_topic(enforcing_broker, "refused")
    clinic = enforcing_broker.settings("clinic")

    with pytest.raises(ConfigError, match="ClusterAuthorizationFailedError"):
        await grant_producers(clinic, {topic: "clinic"})
    assert not await may_write(clinic, topic)


def test_nobody_gets_in_without_the_password(enforcing_broker: EnforcingBroker) -> None:
    """The broker of these tests answers those who log in, and no others."""
    port = int(enforcing_broker.bootstrap.rpartition(":")[2])
    logins = [enforcing._login("lab", USERS["lab"]), enforcing._login("lab", "wrong"), []]

    authority = enforcing_broker.certificates.authority

    assert [True, False, False] == [broker._answers(port, login, authority) for login in logins]
    assert not broker._answers(port, logins[0])  # in the open


@pytest.mark.parametrize("users", [{}, {"lab": ""}, {"lab": 'x" user_b="y'}, {"a b": "x"}, {"lab": "x\ny"}])
def test_no_broker_is_started_with_a_user_who_could_change_its_configuration(
    users: dict[str, str], tmp_path: Path
) -> None:
    """Names and passwords stand in a line of the configuration, and nothing gets out of its quotes."""
    with pytest.raises(ValueError, match="users need a name and a password"):
        enforcing.start(users, tmp_path)


async def test_a_broker_that_enforces_no_rights_says_so(kafka: KafkaSettings) -> None:
    """Where everybody may write to every topic, rights are not given in vain and in silence."""
    assert Granted(enforced=False) == await grant_producers(kafka, {COHORT: "lab"})
    assert Granted(enforced=False) == await grant_rooms(kafka, {}, (COHORT,))
    assert Granted(enforced=False) == await grant_rooms(kafka, {"intake": "heraut-intake"}, (COHORT,))
