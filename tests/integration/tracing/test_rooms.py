"""One trace from an upload to what is known of its notices, on both logs; and nobody is in it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from tests.e2e.plaintext import Searcher
from tests.integration.intake.conftest import COHORT, a_document
from tests.integration.release.test_release import ON_THE_EMBEDDED_LOG
from tests.integration.release.test_together import running, settings
from tests.integration.together.test_synthetic import Stack
from tests.integration.tracing.collector import Collected, Collector
from tests.unit.intake.builders import a_record

__all__ = ["settings"]  # the fixture

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
OTHER_TRACE = "b" * 32
RELEASE = f"00-{OTHER_TRACE}-{CALLER}-01"
UPLOAD = "POST /v1/incidents/{incident_id}/cohorts/{cohort_id}/members"
BSN = "999990019"
# Whoever reads traces is to find none of these.
WORDS = ("vandenbroecke", "zonnebloemstraat", "m-canary-1", "canary@example", "p-canary")
PERSON: dict[str, Any] = a_record(
    memberRef="m-canary-1", bsn=BSN, familyName="Vandenbroecke", street="Zonnebloemstraat", email="canary@example.org",
    portalId="p-canary",
)  # fmt: skip


@pytest.fixture
async def stack(
    settings: dict[str, str], tmp_path: Path, collector: Collector
) -> AsyncIterator[tuple[Stack, PortalServer]]:
    """Return the rooms' settings, with traces, and providers that run."""
    async with MailServer().serve() as mails, PortalServer().serve() as portal:
        yield Stack({**settings, "HERAUT_OTLP_URL": collector.url}, tmp_path, mails, portal), portal


async def _sent(session: ClientSession, *people: Mapping[str, Any], auto: bool, **headers: str) -> None:
    """Put the incident, open the cohort, upload people."""
    for path, body in (
        ("/v1/incidents/lab", a_document(channels=["portal"])),
        (COHORT, {"source": "lab", "autoRelease": auto}),
    ):
        async with session.put(path, json=body) as response:
            assert response.ok, await response.text()
    data = b"\n".join(map(orjson.dumps, people))
    sent = {"Content-Type": "application/x-ndjson", **headers}
    async with session.post(f"{COHORT}/members", data=data, headers=sent) as response:
        assert (202, len(people)) == (response.status, (await response.json())["accepted"])


@asynccontextmanager
async def _client(rooms: Stack, folder: Path) -> AsyncIterator[ClientSession]:
    """Run all rooms, and ask intake."""
    async with asyncio.timeout(120.0), running(rooms.intake(), *rooms.rooms()):
        while not (folder / "intake").exists():  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0.02)
        url = (folder / "intake").read_text(encoding="utf-8")
        async with ClientSession(url, headers=rooms.headers) as session:
            yield session


def _of(spans: Sequence[Collected], service: str, name: str, trace: str = TRACE) -> list[Collected]:
    return [one for one in spans if one.service == service and name in one.name and one.trace_id == trace]


async def test_one_trace_shows_an_upload_through_all_rooms(
    stack: tuple[Stack, PortalServer], collector: Collector, tmp_path: Path
) -> None:
    """Each span's parent is what led to it, in the room before; no person is in any of them."""
    rooms, portal = stack
    async with _client(rooms, tmp_path) as session:
        await _sent(session, PERSON, auto=True, traceparent=TRACEPARENT)
        spans = await collector.until(lambda found: bool(_of(found, "tracking", "deliveries.attempted")))

    (upload,) = _of(spans, "intake", UPLOAD)
    (decided,) = _of(spans, "deduplication", "members.accepted")
    (routed,) = _of(spans, "routing", "notices.released")
    (queued,) = _of(spans, "dispatch-portal", "notices.routed.portal")
    (handed,) = _of(spans, "dispatch-portal", "hand over portal")
    (known,) = _of(spans, "tracking", "deliveries.attempted")
    led_to = [CALLER, upload.span_id, decided.span_id, routed.span_id, routed.span_id, handed.span_id]
    assert led_to == [one.parent for one in (upload, decided, routed, queued, handed, known)]
    assert 1 == len(portal.taken)
    assert {"done"} == {one.about["heraut.outcome"] for one in (decided, routed, queued, handed, known)}
    assert [1, 1, 1, 1] == [one.about["heraut.entries"] for one in (decided, routed, queued, handed)]
    assert (202, "members-sent") == (upload.about["http.response.status_code"], upload.about["heraut.act"])
    assert ("lab", "wave-1") == (upload.about["heraut.incident_id"], upload.about["heraut.cohort_id"])
    assert all(one.nanoseconds > 0 and not one.failed and not one.events for one in spans)
    assert set() == Searcher(WORDS, [BSN]).found_in(b"".join(collector.bodies))
    assert rooms.headers["Authorization"].split()[1].encode() not in b"".join(collector.bodies)


@ON_THE_EMBEDDED_LOG
async def test_a_release_goes_on_where_its_people_waited(
    stack: tuple[Stack, PortalServer], collector: Collector, tmp_path: Path
) -> None:
    """People who were uploaded long before are told in the trace of the release: that is what led to it now."""
    rooms, _ = stack
    async with _client(rooms, tmp_path) as session:
        await _sent(session, PERSON, auto=False, traceparent=TRACEPARENT)
        await collector.until(lambda found: bool(_of(found, "deduplication", "members.accepted")))
        async with session.post(f"{COHORT}/release", json={"all": True}, headers={"traceparent": RELEASE}) as response:
            assert response.ok
        spans = await collector.until(lambda found: bool(_of(found, "tracking", "deliveries.attempted", OTHER_TRACE)))

    (released,) = _of(spans, "intake", "/release", OTHER_TRACE)
    (tick,) = _of(spans, "deduplication", "tick", OTHER_TRACE)
    (routed,) = _of(spans, "routing", "notices.released", OTHER_TRACE)
    assert (released.span_id, tick.span_id) == (tick.parent, routed.parent)
    assert [] == _of(spans, "routing", "notices.released")
