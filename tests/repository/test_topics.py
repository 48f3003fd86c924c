"""Rule 3: topics in code are the topics of proto/topics, and each has a reader."""

from pathlib import Path

import yaml
from notification.topics import TOPICS

from services.core.rooms import ROOMS, STAGES

TOPIC_FILES = sorted((Path(__file__).parents[2] / "proto" / "topics").glob("*.yaml"))


def test_topics_in_code_are_those_of_the_contracts() -> None:
    """What the code knows as topics is what the contracts declare."""
    assert sorted(path.stem for path in TOPIC_FILES) == sorted(topic.name for topic in TOPICS)


def test_every_topic_has_a_reader_and_a_writer_that_exist() -> None:
    """No block is written that nobody reads, and no stage waits for what nobody writes."""
    known = {*STAGES, *ROOMS, "upstream"}
    for path in TOPIC_FILES:
        topic = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert topic["consumers"] or topic.get("terminal")
        assert topic["producers"]
        assert set(topic["consumers"]) | set(topic["producers"]) <= known, path.stem
