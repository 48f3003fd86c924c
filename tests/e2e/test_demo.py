"""`heraut demo` does the main job in one go, on both logs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.core.channel import CHANNEL_NAMES
from services.kit.eventlog.kafka import KafkaSettings
from services.kit.eventlog.kafka.admin import listed_topics
from tests.e2e.heraut_process import heraut_json

# Everybody is told once and their own news; the other figures depend on the seed.
HOLDS = {"lost": 0, "duplicates": 0, "somebodyElses": 0, "unexpected": 0, "untold": 0, "balanced": True}


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in HOLDS}


@pytest.mark.timeout(600)
def test_everybody_is_told_once_on_the_embedded_log(tmp_path: Path) -> None:
    """Two thousand people in three waves, with supplements, and nothing installed but Python."""
    result = heraut_json("demo", "--people", "2000", "--supplements", "--data", str(tmp_path))

    assert _figures(result) == HOLDS
    assert (2000, "postgres") == (result["people"], result["log"])
    assert set(CHANNEL_NAMES.values()) == set(result["channels"])
    assert result["members"] > result["people"] > result["notices"] - 200
    assert sorted(Path(result["printDir"]).glob("*.done"))


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_everybody_is_told_once_on_kafka(kafka_bootstrap: str) -> None:
    """The same over a real Kafka, whose topics the demo makes and deletes."""
    result = heraut_json(
        "demo", "--people", "1000", "--log", "kafka", "--seed", "2", HERAUT_KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap
    )

    assert _figures(result) == HOLDS
    assert (1000, "kafka") == (result["people"], result["log"])
    left = asyncio.run(listed_topics(KafkaSettings(bootstrap_servers=kafka_bootstrap)))
    assert [] == left  # another demo finds a broker without topics again
