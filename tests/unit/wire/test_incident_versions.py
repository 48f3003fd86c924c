"""Versions of an incident in the memory of a process."""

import asyncio
import tracemalloc

import orjson
from notification.topics import INCIDENTS_CHANGED

from services.core.incident import KeyVersions
from services.kit.eventlog import GlobalTable, TopicPartition
from services.kit.testing import MemoryLog, MemoryTopics
from services.wire.incidents import decode_incidents, encode_incident
from tests.unit.wire.test_incident_document import document

_VERSIONS, _TEXT, _ROOM = 20, 100_000, 1024 * 1024


def _written() -> MemoryTopics:
    """Tell of twenty versions of 1 MB each in memory, 20 times what there is room for."""
    topics = MemoryTopics()
    for version in range(1, _VERSIONS + 1):
        words = dict.fromkeys(("nl", "en"), f"{version} " + "é" * _TEXT)
        content = dict.fromkeys(["nature", "consequences", "measures", "advice", "contact"], words)
        block = encode_incident("lab", version, orjson.dumps(document(content=content)), KeyVersions())
        topics.write(TopicPartition(INCIDENTS_CHANGED, 0), block, source="intake", seq=version)
    return topics


async def test_big_versions_do_not_stay_in_memory() -> None:
    """However often a large document is put, a process holds the newest and a bounded part of the versions before."""
    topics, stop = _written(), asyncio.Event()
    table = GlobalTable(MemoryLog(topics), INCIDENTS_CHANGED, decode_incidents, MemoryLog(topics), _ROOM)
    tracemalloc.start()
    following = asyncio.create_task(table.run(stop))
    try:
        await asyncio.wait_for(table.loaded.wait(), 60)
        held, _ = tracemalloc.get_traced_memory()
        first = await table.wait_for(("incident", "lab", "1"))
        newest = await table.wait_for(("incident", "lab", str(_VERSIONS)))
    finally:
        tracemalloc.stop()
        stop.set()
        await following

    assert held < 5 * _ROOM
    assert ["1", "20"] == [one.content["nature"]["nl"].split()[0] for one in (first, newest)]
    assert newest is table.get(("incident", "lab"))
