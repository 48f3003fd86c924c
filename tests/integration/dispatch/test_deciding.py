"""An operator's act about rejected attempts overtakes nothing that was acknowledged before it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from notification.topics import NOTICES_STOPPED
from prometheus_client import CollectorRegistry

from services.core.access import Caller
from services.core.channel import Channel
from services.core.receipts import ReceiptKind
from services.core.status import AttemptState
from services.dispatch.printed.store import PrintedStore
from services.dispatch.rejected import carrying_out
from services.dispatch.standing import Standing
from services.kit.eventlog import Record
from services.wire.recalls import Answers, decode_stopped
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, ShiftedClock, make_bench
from tests.integration.dispatch.test_printed_api import FILE, RUN, PrintedFace
from tests.integration.dispatch.test_recalls import asked as recalled
from tests.integration.dispatch.test_recalls import hear
from tests.integration.dispatch.test_receipts import ended
from tests.integration.dispatch.test_rejected import INCIDENT, SEVERAL, RejectedFace
from tests.integration.dispatch.test_resuming import known
from tests.principals import OPERATOR
from tests.unit.dispatch.people import an_id, some_notices

BY = Caller(OPERATOR.principal, "request-1")
WAITS, TAKEN, REFUSED = AttemptState.UNPRINTED, AttemptState.TAKEN, AttemptState.REFUSED


@pytest.fixture
async def face(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[RejectedFace]:
    """Return the face, with mails of three people that their provider could not send."""
    bench = make_bench(Channel.EMAIL, await room_pool("dispatch"), await room_pool("intake"), tmp_path)
    made = RejectedFace(bench, tmp_path / "principals.json")
    await made.reject()
    async with made.client:
        yield made


async def asks(bench: Bench) -> list[Answers]:
    """Return the questions how far intake's blocks are known."""
    blocks = await bench._blocks(NOTICES_STOPPED)
    found = [decode_stopped(Record(NOTICES_STOPPED, 0, 0, bench.stage.name, 1, 0, block)) for block in blocks]
    return [one for one in found if one.asks]


async def decided(face: RejectedFace) -> dict[str, object] | None:
    """Return what is listed as decided and waiting."""
    (one,) = (await face.get("/v1/rejected"))[1]["rejected"]
    found: dict[str, object] | None = one["decided"]
    return found


@pytest.mark.parametrize("act", ["again", "give-up"])
async def test_an_act_waits_for_what_was_acknowledged_before_it(face: RejectedFace, act: str) -> None:
    """A correction lies in intake's log as the operator acts: whom it concerns is called back, and the others go."""
    bench = face.bench
    await bench.acknowledge(7)
    status, answer = await face.post(f"/v1/rejected/{INCIDENT}/{act}")
    await bench.acknowledge(1)  # what comes after it does not hold it up
    await bench.tick()
    await hear(bench, known(6, 0))
    await bench.tick()
    before, waits = await face.attempts(), await decided(face)
    await hear(bench, recalled(some_notices(SEVERAL, ids=face.ids), range(1)), known(7, 0))
    await bench.tick()
    ended_as = {(1, REFUSED): 2} if act == "give-up" else {(1, REFUSED): 2, (2, TAKEN): 2}

    assert (202, SEVERAL, 0) == (status, answer["notices"], answer["waiting"])
    assert {(1, WAITS): SEVERAL} == before
    assert waits is not None
    assert (SEVERAL, [0]) == (waits["notices"], waits["behindIn"])
    assert {(1, AttemptState.STOPPED): 1} | ended_as == await face.attempts()
    assert 2 * (act == "give-up") == sum(len(ids) // 16 for _, ids, _ in await bench.refused())
    assert 0 == await face.held()


async def test_it_waits_for_all_partitions(face: RejectedFace) -> None:
    """People may come under several identities: what calls one back may lie in any partition."""
    bench = face.bench
    await bench.acknowledge(1, 5)
    await face.post(f"/v1/rejected/{INCIDENT}/again")
    await hear(bench, known(9, 4))
    await bench.tick()
    before = await decided(face)
    await hear(bench, known(9, 5))
    await bench.tick()

    assert before is not None
    assert [1] == before["behindIn"]
    assert {(1, REFUSED): SEVERAL, (2, TAKEN): SEVERAL} == await face.attempts()


async def test_it_is_done_once_by_whoever_acts_first(face: RejectedFace) -> None:
    """What waits is not decided again, and is no more among what nobody decided about; what comes after it is."""
    await face.bench.acknowledge(1)
    _, first = await face.post(f"/v1/rejected/{INCIDENT}/give-up")
    _, second = await face.post(f"/v1/rejected/{INCIDENT}/again")
    page = (await face.get(f"/v1/rejected/{INCIDENT}"))[1]
    late = an_id("late")
    await ended(face.bench, some_notices(1, ids=[late]), AttemptState.ACCEPTED, partition=0)
    await face.hear([late])
    await hear(face.bench, known(1, 0))
    await face.bench.tick()
    left = (await face.get(f"/v1/rejected/{INCIDENT}"))[1]

    assert (SEVERAL, 0) == (first["notices"], first["waiting"])
    assert (0, SEVERAL, []) == (second["notices"], second["waiting"], page["notices"])
    assert {(1, REFUSED): SEVERAL, (1, WAITS): 1} == await face.attempts()
    assert [late.hex()] == [one["noticeId"] for one in left["notices"]]


async def test_who_dies_between_an_act_and_its_effect_leaves_it_to_the_next(
    face: RejectedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written down as it is answered, and done in parts: each once."""
    monkeypatch.setattr(carrying_out, "_AT_ONCE", 2)
    await face.bench.acknowledge(1)
    await face.post(f"/v1/rejected/{INCIDENT}/again")
    await hear(face.bench, known(1, 0))
    face.bench.stage.refuse = lambda: True
    with pytest.raises(Exception, match="not ours"):
        await face.bench.tick()
    face.bench.stage.refuse = lambda: False
    await face.bench.tick()
    half = await face.attempts()
    await face.bench.tick()
    await face.bench.tick()

    assert {(1, REFUSED): 2, (2, TAKEN): 2, (1, WAITS): 1} == half
    assert {(1, REFUSED): SEVERAL, (2, TAKEN): SEVERAL} == await face.attempts()


async def test_deduplication_is_asked_until_it_knows(face: RejectedFace) -> None:
    """At once, and after a while again, as a question or its answer may be lost; never where nothing waits."""
    bench, clock = face.bench, ShiftedClock(timedelta())
    handler = bench.handler(clock)
    handler._ticked = dict.fromkeys(bench.stage.owned(), clock.monotonic())
    await bench.tick_of(handler)
    never = await asks(bench)
    await bench.acknowledge(1)
    await face.post(f"/v1/rejected/{INCIDENT}/again")
    for seconds in (0, 1, 3, 4):
        clock._later = timedelta(seconds=seconds)
        await bench.tick_of(handler)
    asked = await asks(bench)
    await hear(bench, known(1, 0))
    clock._later = timedelta(hours=1)
    for _ in range(3):
        await bench.tick_of(handler)

    assert ([], [(INCIDENT, 0)] * 2) == (never, [(one.incident_id, one.partition) for one in asked])
    assert 2 == len(await asks(bench))


async def test_what_waits_and_for_how_long_is_a_figure(face: RejectedFace) -> None:
    """An act that waits because deduplication stands still is seen, and no longer counted as undecided."""
    bench, registry = face.bench, CollectorRegistry()
    standing = Standing(bench.pool, bench.store, registry, bench.traits)
    await bench.acknowledge(1)
    await face.post(f"/v1/rejected/{INCIDENT}/again")
    await bench.pool.execute("update print_acts set at = at - interval '1 hour'")
    await standing.look()

    def figure(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, {"channel": "email"} | labels) or 0.0

    assert SEVERAL == figure("dispatch_decided_notices")
    assert 3600 <= figure("dispatch_decided_oldest_seconds")
    assert 0 == figure("dispatch_open_notices", state="rejected")


async def test_another_incidents_batches_are_not_waited_for(face: RejectedFace) -> None:
    """Somebody holds them: who acts about an incident touches nothing of the others."""
    bench = face.bench
    other = replace(some_notices(1, ids=[an_id("other")]), incident_id="other")
    await ended(bench, other, AttemptState.ACCEPTED, partition=0)
    await face.hear(other.ids)
    async with bench.pool.acquire() as holder, holder.transaction():
        query = "select from attempts join batches using (batch) where notice = $1 for update"
        await holder.execute(query, other.ids[0])
        async with asyncio.timeout(20):
            again = await face.decide("again")

    assert SEVERAL == again
    assert {(1, WAITS): 1, (1, REFUSED): SEVERAL, (2, TAKEN): SEVERAL} == await face.attempts()


async def test_what_is_posted_while_an_act_waits_is_not_printed_again(letters: Bench, tmp_path: Path) -> None:
    """Its people may be told already: the operator is to decide anew."""
    face = PrintedFace(letters, tmp_path / "principals.json")
    await face.reject()
    await letters.acknowledge(1)
    async with face.client:
        await face.post(f"/v1/print-jobs/{RUN}/print-again")
        async with letters.pool.acquire() as connection:
            now = letters.clock.now()
            await PrintedStore(Channel.LETTER).note(connection, [FILE], ReceiptKind.POSTED, now, word="", now=now)
        await hear(letters, known(1, 0))
        await letters.tick()
        (job,) = (await face.get("/v1/print-jobs"))[1]["jobs"]

    assert ({AttemptState.UNPRINTED: 3}, 3, None) == (await letters.states(), job["unprinted"], job["decided"])
