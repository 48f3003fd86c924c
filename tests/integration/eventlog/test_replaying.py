"""Many dead letters at once, as `heraut dlq` sends them back and deletes them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from services.cli.replaying import delete_up_to, doomed_by, places_of, send_back
from services.core.access import Caller, Principal, Role
from services.kit.eventlog import DeadLetters, Place, Record, TopicPartition, dead_letter, dead_letter_topic
from tests.integration.eventlog.bench import Bench

TOPIC = "heraut.members.accepted.v1"
BY = Caller(Principal("ann", frozenset({Role.OPERATOR})), "r-1")
DLQ = dead_letter_topic(TOPIC, "deduplication")


@pytest.fixture
async def letters(bench: Bench) -> AsyncIterator[DeadLetters]:
    """Return the dead letters of the log under test."""
    async with bench.dead_letters() as made:
        yield made


async def _set_aside(bench: Bench, *reasons: str, partition: int = 3) -> None:
    outputs = [
        dead_letter(Record(TOPIC, partition, at, "intake", at, 0, b"x"), "deduplication", "InvalidMessage", reason)
        for at, reason in enumerate(reasons, 1)
    ]
    await bench.write_outputs(outputs, "deduplication")


async def test_letters_of_one_reason_are_sent_back_once(bench: Bench, letters: DeadLetters) -> None:
    """The mended kind goes, the others stay; the same command again sends nothing twice."""
    await _set_aside(bench, "too-new", "not-a-block", "too-new")
    places = await places_of(letters, DLQ, "too-new")
    first = await send_back(letters, places, BY, again=False)
    second = await send_back(letters, await places_of(letters, None, "too-new"), BY, again=False)

    assert (2, [], {}, False) == (len(first.sent), first.missing, first.refused, first.stopped)
    assert [] == second.sent
    noted = await bench.pool.fetchval("select count(*) from log.dead_letter_acts where principal = 'ann'")
    assert 2 == noted


async def test_what_cannot_be_sent_back_is_told_and_holds_up_nobody(bench: Bench, letters: DeadLetters) -> None:
    """A place that holds nothing is missing, the next one goes."""
    await _set_aside(bench, "not-a-block")
    places = await places_of(letters, DLQ)
    nobody: Place = (TopicPartition(DLQ, 3), 4711)
    done = await send_back(letters, [nobody, *places], BY, again=True)

    assert ([f"{DLQ}/3/4711"], 1) == (done.missing, len(done.sent))
    assert [f"{DLQ}/3/4711 is not there"] == [line for line in done.lines(each_told=False) if "not there" in line]


async def test_a_signal_stops_between_two_letters(bench: Bench, letters: DeadLetters) -> None:
    """Whoever stops it loses nothing: what was sent is noted, the rest is where it was."""
    await _set_aside(bench, "not-a-block", "not-a-block")
    places = await places_of(letters, DLQ)

    class Stopping:
        """Dead letters whose first replay is followed by a signal."""

        def __init__(self, inner: DeadLetters) -> None:
            self._inner = inner

        async def replay(self, at: TopicPartition, offset: int, caller: Caller) -> bool:
            sent = await self._inner.replay(at, offset, caller)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.01)  # the loop gets to hear of it
            return sent

    done = await send_back(Stopping(letters), places, BY, again=True)  # type: ignore[arg-type] # all that it uses

    assert (1, True) == (len(done.sent), done.stopped)
    assert [places[1]] == [place for place in await places_of(letters, DLQ) if place not in await letters.sent_back()]


async def test_purge_deletes_up_to_a_place_in_its_partition(bench: Bench, letters: DeadLetters) -> None:
    """What came later and what is in other partitions stays; without places all of a topic goes."""
    await _set_aside(bench, "a", "b", "c")
    await _set_aside(bench, "d", partition=1)
    (other, _, second, third) = await places_of(letters, DLQ)
    doomed = await doomed_by(letters, [second])
    await delete_up_to(letters, doomed, BY)
    left = await places_of(letters, DLQ)
    await delete_up_to(letters, left, BY)

    assert (2, [other, third], []) == (len(doomed), left, await places_of(letters, DLQ))
