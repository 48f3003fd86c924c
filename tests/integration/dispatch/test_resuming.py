"""The end of a pause never overtakes data: dispatch lets go once deduplication has known all that came before it."""

from dataclasses import replace

from services.core.status import AttemptState
from services.demo.standins.portal import PortalServer
from services.kit.eventlog import Record
from services.wire.recalls import encode_known
from tests.integration.dispatch.bench import Bench
from tests.integration.dispatch.test_pauses import a_cohort, queue, said, sending, until_states
from tests.integration.dispatch.test_recalls import RECALLED, asked, hear
from tests.unit.dispatch.people import some_notices


def known(*taken: int) -> Record:
    """Return the block that says in the first partition how far deduplication knows intake's blocks, of each."""
    output = encode_known(0, taken)
    return Record(RECALLED, 0, 0, "deduplication", 2, 0, output.value)


async def test_a_resume_waits_for_what_was_acknowledged_before_it(messages: Bench, portal_server: PortalServer) -> None:
    """Deduplication is behind with corrections as the pause ends: nobody goes before it recalled whom they concern."""
    notices = some_notices(6, carriers=[("wave-1",)] * 4 + [("wave-1", "wave-2"), ("wave-2",)])
    await queue(messages, notices)
    messages.incidents.put(a_cohort(messages, "wave-2"))
    messages.incidents.put(replace(a_cohort(messages), version=2, paused_since=2))
    async with sending(messages, portal_server):
        await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT)
        messages.incidents.put(replace(a_cohort(messages), version=3, resumed_after=(7,)))
        await messages.tick()
        await messages.until_looked()
        await hear(messages, known(6))
        await messages.tick()
        await messages.until_looked()
        before = set(said(portal_server))
        stopped = await hear(messages, asked(notices, range(2)), known(7))
        await messages.tick()
        states = await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT, AttemptState.PAUSED)

    assert {f"{notices.ids[5].hex()}.1"} == before
    assert dict.fromkeys(notices.ids[:2], True) == stopped
    assert {AttemptState.STOPPED: 2, AttemptState.ACCEPTED: 4} == states
    assert {f"{notice.hex()}.1" for notice in notices.ids[2:]} == set(said(portal_server))


async def test_with_ties_a_resume_waits_for_all_partitions(messages: Bench, portal_server: PortalServer) -> None:
    """A correction in another partition may call back what lies here: nobody goes before that one is known as well."""
    notices = some_notices(3, carriers=[("wave-1",)] * 3)
    await queue(messages, notices)
    messages.incidents.put(replace(a_cohort(messages), version=2, paused_since=2))
    async with sending(messages, portal_server):
        messages.incidents.put(replace(a_cohort(messages), version=3, resumed_after=(1, 5), tied=True))
        await hear(messages, known(9, 4))
        await messages.tick()
        await messages.until_looked()
        before = set(said(portal_server))
        stopped = await hear(messages, asked(notices, range(1)), known(9, 5))
        await hear(messages, known(9, 4))
        await messages.tick()
        states = await until_states(messages, AttemptState.TAKEN, AttemptState.INTENT, AttemptState.PAUSED)

    assert (set(), {notices.ids[0]: True}) == (before, stopped)
    assert {AttemptState.STOPPED: 1, AttemptState.ACCEPTED: 2} == states
