"""Who the synthetic person is, and that it comes everywhere."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import CHANNELS, Channel
from services.core.ids import partitions_of
from services.core.synthetic import SYNTHETIC_INCIDENT
from services.intake.members.chunks import ChunkBuilder
from services.intake.reading.ndjson import read_object
from services.intake.synthetic.person import Way, document_of, record_of, way_of
from services.wire.incident_document import parse_incident
from tests.keys import FIRST_KEYS
from tests.unit.intake.builders import TODAY, a_cohort, an_incident, some_hashes


@given(st.integers(1, 40), st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True), st.integers(0, 10**9))
def test_in_time_each_partition_is_reached_on_each_channel(
    partitions: int, channels: list[Channel], first: int
) -> None:
    """As many people as there are ways go all of them, whichever is the first, and partitions take turns."""
    ways = len(partitions_and := [(one, channel) for one in range(partitions) for channel in channels])
    begin = first - first % ways
    gone = [way_of(turn, partitions, channels) for turn in range(begin, begin + ways)]

    assert set(partitions_and) == set(gone)
    assert [turn % partitions for turn in range(begin, begin + ways)] == [way.partition for way in gone]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("partition", [0, 3, 95])
def test_its_record_is_taken_and_leads_to_its_way(channel: Channel, partition: int) -> None:
    """Nothing is wrong with it; it can be reached on one channel alone, and its partition is the one that is wanted."""
    incident = parse_incident(SYNTHETIC_INCIDENT, 1, document_of(an_incident().aware_at), FIRST_KEYS)
    hashes = some_hashes()
    record = record_of(7, Way(partition, channel), 96, hashes.of(incident).pseudonyms.of)
    builder = ChunkBuilder(incident, a_cohort(incident_id=SYNTHETIC_INCIDENT), hashes, TODAY, upload=8)
    builder.take([(1, orjson.dumps(record))], [read_object(record)])
    chunk = builder.give()

    assert ([], [int(channel)]) == (chunk.problems, chunk.channels)
    assert [partition] == partitions_of(chunk.pseudonyms, 96)
