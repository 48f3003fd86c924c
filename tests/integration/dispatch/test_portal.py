"""The portal end to end: table, vault, a real HTTP server, and what crashes leave."""

import orjson
import pytest

from services.core.channel import Channel
from services.core.status import AttemptState
from services.demo.standins.portal import PortalServer
from services.dispatch.channels.credentials import ANONYMOUS, SecretText, Tokens
from services.dispatch.channels.portal import Portal
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import REFERENCES, some_notices


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(count)])
    await bench.take(notices)
    return notices.ids


async def _send(bench: Bench, server: PortalServer, patience: float = 5.0) -> None:
    portal = Portal(server.url, timeout=patience)
    await bench.send(portal)
    await portal.close()


async def test_everybody_gets_one_message_under_the_key_of_the_attempt(
    messages: Bench, portal_server: PortalServer
) -> None:
    """A message is addressed, titled, worded and referenced as the interface says."""
    ids = await _queue(messages, 30)
    await _send(messages, portal_server)
    message = orjson.loads(portal_server.taken[f"{ids[7].hex()}.1"])
    references, _ = REFERENCES.of(messages.incident, some_notices(30))

    assert {f"{notice.hex()}.1" for notice in ids} == portal_server.taken.keys()
    assert {"recipient", "subject", "body", "reference", "kind"} == message.keys()
    assert ("portal-7", references[7], "first") == (message["recipient"], message["reference"], message["kind"])
    assert {AttemptState.ACCEPTED: sorted(ids)} == await messages.attempted()


@pytest.mark.parametrize(
    "trouble",
    [
        [(500, {})] * 3,
        [(503, {"Retry-After": "0"})],
        [(429, {"Retry-After": "1"})],
        [(302, {"Location": "/elsewhere"})],
        ["close", "close", "close"],
        ["hang"],
    ],
    ids=["500", "503", "429", "redirect", "closed in the middle", "hangs"],
)
async def test_trouble_at_the_portal_delays_and_doubles_nothing(
    messages: Bench, portal_server: PortalServer, trouble: list[object]
) -> None:
    """Whatever the portal does for a while, each message is there once in the end, the same on every try."""
    ids = await _queue(messages, 6)
    portal_server.answers = list(trouble)
    await _send(messages, portal_server, patience=0.3)
    bodies: dict[str, set[bytes]] = {}
    for key, body in portal_server.requests:
        bodies.setdefault(key, set()).add(body)

    assert {f"{notice.hex()}.1" for notice in ids} == portal_server.taken.keys()
    assert {1} == {len(different) for different in bodies.values()}
    assert {AttemptState.ACCEPTED: sorted(ids)} == await messages.attempted()


async def test_a_closed_account_goes_back_to_routing_alone(messages: Bench, portal_server: PortalServer) -> None:
    """One refusal costs nobody else their message."""
    ids = await _queue(messages, 3)
    portal_server.refused.add("portal-1")
    await _send(messages, portal_server)
    await messages.waited()
    ((reason, refused, tried),) = await messages.refused()

    assert ("refused-by-provider", ids[1], bytes([Channel.PORTAL])) == (reason, refused, tried)
    assert 2 == len(portal_server.taken)


async def test_retry_after_is_obeyed(messages: Bench, portal_server: PortalServer) -> None:
    """A portal that asks for a second gets it."""
    await _queue(messages, 1)
    portal_server.answers = [(429, {"Retry-After": "1"})]
    begin = messages.clock.monotonic()
    await _send(messages, portal_server)

    assert messages.clock.monotonic() - begin >= 1.0


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_intent_and_outcome_repeats_under_the_same_key(
    messages: Bench, portal_server: PortalServer, *, after: bool
) -> None:
    """Whoever owns the partition next sends the same again, and the portal knows it."""
    ids = await _queue(messages, 4)
    portal = Portal(portal_server.url)
    await messages.die_in(portal, after=after)
    await portal.close()
    await _send(messages, portal_server)

    assert 4 * (2 if after else 1) == len(portal_server.requests)
    assert len(set(portal_server.requests)) == len(portal_server.taken) == 4
    assert {AttemptState.ACCEPTED: sorted(ids)} == await messages.attempted()


@pytest.mark.parametrize(("token", "shown"), [("made.up-token=", "Bearer made.up-token="), (None, None)])
async def test_the_portal_is_shown_the_token(
    messages: Bench, portal_server: PortalServer, token: str | None, shown: str | None
) -> None:
    """The portal learns who sends with every message, and a portal that asks for nothing gets nothing."""
    await _queue(messages, 3)
    portal = Portal(portal_server.url, credential=Tokens(SecretText(token), messages.clock) if token else ANONYMOUS)
    await messages.send(portal)
    await portal.close()

    assert {shown} == portal_server.authorizations


async def test_a_supplement_names_what_it_supersedes(messages: Bench, portal_server: PortalServer) -> None:
    """The portal can show it beside the first message: by the reference that stands on both."""
    notices = some_notices(1, supersedes=[bytes(range(16))])
    await messages.seal(notices, [a_payload(portalId="portal-0")])
    await messages.take(notices)
    await _send(messages, portal_server)
    (message,) = map(orjson.loads, portal_server.taken.values())
    _, (earlier,) = REFERENCES.of(messages.incident, notices)

    assert ("supplement", earlier) == (message["kind"], message["supersedes"])
