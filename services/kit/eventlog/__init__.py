"""The event log: one port, and an adapter for each log that there is (Kafka, and PostgreSQL itself).

A record is a block. Each carries its source (the stage that wrote it) and a sequence without gaps per
(source, topic, partition), given at the writer's commit. A reader takes a block if its sequence is the next one, and
so notices a repeat and a loss alike. There is no promised order across sources.
"""

from services.kit.eventlog.choose import Installation, installation_of
from services.kit.eventlog.dead_letters import DeadLetter, DlqLimit, DlqTally, dead_letter, position_of
from services.kit.eventlog.durability import Durability
from services.kit.eventlog.globaltable import Entry, GlobalTable
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.outbox import append_outputs, read_heads
from services.kit.eventlog.partitions import compare_partitions, fix_partitions
from services.kit.eventlog.port import Cursor, EventLog, Output, Record, Row, TopicPartition
from services.kit.eventlog.replay import DeadLetters, Place
from services.kit.eventlog.retention import Retention
from services.kit.eventlog.rights import Granted, TopicRight
from services.kit.eventlog.timelines import Timeline, Timelines, begin_timeline, read_timelines
from services.kit.eventlog.topics import (
    comes_again_within,
    contract_of,
    dead_letter_topic,
    dead_letter_topics,
    family_member,
    family_topics,
    is_dead_letter_topic,
    is_foreign,
    is_on,
    original_of,
    partitions_of,
)

__all__ = [
    "Cursor",
    "DeadLetter",
    "DeadLetters",
    "DlqLimit",
    "DlqTally",
    "Durability",
    "Entry",
    "EventLog",
    "GlobalTable",
    "Granted",
    "Installation",
    "Output",
    "Place",
    "Record",
    "Retention",
    "Row",
    "Timeline",
    "Timelines",
    "TopicPartition",
    "TopicRight",
    "append_outputs",
    "begin_timeline",
    "comes_again_within",
    "compare_partitions",
    "contract_of",
    "dead_letter",
    "dead_letter_topic",
    "dead_letter_topics",
    "decode_headers",
    "family_member",
    "family_topics",
    "fix_partitions",
    "installation_of",
    "is_dead_letter_topic",
    "is_foreign",
    "is_on",
    "original_of",
    "partitions_of",
    "position_of",
    "read_heads",
    "read_timelines",
]
