"""A message store of FBS: typed numbers, and nobody written to twice."""

import orjson
import pytest

from services.core.status import AttemptState
from services.demo.standins.faults import Fault, Faults
from services.demo.standins.portal import PortalServer
from services.dispatch.channels.portal import Portal
from services.dispatch.channels.portal_shapes import FbsShape
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import some_notices

_OIN = "00000001003214345000"


async def _sent(bench: Bench, server: PortalServer, *numbers: str) -> list[bytes]:
    notices = some_notices(len(numbers))
    await bench.seal(notices, [a_payload(portalId=number) for number in numbers])
    await bench.take(notices)
    portal = Portal(server.url, shape=FbsShape(_OIN))
    await bench.send(portal)
    await portal.close()
    return notices.ids


async def test_a_message_is_as_the_store_takes_it(messages: Bench, portal_server: PortalServer) -> None:
    """Who sends and to whom, by typed numbers; somebody without one, or with a mistyped one, goes on at once."""
    people = "BSN:999993653", "KVK:12345678", "an account elsewhere", "BSN:999993654"
    ids = await _sent(messages, portal_server, *people)
    taken = [orjson.loads(body) for body in portal_server.taken.values()]
    told = await messages.attempted()

    assert {_OIN} == {one["afzender"] for one in taken}
    found = sorted((one["ontvanger"] for one in taken), key=lambda one: one["type"])
    assert [{"type": "BSN", "waarde": "999993653"}, {"type": "KVK", "waarde": "12345678"}] == found
    assert ({"afzender", "ontvanger", "onderwerp", "inhoud"}, 2) == (taken[0].keys(), len(taken))
    assert sorted(ids[2:]) == told[AttemptState.REFUSED]


async def test_a_lost_answer_is_unknown_and_never_sent_again(messages: Bench, portal_server: PortalServer) -> None:
    """The store knows no key of ours: what it may have stays with it, and is listed."""
    portal_server.faults = Faults(shares={Fault.ANSWER_LOST: 100.0})
    ids = await _sent(messages, portal_server, "BSN:999993653")

    assert ({AttemptState.UNKNOWN: ids}, 1) == (await messages.attempted(), len(portal_server.taken))


@pytest.mark.parametrize(("status", "ending"), [(409, AttemptState.ACCEPTED), (500, AttemptState.UNKNOWN)])
async def test_what_is_there_already_is_taken(
    messages: Bench, portal_server: PortalServer, status: int, ending: AttemptState
) -> None:
    """A store that has the message has told the person; of one that failed in the middle nobody can know."""
    portal_server.everybody = status
    ids = await _sent(messages, portal_server, "BSN:999993653")

    assert {ending: ids} == await messages.attempted()
