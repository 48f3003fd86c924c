"""A pause at dispatch: nothing begins after it, what had begun is listed exactly, and a resume lets the rest go."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from notification.v1 import dispatch_pb2

from services.core.channel import Channel
from services.core.cohort import Cohort
from services.core.ledger import COUNTERS
from services.core.notices import Notices
from services.core.status import AttemptState
from services.demo.standins.portal import PortalServer
from services.dispatch.channels.portal import Portal
from services.kit.stage import TotalsRow, sum_totals
from services.wire.totals import decode_totals
from tests.integration.dispatch.bench import Bench, a_payload
from tests.integration.dispatch.test_recalls import asked, hear
from tests.unit.dispatch.people import some_notices

OBSERVED = "heraut.pauses.observed.v1"


def a_cohort(messages: Bench, cohort_id: str = "wave-1") -> Cohort:
    """Return a released cohort."""
    about = messages.incident.incident_id, cohort_id, 1, "urn:lab", None
    return Cohort(*about, auto_release=True, sealed=True, released=False, release_after=(0,))


async def queue(messages: Bench, notices: Notices) -> None:
    """Queue messages of people whose data is in the vault."""
    await messages.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(len(notices))])
    await messages.take(notices)


@asynccontextmanager
async def sending(messages: Bench, server: PortalServer) -> AsyncIterator[None]:
    """Have a sender at work while the context lasts."""
    portal, stop = Portal(server.url, timeout=5.0), asyncio.Event()
    async with asyncio.TaskGroup() as group, asyncio.timeout(60):
        group.create_task(messages.sender(portal).run(stop))
        yield
        stop.set()
        messages.stage.told.spread()
    await portal.close()


async def until_states(messages: Bench, *gone: AttemptState) -> dict[AttemptState, int]:
    """Wait until no attempt is in these states."""
    while set(gone) & (states := await messages.states()).keys():  # noqa: ASYNC110 - a table has no event
        await asyncio.sleep(0.02)
    return states


async def reported(messages: Bench) -> list[tuple[str, set[str]]]:
    """Return the reports in the log: the pause, and the keys of the attempts that had begun."""
    found = []
    for value in await messages._blocks(OBSERVED):
        block = dispatch_pb2.PausesObserved.FromString(value)
        ids = [block.ids[at : at + 16].hex() for at in range(0, len(block.ids), 16)]
        found.append((block.pause_id, {f"{one}.{attempt}" for one, attempt in zip(ids, block.attempts, strict=True)}))
    return found


def said(server: PortalServer) -> list[str]:
    """Return the keys of all requests that the portal has seen."""
    return [key for key, _ in server.requests]


async def test_nothing_begins_after_a_pause_and_what_had_begun_is_listed(
    messages: Bench, portal_server: PortalServer
) -> None:
    """5,000 are queued at a slow provider: by its own record nothing comes after, but what is listed."""
    notices = some_notices(5000, carriers=[("wave-1",)] * 5000)
    await queue(messages, notices)
    cohort = a_cohort(messages)
    messages.incidents.put(cohort)
    portal_server.delay = 0.05
    async with sending(messages, portal_server):
        await portal_server.reached.wait()
        while len(portal_server.requests) < 200:  # noqa: ASYNC110 - the server counts
            await asyncio.sleep(0.01)
        before = set(said(portal_server))
        messages.incidents.put(replace(cohort, version=2, paused_since=2))
        await messages.tick()
        while not await reported(messages):
            await messages.tick()
        states = await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
        at_rest = said(portal_server)
        ((pause, begun),) = await reported(messages)

        assert "wave-1.2" == pause
        assert set(at_rest) - before <= begun <= set(at_rest)
        assert {AttemptState.ACCEPTED: len(at_rest), AttemptState.PAUSED: 5000 - len(at_rest)} == states
        await messages.tick()
        assert 1 == len(await reported(messages))
        assert at_rest == said(portal_server)
        portal_server.delay = 0
        messages.incidents.put(replace(cohort, version=3, resumed_after=(0,)))
        await messages.tick()
        while len(portal_server.requests) < len(at_rest) + 50:  # noqa: ASYNC110 - the server counts
            await asyncio.sleep(0.01)
    assert len(said(portal_server)) == len(set(said(portal_server)))


async def test_a_pause_keeps_those_alone_who_name_its_facts(messages: Bench, portal_server: PortalServer) -> None:
    """Whoever bears the notice: a supplement that names facts of the cohort stays, others go."""
    carriers = [("wave-1",), ("wave-1", "wave-2"), ("wave-2",), ("wave-1",)]
    notices = some_notices(4, carriers=carriers)
    messages.incidents.put(a_cohort(messages))
    messages.incidents.put(replace(a_cohort(messages, "wave-2"), version=2, paused_since=2))
    await queue(messages, notices)
    async with sending(messages, portal_server):
        await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
    stopped = await hear(messages, asked(notices, range(1, 2)))

    assert {f"{notices.ids[at].hex()}.1" for at in (0, 3)} == set(said(portal_server))
    assert {notices.ids[1]: True} == stopped
    assert {AttemptState.ACCEPTED: 2, AttemptState.PAUSED: 1, AttemptState.STOPPED: 1} == await messages.states()


async def test_what_a_killed_process_had_begun_is_reported_by_the_next(
    messages: Bench, portal_server: PortalServer
) -> None:
    """Its intents stand: they are listed, and are not repeated before the pause ends."""
    notices = some_notices(20, carriers=[("wave-1",)] * 20)
    messages.incidents.put(a_cohort(messages))
    await queue(messages, notices)
    portal = Portal(portal_server.url, timeout=5.0)
    await messages.die_in(portal, after=False)
    await portal.close()
    messages.busy.clear()
    messages.incidents.put(replace(a_cohort(messages), version=2, paused_since=2))
    async with sending(messages, portal_server):
        while not await reported(messages):
            await messages.until_looked()
            await messages.tick()

    ((_, begun),) = await reported(messages)
    assert {f"{notice.hex()}.1" for notice in notices.ids} == begun
    assert [] == said(portal_server)


async def test_a_pause_that_is_over_before_a_tick_is_reported_too(messages: Bench, portal_server: PortalServer) -> None:
    """Its list gets complete: what was under way as it was heard of is listed, and each pause by itself."""
    notices = some_notices(3, carriers=[("wave-1",)] * 3)
    messages.incidents.put(a_cohort(messages))
    await queue(messages, notices)
    portal = Portal(portal_server.url, timeout=5.0)
    await messages.die_in(portal, after=False)
    await portal.close()
    messages.busy.clear()
    for version in (2, 4):
        messages.incidents.put(replace(a_cohort(messages), version=version, paused_since=version))
        messages.incidents.put(replace(a_cohort(messages), version=version + 1, resumed_after=(0,)))
    handler = messages.handler()
    for _ in range(3):
        await messages.tick_of(handler)
    found = await reported(messages)

    keys = {f"{notice.hex()}.1" for notice in notices.ids}
    assert [("wave-1.2", keys), ("wave-1.4", keys)] == sorted(found)


async def test_who_has_not_heard_of_the_incidents_begins_nothing(messages: Bench, portal_server: PortalServer) -> None:
    """A process whose table may be two seconds old might not know of a pause."""
    await queue(messages, some_notices(5))
    messages.incidents.is_fresh = False
    async with sending(messages, portal_server):
        await messages.until_looked()
        states, seen = await messages.states(), said(portal_server)
        messages.incidents.is_fresh = True
        await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)

    assert ({AttemptState.TAKEN: 5}, []) == (states, seen)
    assert {AttemptState.ACCEPTED: 5} == await messages.states()
    assert messages.channel is Channel.PORTAL


async def counted(messages: Bench, counter: str = "set_aside") -> dict[str, int]:
    """Return what is counted, by scope, as it stands and as the log says; the two agree."""
    async with messages.pool.acquire() as connection:
        rows = await sum_totals(connection, "", COUNTERS["dispatch"])
        again = await messages.store.recount(connection, None)
    standing = {scope: counts[counter] for scope, counts in rows.items() if counts[counter]}
    heard: dict[tuple[str, str], TotalsRow] = {}
    for row in (row for value in await messages._blocks("heraut.totals.changed.v1") for row in decode_totals(value)):
        heard[row.scope, row.source] = max(row, heard.get((row.scope, row.source), row), key=lambda one: one.sequence)
    told = Counter[str]()
    for (scope, _), row in heard.items():
        told[scope] += row.counts[counter]
    assert standing == {scope: counts[counter] for scope, counts in again.items()} == dict(+told)
    return standing


async def test_what_a_pause_holds_back_is_counted_by_cohort(messages: Bench, portal_server: PortalServer) -> None:
    """Set aside, called back and gone on: the totals, the log and the rows say the same each time."""
    carriers = [("wave-1",), ("wave-1", "wave-2"), ("wave-2",), ("wave-1",)]
    notices = some_notices(4, carriers=carriers, cohorts=["wave-1", "wave-2", "wave-2", "wave-1"])
    incident = notices.incident_id
    for cohort in ("wave-1", "wave-2"):
        messages.incidents.put(a_cohort(messages, cohort))
    messages.incidents.put(replace(a_cohort(messages), version=2, paused_since=2))
    await queue(messages, notices)
    async with sending(messages, portal_server):
        await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
        held = await counted(messages)
        handler = messages.handler()
        async with messages.stage.fenced([0]) as transaction:
            work = [handler.decode(asked(notices, range(1)))]
            transaction.emit(await handler.apply(transaction.connection, work))
        stopped = await counted(messages)
        messages.incidents.put(replace(a_cohort(messages), version=3))
        await messages.tick()
        gone_on = await counted(messages)

    assert {f"{incident}/wave-1": 2, f"{incident}/wave-2": 1} == held
    assert {f"{incident}/wave-1": 1, f"{incident}/wave-2": 1} == stopped
    assert {} == gone_on
