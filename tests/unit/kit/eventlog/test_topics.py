"""Which topics there are and who reads them."""

from datetime import timedelta

import pytest
from notification import topics

from services.core.channel import Channel
from services.core.rooms import STAGES
from services.kit.errors import ConfigError
from services.kit.eventlog.topics import (
    MAX_BLOCK_BYTES,
    config_of,
    contract_of,
    dead_letter_topic,
    dead_letter_topics,
    dead_letter_topics_among,
    family_member,
    is_foreign,
    is_on,
    max_message_bytes,
    original_of,
    partitions_of,
    readers_of,
    retention_of,
    sources_of,
    topic_settings,
)

WEEK = timedelta(days=7)
LAB, LAB_DLQ = family_member(topics.COHORT, "lab"), "heraut.cohort.lab.v1.intake.dlq"
LETTER_DLQ = "heraut.notices.routed.letter.v1.dispatch-letter.dlq"


def test_every_stage_that_reads_a_topic_has_its_dead_letters() -> None:
    """What a stage cannot read has a place to go, for each of its inputs."""
    made = {setting.name for setting in topic_settings(8, "kafka", (topics.COHORT,))}
    wanted = {dead_letter_topic(name, stage) for name in topics.TOPIC for stage in STAGES if stage in readers_of(name)}

    assert {LETTER_DLQ, "heraut.cohort.v1.intake.dlq"} <= wanted
    assert set(dead_letter_topics()) == wanted
    assert {name for name in made if name.endswith(".dlq")} == wanted


def test_a_dead_letter_topic_tells_its_origin() -> None:
    """Topic and stage are found again in the name, although both have dots or hyphens."""
    assert original_of(LETTER_DLQ) == (topics.NOTICES_ROUTED_LETTER, "dispatch-letter")
    for name in (topics.NOTICES_ROUTED_LETTER, "other.topic.stage.dlq"):
        with pytest.raises(ValueError, match="not a dead-letter topic"):
            original_of(name)


def test_a_dead_letter_lies_in_the_partition_that_it_came_from() -> None:
    """A dead-letter topic has as many partitions as its topic."""
    assert partitions_of(LETTER_DLQ, 12) == partitions_of(topics.NOTICES_ROUTED_LETTER, 12) == 12
    assert partitions_of(topics.TOTALS_CHANGED, 12) == 1


def test_a_dead_letter_has_room_for_its_headers() -> None:
    """The largest block still fits when it is set aside."""
    assert max_message_bytes(LETTER_DLQ) > max_message_bytes(topics.NOTICES_ROUTED_LETTER) > MAX_BLOCK_BYTES


def test_sources_are_the_producers_and_replays() -> None:
    """A stage asks for the blocks of every writer of its input, and for replayed dead letters."""
    channels = [f"dispatch-{channel.label}" for channel in Channel]
    assert sorted(sources_of(topics.TOTALS_CHANGED)) == sorted(("intake", "deduplication", *channels, "dlq"))
    assert sources_of(topics.INCIDENTS_CHANGED) == ("intake",)
    assert sources_of(LETTER_DLQ) == ("dispatch-letter",)
    assert sources_of(topics.COHORT) == ()


def test_upstream_topics_are_foreign_and_on_kafka_only() -> None:
    """The upstream systems' topic is told apart, and the embedded log does not have it."""
    assert [spec.name for spec in topics.TOPICS if is_foreign(spec.name)] == [topics.COHORT]
    assert all(is_on(spec.name, "kafka") for spec in topics.TOPICS)
    assert [spec.name for spec in topics.TOPICS if not is_on(spec.name, "postgres")] == [topics.COHORT]


def test_a_table_has_no_readers_to_wait_for() -> None:
    """Who reads a topic whole at every start takes no block off it."""
    assert readers_of(topics.INCIDENTS_CHANGED) == ()
    assert readers_of(topics.DELIVERIES_REFUSED) == ("routing",)


def test_retention_is_the_topics_own() -> None:
    """Incidents are kept for ever, dead letters for a month, upstream's for three days, the rest as configured."""
    assert retention_of(topics.INCIDENTS_CHANGED, WEEK) is None
    assert retention_of(topics.MEMBERS_ACCEPTED, WEEK) == WEEK
    assert retention_of(LETTER_DLQ, WEEK) == timedelta(days=30)
    assert retention_of("heraut.cohort.v1.intake.dlq", WEEK) == timedelta(days=3)


def test_no_broker_refuses_a_block_for_its_clock() -> None:
    """The writer's clock may be ahead of the broker's."""
    made = topic_settings(8, "kafka", (topics.COHORT, LAB))
    assert {config_of(setting.name)["message.timestamp.after.max.ms"] for setting in made} == {"9223372036854775807"}


def test_a_member_of_a_family_follows_the_contract_of_its_topic() -> None:
    """A source's topic is partitioned, kept, read and set aside like the one without a source."""

    def promises(topic: str) -> tuple[object, ...]:
        aside = dead_letter_topic(topic, "intake")
        return (
            contract_of(topic), partitions_of(topic, 12), partitions_of(aside, 12), config_of(topic), config_of(aside),
            readers_of(topic), sources_of(topic), sources_of(aside), is_foreign(topic), is_on(topic, "kafka"),
            is_on(topic, "postgres"), max_message_bytes(topic), retention_of(topic, WEEK), retention_of(aside, WEEK),
        )  # fmt: skip

    assert "heraut.cohort.lab.v1" == LAB
    assert promises(topics.COHORT) == promises(LAB)
    assert (LAB, "intake") == original_of(LAB_DLQ)


def test_topics_with_a_family_are_made_where_they_are_asked_for() -> None:
    """Neither the topic nor a member exists unasked; those that are asked for come once, with their dead letters."""

    def made(*members: str) -> list[str]:
        return [s.name for s in topic_settings(8, "kafka", members) if s.name.startswith("heraut.cohort.")]

    plain = [topics.COHORT, dead_letter_topic(topics.COHORT, "intake")]
    assert [] == made()
    assert plain == made(topics.COHORT)
    assert [LAB, LAB_DLQ, *plain] == made(LAB, topics.COHORT, LAB)
    assert list(topic_settings(8, "postgres", ())) == list(topic_settings(8, "postgres", (LAB, topics.COHORT)))


@pytest.mark.parametrize(
    "name", ["heraut.cohort.a.b.v1", "heraut.cohort..v1", LAB_DLQ, LAB + "\n", topics.MEMBERS_ACCEPTED]
)
def test_another_topic_cannot_be_asked_for(name: str) -> None:
    """A dead-letter topic, a name that is none, and a topic that always exists are told apart from family members."""
    with pytest.raises(ConfigError, match=r"heraut\.cohort\.v1 or heraut\.cohort\.\{source\}\.v1"):
        list(topic_settings(8, "kafka", (LAB, name)))


@pytest.mark.parametrize("source", ["", "-lab", "Lab", "a.b", "a_b", "a/b", "lab\n", "é", "a" * 64])
def test_a_source_that_cannot_stand_in_a_topics_name_has_no_topic(source: str) -> None:
    """What Kafka refuses, or would make a name of another shape, is refused before it is asked for."""
    with pytest.raises(ValueError, match="no topic for this source"):
        family_member(topics.COHORT, source)


def test_a_topic_without_family_has_no_members() -> None:
    """No source can have a topic among those that Heraut's rooms write."""
    with pytest.raises(ValueError, match="no topic for this source"):
        family_member(topics.MEMBERS_ACCEPTED, "lab")
    assert (None, None) == (contract_of("heraut.members.accepted.lab.v1"), contract_of("other"))


def test_dead_letter_topics_are_found_among_names() -> None:
    """Whichever topics the log has, those with dead letters are known, a member's included."""
    names = [LETTER_DLQ, LAB, LAB_DLQ, "other.topic.stage.dlq", "heraut.cohort.a.b.v1.intake.dlq"]
    assert sorted([LAB_DLQ, LETTER_DLQ]) == dead_letter_topics_among(names)
