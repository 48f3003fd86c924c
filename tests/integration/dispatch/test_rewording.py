"""A corrected document for notices that wait: they take its words, and whatever was begun keeps its own."""

from dataclasses import replace

import orjson

from services.core.incident import Incident
from services.core.status import AttemptState
from services.demo.standins.portal import PortalServer
from services.dispatch.breaker import Breaker, BreakerPolicy
from services.dispatch.channels.portal import Portal
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import an_incident, some_notices

_SOON = BreakerPolicy(first_probe=0.2, slowest_probe=0.4)
_SLIP, _MENDED = "the slip", "as it is meant"


def _worded(version: int, words: str, *, reissue: bool = False) -> Incident:
    incident = an_incident(version=version)
    content = dict(incident.content) | {"nature": dict.fromkeys(incident.languages, words)}
    return replace(incident, content=content, reissue=reissue)


async def _stopped(bench: Bench, server: PortalServer, count: int) -> list[bytes]:
    """Queue notices whose words the portal refuses, and let the channel find out."""
    bench.incident, bench.breaker, server.words = _worded(1, _SLIP), Breaker(_SOON), _SLIP
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(count)])
    await bench.take(notices)

    async def paused() -> bool:
        return bench.paused("content") > 0

    await _send(bench, server, paused)
    return sorted(notices.ids)


async def _send(bench: Bench, server: PortalServer, until: object = None) -> None:
    portal = Portal(server.url)
    await bench.send(portal, until=until)  # type: ignore[arg-type] # a condition of the test, or none
    await portal.close()


async def test_notices_that_a_channel_stopped_on_take_the_corrected_words(
    messages: Bench, portal_server: PortalServer
) -> None:
    """Everybody is told once, in the words that are meant, and nobody in those of the slip."""
    ids = await _stopped(messages, portal_server, 30)
    messages.further = [_worded(2, "another slip"), _worded(3, _MENDED, reissue=True), _worded(4, "for later ones")]
    await _send(messages, portal_server)
    bodies = [orjson.loads(body)["body"] for body in portal_server.taken.values()]

    assert {f"{notice.hex()}.1" for notice in ids} == portal_server.taken.keys()
    assert {AttemptState.ACCEPTED: ids} == await messages.attempted()
    assert [] == [body for body in bodies if _MENDED not in body]
    assert 0.0 == messages.paused("content")


async def test_without_an_operators_word_what_was_released_keeps_its_own(
    messages: Bench, portal_server: PortalServer
) -> None:
    """A new version alone rewords nobody's notice."""
    await _stopped(messages, portal_server, 5)
    messages.further = [_worded(2, _MENDED)]

    async def asked_again() -> bool:
        return len(portal_server.requests) > 3

    await _send(messages, portal_server, asked_again)

    assert [] == [body for _, body in portal_server.requests if _MENDED.encode() in body]
    assert {AttemptState.TAKEN: 5} == await messages.states()


async def test_what_was_begun_keeps_its_words(messages: Bench, portal_server: PortalServer) -> None:
    """The provider may have it already: a repeat says the same, to the byte; what had not begun is reworded."""
    messages.incident = _worded(1, "as it began")
    begun = some_notices(4)
    await messages.seal(begun, [a_payload(portalId=f"portal-{at}") for at in range(4)])
    await messages.take(begun)
    portal = Portal(portal_server.url)
    await messages.die_in(portal, after=True)
    await portal.close()
    messages.further = [_worded(2, _MENDED, reissue=True)]
    await _send(messages, portal_server)

    assert 4 == len(set(portal_server.requests))
    assert 8 == len(portal_server.requests)
    assert [] == [body for body in portal_server.taken.values() if _MENDED.encode() in body]
