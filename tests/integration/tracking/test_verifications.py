"""Whoever holds a notice can have it checked over HTTP, and learns nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from services.core.incident import Incident
from services.kit.config import networks
from services.kit.postgres import Pool
from services.kit.process.health import Health
from services.kit.process.http import serve_http, web_app
from services.kit.testing import FakeClock, make_principals
from services.tracking.domain import Outcomes, State, Verdict
from services.tracking.metrics import VerificationMetrics
from services.tracking.store import Store
from services.tracking.verification.answering import Verifications
from services.tracking.verification.api import VerificationApi
from services.wire.references import References
from services.wire.testing import FakeIncidents
from tests.integration.tracking.test_api import an_incident
from tests.keys import a_key, a_ring
from tests.principals import authenticator

RoomPool = Callable[[str], Awaitable[Pool]]
NOTICE, NEIGHBOUR = bytes.fromhex("b62a122890a884ceaf0ba4eb99ea4dad"), bytes.fromhex("b62a1228") + bytes(12)
MADE_UP = "7K2M-9QXR-4TBN-W3HK"


def printed(notice: bytes, version: int = 1) -> str:
    """Return what stands on a notice of an incident that began with this version of the key."""
    return References(a_key("reference", version)).of_all([notice])[0]


def _of_version(version: int) -> Incident:
    incident = an_incident("lab")
    return replace(incident, key_versions=incident.key_versions._replace(reference=version))


class Face:
    """The routes on a database; `ready` says whether all is heard of."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.clock, self.incidents, self.registry, self.ready = FakeClock(), FakeIncidents(), CollectorRegistry(), True
        self.incidents.put(_of_version(1))
        verifications = Verifications(pool, Store(), a_ring(1, 2), self.incidents, lambda: self.ready)
        api = VerificationApi(verifications, VerificationMetrics(self.registry), self.clock, networks("127.0.0.1"))
        principals = folder / "principals.json"
        make_principals(principals)
        self.app = web_app(
            Health("tracking", self.clock),
            self.registry,
            authenticator(principals, self.clock),
            open_routes=api.routes(),
        )
        self.client: ClientSession

    async def verify(self, reference: Any, place: str = "203.0.113.9") -> tuple[int, Any]:
        """Ask about a reference from some place; return the status of the answer and what it says."""
        headers = {"X-Forwarded-For": place}
        answer = await self.client.post("/v1/verifications", json={"reference": reference}, headers=headers)
        return answer.status, await answer.json()

    async def read(self, reference: str, language: str = "nl") -> tuple[int, str]:
        """Enter a reference on the page."""
        answer = await self.client.post(f"/verify?lang={language}", data={"reference": reference})
        return answer.status, await answer.text()

    def counted(self, verdict: Verdict) -> float:
        """Return how many were told this."""
        return self.registry.get_sample_value("tracking_verifications_total", {"verdict": verdict}) or 0.0


@pytest.fixture
async def face(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[Face]:
    """Return the face of a tracking that heard of one notice, and of another whose id begins like it."""
    pool = await room_pool("tracking")
    store = Store()
    async with pool.acquire() as connection, connection.transaction():
        await store.hold(connection)
        numbers = await store.number_cohorts(connection, ["lab/c"])
        two = [NOTICE, NEIGHBOUR]
        block = Outcomes("0", 1, 1_767_258_120_000, ["lab/c"] * 2, two, two, [1] * 2, [State.ACCEPTED] * 2, [1] * 2)
        await store.add_blocks(connection, [block], numbers)
    face = Face(pool, tmp_path)
    async with serve_http(face.app, "127.0.0.1", 0) as url, ClientSession(url) as face.client:
        yield face


async def test_a_notice_of_ours_is_genuine_and_another_is_not(face: Face) -> None:
    """Also where ids begin alike, under each version of the key, and as people type it."""
    typed = printed(NOTICE).lower().replace("-", " ").replace("0", "o")

    assert (200, {"genuine": True}) == await face.verify(printed(NOTICE))
    assert (200, {"genuine": True}) == await face.verify(printed(NEIGHBOUR))
    assert (200, {"genuine": True}) == await face.verify(printed(NOTICE, version=2))
    assert (200, {"genuine": True}) == await face.verify(f" {typed} ")
    assert (200, {"genuine": False}) == await face.verify(printed(NOTICE[:4] + b"n" * 12))
    assert (200, {"genuine": False}) == await face.verify(printed(NOTICE, version=3))
    assert (4.0, 2.0) == (face.counted(Verdict.GENUINE), face.counted(Verdict.UNKNOWN))


@pytest.mark.parametrize("reference", ["7K2M-9QXR-4TBN-W3HC", "", "x" * 41, "999990019", "J.P. van der Berg"])
async def test_a_slip_is_told_and_not_repeated(face: Face, reference: str) -> None:
    """It is neither genuine nor false, and the answer does not repeat what may be anything."""
    status, answer = await face.verify(reference)

    assert (400, "urn:heraut:problem:mistyped-reference") == (status, answer["type"])
    assert not reference or reference not in str(answer)


@pytest.mark.parametrize("body", [[], {}, {"reference": 7}, {"reference": None}])
async def test_a_body_without_a_reference_is_refused(face: Face, body: Any) -> None:
    """It is a fault of the program that asks."""
    answer = await face.client.post("/v1/verifications", json=body)

    assert (400, "urn:heraut:problem:bad-request") == (answer.status, (await answer.json())["type"])


async def test_no_genuine_notice_is_called_false_while_not_all_is_known(face: Face) -> None:
    """Blocks that wait, or a key that this process lacks: "not now"; what is known is told all the same."""
    unheard = printed(b"n" * 16)
    face.ready = False
    behind = (await face.verify(unheard))[0], (await face.verify(printed(NOTICE)))[0]
    face.ready = True
    face.incidents.put(_of_version(3))
    without_key = (await face.verify(unheard))[0]

    assert (503, 200, 503) == (*behind, without_key)
    assert 2.0 == face.counted(Verdict.NOT_NOW)


async def test_a_machine_cannot_ask_without_end(face: Face) -> None:
    """A place has its allowance, others are answered meanwhile, and after the time that is told it may ask again."""
    statuses = [(await face.verify(printed(NOTICE)))[0] for _ in range(70)]
    other = (await face.verify(printed(NOTICE), "203.0.113.10"))[0]
    refused = await face.client.post(
        "/v1/verifications", json={"reference": ""}, headers={"X-Forwarded-For": "203.0.113.9"}
    )
    face.clock.advance(int(refused.headers["Retry-After"]))
    again = (await face.verify(printed(NOTICE)))[0]

    assert [200] * 60 + [429] * 10 == statuses
    assert (200, 429, 200) == (other, refused.status, again)


async def test_the_page_tells_the_same_in_words(face: Face) -> None:
    """In both languages, with the status that belongs to it, as a page that no other one may frame."""
    genuine, unknown = await face.read(printed(NOTICE)), await face.read(printed(b"n" * 16), "en")
    mistyped = await face.read("<b>1</b>")
    face.ready = False
    not_now = await face.read(printed(b"n" * 16))
    form = await face.client.get("/verify", headers={"Accept-Language": "en"})

    assert (200, 200, 400, 503) == (genuine[0], unknown[0], mistyped[0], not_now[0])
    assert "Ja, dit kenmerk is van ons" in genuine[1]
    assert printed(NOTICE) in genuine[1]
    assert "We do not know this reference" in unknown[1]
    assert "Er zit een tikfout in het kenmerk" in mistyped[1]
    assert "<b>" not in mistyped[1]
    assert "Is this message from us?" in await form.text()
    assert "form-action 'self'; frame-ancestors 'none'" in form.headers["Content-Security-Policy"]


async def test_nothing_else_is_open(face: Face) -> None:
    """Who verifies a letter needs no token; for all else it is needed."""
    assert (200, 401) == tuple([(await face.client.get(path)).status for path in ("/verify", "/metrics")])


async def test_a_form_that_is_none_is_refused(face: Face) -> None:
    """JSON is for programs, and a form has a bound."""
    json = await face.client.post("/verify", json={"reference": printed(NOTICE)})
    many = await face.client.post("/verify", data={f"f{at}": "x" for at in range(30)})

    assert (415, 400) == (json.status, many.status)
