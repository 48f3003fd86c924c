"""A channel that is closed: nothing begins on it any more, what waited moves on, and what had begun is listed."""

import asyncio
from dataclasses import replace

import pytest

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.status import CHANNEL_CLOSED, AttemptState
from services.demo.standins.portal import PortalServer
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.channels.portal import Portal
from tests.integration.dispatch.bench import Bench, a_payload
from tests.integration.dispatch.test_pauses import a_cohort, counted, queue, reported, said, sending, until_states
from tests.integration.dispatch.test_recalls import asked, hear
from tests.unit.dispatch.people import some_notices


def close(bench: Bench, channel: Channel | None = None) -> None:
    """Put a version of the bench's incident that closes its channel, or another one."""
    put(bench, replace(bench.incident, version=2, compromised=frozenset({channel or bench.channel})))


def put(bench: Bench, incident: Incident) -> None:
    """Make a version of an incident known, to all processes."""
    bench.further.append(incident)
    bench.known()


async def given_back(bench: Bench) -> set[bytes]:
    """Return the notices that went back to routing as the channel is closed; each says that it was tried."""
    found = [one for one in await bench.refused() if one[0] == CHANNEL_CLOSED]
    assert all(tried == bytes([bench.channel] * len(tried)) for _, _, tried in found)
    return {ids[at : at + 16] for _, ids, _ in found for at in range(0, len(ids), 16)}


async def test_nothing_begins_on_a_closed_channel_and_what_had_begun_is_listed(
    messages: Bench, portal_server: PortalServer
) -> None:
    """3,000 are queued at a slow provider: nothing comes after by its own record, and whoever is left moves on."""
    notices = some_notices(3000)
    await queue(messages, notices)
    portal_server.delay = 0.05
    async with sending(messages, portal_server):
        while len(portal_server.requests) < 200:  # noqa: ASYNC110 - the server counts
            await asyncio.sleep(0.01)
        before = set(said(portal_server))
        close(messages)
        while not await reported(messages):
            await messages.tick()
        states = await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
        at_rest = said(portal_server)
        ((closure, begun),) = await reported(messages)

    assert ".portal.2" == closure
    assert set(at_rest) - before <= begun <= set(at_rest)
    assert {AttemptState.ACCEPTED: len(at_rest), AttemptState.CLOSED: 3000 - len(at_rest)} == states
    assert {f"{notice.hex()}.1" for notice in await given_back(messages)} == set(_keys(notices.ids)).difference(at_rest)
    assert 3000 - len(at_rest) == messages.count("closed") == sum((await counted(messages, "moved_on_portal")).values())


async def test_what_waits_moves_on_while_the_provider_is_left_alone(messages: Bench) -> None:
    """No sender looks at a paused channel's queue: a tick does, also at what was put off, and at this incident's alone.

    Opened again, the channel takes nobody back.
    """
    other = replace(messages.incident, incident_id="another")
    messages.further = [other]
    await messages.take(some_notices(5, other))
    notices = some_notices(40, ids=[bytes([at]) * 16 for at in range(40)])
    await messages.take(notices)
    await messages.pool.execute("update batches set due = now() + interval '1 hour' where count = 8")
    handler = messages.handler()
    close(messages)
    await messages.tick_of(handler)
    await messages.tick_of(handler)
    moved = await messages.states()
    put(messages, replace(messages.incident, version=3))
    await messages.tick_of(handler)
    await messages.take(some_notices(40, ids=notices.ids))  # a replay

    assert {AttemptState.TAKEN: 5, AttemptState.CLOSED: 40} == moved == await messages.states()
    assert {*notices.ids} == await given_back(messages)
    assert {AttemptState.ACCEPTED, AttemptState.REFUSED}.isdisjoint(await messages.attempted())


async def test_what_a_killed_process_had_begun_is_not_begun_again(messages: Bench, portal_server: PortalServer) -> None:
    """A closed channel is not asked: it is unknown and listed, and goes on once nothing was heard in time."""
    notices = some_notices(20)
    await queue(messages, notices)
    portal = Portal(portal_server.url, timeout=5.0)
    await messages.die_in(portal, after=False)
    await portal.close()
    messages.busy.clear()
    close(messages)
    async with sending(messages, portal_server):
        states = await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
        while not await reported(messages):
            await messages.tick()

    ((_, begun),) = await reported(messages)
    assert {AttemptState.UNKNOWN: 20} == states
    assert (set(_keys(notices.ids)), []) == (begun, said(portal_server))


async def test_a_print_file_that_was_finished_stands(letters: Bench, print_folder: PrintFolder) -> None:
    """The print house has it: its letters were accepted, whatever was closed before that was written down."""
    notices = some_notices(3)
    await letters.seal(notices, [a_payload() for _ in range(3)])
    await letters.take(notices)
    await letters.die_in(print_folder, after=True)
    letters.busy.clear()
    close(letters)
    await letters.send(print_folder)

    assert {AttemptState.ACCEPTED: 3} == await letters.states()


async def test_a_pause_holds_what_waits_for_a_closed_channel_and_a_recall_stops_it(messages: Bench) -> None:
    """Set aside it stays so; after the pause it moves on, but for what was called back."""
    notices = some_notices(4)
    await messages.take(notices)
    messages.incidents.put(replace(a_cohort(messages), version=2, paused_since=2))
    async with sending(messages, PortalServer()):
        await until_states(messages, AttemptState.TAKEN)
    close(messages)
    await messages.tick()
    paused = await messages.states()
    stopped = await hear(messages, asked(notices, range(1)))
    messages.incidents.put(replace(a_cohort(messages), version=3))
    handler = messages.handler()
    for _ in range(3):
        await messages.tick_of(handler)

    assert ({AttemptState.PAUSED: 4}, {notices.ids[0]: True}) == (paused, stopped)
    assert {AttemptState.STOPPED: 1, AttemptState.CLOSED: 3} == await messages.states()
    assert {*notices.ids[1:]} == await given_back(messages)


async def test_who_moved_on_is_answered_where_it_is_now(messages: Bench) -> None:
    """A recall that comes after is not answered by the closed channel: the notice is another one's."""
    notices = some_notices(2)
    await messages.take(notices)
    close(messages)
    await messages.tick()

    assert {} == await hear(messages, asked(notices, range(2)))
    assert {AttemptState.CLOSED: 2} == await messages.states()


async def test_another_channel_that_is_closed_is_no_concern(messages: Bench, portal_server: PortalServer) -> None:
    """Each channel's process looks at its own."""
    notices = some_notices(3)
    await queue(messages, notices)
    close(messages, Channel.EMAIL)
    async with sending(messages, portal_server):
        await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
    await messages.tick()

    assert ({AttemptState.ACCEPTED: 3}, []) == (await messages.states(), await reported(messages))


def _keys(ids: list[bytes]) -> list[str]:
    return [f"{one.hex()}.1" for one in ids]


@pytest.fixture
def print_folder(tmp_path_factory: pytest.TempPathFactory) -> PrintFolder:
    """Return a print folder."""
    return PrintFolder(tmp_path_factory.mktemp("print"))
