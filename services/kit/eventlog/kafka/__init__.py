"""The event log on Kafka, through aiokafka. `choose.py` loads it where HERAUT_LOG says so."""

from services.kit.eventlog.kafka.admin import ensure_topics
from services.kit.eventlog.kafka.client import KafkaAdmin, KafkaSettings, new_admin
from services.kit.eventlog.kafka.installation import KafkaInstallation
from services.kit.eventlog.kafka.log import KafkaLog
from services.kit.eventlog.kafka.replay import KafkaDeadLetters

__all__ = [
    "KafkaAdmin",
    "KafkaDeadLetters",
    "KafkaInstallation",
    "KafkaLog",
    "KafkaSettings",
    "ensure_topics",
    "new_admin",
]
