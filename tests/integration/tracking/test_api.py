"""The ledger over HTTP, read from a real PostgreSQL: right, guarded, and patient with what is on the way."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from services.core.access import Principal, Role
from services.core.channel import Channel
from services.core.cohort import Cohort, Figures
from services.core.incident import Controller, Incident
from services.core.ledger import COUNTERS, HoldReason
from services.kit.postgres import Pool
from services.kit.process.health import Health
from services.kit.process.http import web_app
from services.kit.stage.totals import TotalsRow, move_totals
from services.kit.testing import FakeClock, make_principals
from services.tracking.api import Api
from services.tracking.closures import ClosureLists
from services.tracking.domain import Observed
from services.tracking.handlers import Ledgers, PauseLists
from services.tracking.metrics import VerificationMetrics
from services.tracking.openapi import OPENAPI
from services.tracking.progress import ReleaseProgress
from services.tracking.receiving import Inbox, ReceivingApi
from services.tracking.store import Store
from services.tracking.verification.answering import Verifications
from services.tracking.verification.api import VerificationApi
from services.wire.testing import FakeIncidents
from tests.keys import a_ring
from tests.principals import AUDITOR, OPERATOR, SCRAPE, authenticator

RoomPool = Callable[[str], Awaitable[Pool]]
LEDGER = "/v1/incidents/lab/ledger"
SOURCE_A = Principal("source-a", frozenset({Role.SOURCE}), frozenset({"urn:a"}))


def an_incident(incident_id: str) -> Incident:
    """Return an incident of which only the names matter."""
    at = datetime(2025, 8, 6, tzinfo=UTC)
    controller = Controller("", (), "", "")
    title = {"nl": f"Breach {incident_id}"}
    return Incident(incident_id, 1, title, at, None, controller, ("nl",), (), frozenset(), (), {})


def a_cohort(cohort_id: str, declared: int | None) -> Cohort:
    """Return a cohort of incident `lab`."""
    return Cohort("lab", cohort_id, 1, f"urn:{cohort_id}", declared, auto_release=True, sealed=True, released=False)


PARTITIONS = 2


class Away:
    """A pool whose database is not there."""

    def acquire(self) -> None:
        """Fail as a pool does that cannot connect."""
        raise ConnectionRefusedError


class Tracking:
    """Tracking's HTTP face on a database; `meanwhile` is done while the ledger waits for figures to settle."""

    def __init__(self, pool: Pool, principals: Path) -> None:
        self.pool = pool
        self.tokens = make_principals(principals, OPERATOR, AUDITOR, SOURCE_A, SCRAPE)
        self.incidents = FakeIncidents(an_incident("lab"), an_incident("acme"), a_cohort("a", 12), a_cohort("b", None))
        self.waited = 0.0
        self.meanwhile: list[Callable[[], Awaitable[None]]] = []
        clock = FakeClock()
        self.ledgers = Ledgers(pool, Store(), self.incidents, self._sleep)
        self.pauses = PauseLists(pool, Store(), self.incidents, PARTITIONS)
        progress = ReleaseProgress(pool, Store(), self.incidents)
        closures = ClosureLists(pool, Store(), self.incidents, PARTITIONS)
        verifications = Verifications(pool, Store(), a_ring(), self.incidents, lambda: True)
        receiving = ReceivingApi(Inbox(pool, Store(), a_ring()), {}, clock)
        registry = CollectorRegistry()
        app = web_app(
            Health("tracking", clock),
            registry,
            authenticator(principals, clock),
            openapi=OPENAPI,
            routes=[
                *Api(self.ledgers, self.pauses, closures, progress, clock).routes(),
                *receiving.routes(),
            ],
            open_routes=[
                *VerificationApi(verifications, VerificationMetrics(registry), clock, ()).routes(),
                *receiving.open_routes(),
            ],
        )
        self.client = TestClient(TestServer(app))

    def bearer(self, name: str = "operator") -> dict[str, str]:
        """Return the header by which one of the principals is known."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def _sleep(self, seconds: float) -> None:
        self.waited += seconds
        if self.meanwhile:
            await self.meanwhile.pop(0)()

    async def heard(self, stage: str, scope: str, sequence: int, counts: Mapping[str, int], source: str = "0") -> None:
        """Have another stage's totals heard of."""
        row = TotalsRow(stage, source, scope, sequence, counts, 1_767_258_000_000)
        async with self.pool.acquire() as connection:
            await Store().keep_totals(connection, [row])

    async def counted(self, scope: str, counts: Mapping[str, int], source: str = "0") -> None:
        """Have tracking count."""
        async with self.pool.acquire() as connection:
            await move_totals(connection, {scope: counts}, source, COUNTERS["tracking"])

    async def ledger(self) -> Any:
        """Ask for the ledger of `lab`."""
        answer = await self.client.get(LEDGER, headers=self.bearer())
        assert 200 == answer.status
        return await answer.json()


@pytest.fixture
async def tracking(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[Tracking]:
    """Return tracking's face on a fresh database."""
    face = Tracking(await room_pool("tracking"), tmp_path / "principals.json")
    async with face.client:
        yield face


async def _hear_of_cohort_a(tracking: Tracking) -> None:
    await tracking.heard("intake", "lab/a", 1, {"received": 10, "rejected": 1, "accepted": 9}, "intake")
    await tracking.heard("deduplication", "lab/a", 1, {"released": 3, "merged": 1, "held_unreachable": 2}, "0")
    await tracking.heard(
        "deduplication", "lab/a", 1,
        {"suppressed": 1, "held_not_at_address": 1, "conflicting": 4, "uncorrected": 2, "bare_joined": 1}, "1",
    )  # fmt: skip
    await tracking.counted("lab/a", {"notified": 1}, "0")
    await tracking.counted("lab/a", {"exhausted": 1}, "1")


async def test_the_ledger_says_where_everybody_stands(tracking: Tracking) -> None:
    """Every figure comes from its own stage, and the answer has the names that outsiders rely on."""
    await _hear_of_cohort_a(tracking)

    found = await tracking.ledger()

    no_holds = {reason.key: 0 for reason in HoldReason}
    line = {
        "declared": 12, "received": 10, "missing": 2, "rejected": 1, "accepted": 9, "notified": 1, "merged": 1,
        "suppressed": 1, "withdrawn": 0, "held": 3, "heldReasons": no_holds | {"unreachable": 2, "notAtAddress": 1},
        "inFlight": 2, "exhausted": 1, "identityConflicts": 4, "uncorrected": 2, "bareJoins": 1,
        "toBeTold": 10, "told": 0.1,
    }  # fmt: skip
    nothing: dict[str, Any] = dict.fromkeys(line, 0) | {"heldReasons": no_holds, "told": None}
    assert {
        "incidentId": "lab",
        "title": "Breach lab",
        "balanced": True,
        "cohorts": [
            {"cohortId": "a", "source": "urn:a", **line, "surplus": False, "balanced": True},
            {"cohortId": "b", "source": "urn:b", **nothing, "surplus": False, "balanced": True},
        ],
        "totals": line,
    } == found
    assert 0 == tracking.waited


async def test_an_outcome_heard_before_its_release_is_on_the_way(tracking: Tracking) -> None:
    """A message that comes within the time keeps the ledger balanced."""
    await tracking.heard("intake", "lab/a", 1, {"received": 2, "accepted": 2}, "intake")
    await tracking.heard("deduplication", "lab/a", 1, {"released": 1, "held_unreleased": 1})
    await tracking.counted("lab/a", {"notified": 2})

    async def late() -> None:
        await tracking.heard("deduplication", "lab/a", 2, {"released": 2})

    tracking.meanwhile = [late]
    found = await tracking.ledger()

    assert (True, 2, 0) == (found["balanced"], found["totals"]["notified"], found["totals"]["held"])
    assert tracking.waited < 1


async def test_figures_that_still_move_are_not_called_out_of_balance(tracking: Tracking) -> None:
    """While totals are on their way, the line is lifted to what later stages imply."""
    await tracking.heard("intake", "lab/a", 1, {"received": 5, "accepted": 5}, "intake")
    await tracking.heard("deduplication", "lab/a", 1, {"released": 1})
    await tracking.counted("lab/a", {"notified": 4})

    async def move() -> None:
        await tracking.heard("deduplication", "lab/a", 2, {"released": 2})

    tracking.meanwhile = [move]
    found = await tracking.ledger()

    assert (True, 4, 1) == (found["balanced"], found["totals"]["notified"], found["totals"]["inFlight"])


async def test_figures_that_disagree_for_good_are_reported(tracking: Tracking) -> None:
    """One notice too many is shown after two seconds in which nothing moved."""
    await tracking.heard("intake", "lab/a", 1, {"received": 2, "accepted": 2}, "intake")
    await tracking.heard("deduplication", "lab/a", 1, {"released": 2})
    await tracking.counted("lab/a", {"notified": 3})

    found = await tracking.ledger()

    assert (False, False, True) == (found["balanced"], *(cohort["balanced"] for cohort in found["cohorts"]))
    assert -1 == found["totals"]["inFlight"]
    assert pytest.approx(2.0) == tracking.waited


async def test_an_unknown_incident_is_not_found(tracking: Tracking) -> None:
    """A ledger of nothing is not an empty ledger."""
    answer = await tracking.client.get("/v1/incidents/nowhere/ledger", headers=tracking.bearer())

    assert (404, "application/problem+json") == (answer.status, answer.content_type)


async def test_nobody_is_told_that_an_incident_is_unknown_while_incidents_are_read(tracking: Tracking) -> None:
    """Just after its start the service does not know yet, and says so."""
    tracking.incidents.loaded.clear()

    assert [503, 503] == [
        (await tracking.client.get(p, headers=tracking.bearer())).status for p in ("/v1/incidents", LEDGER)
    ]


async def test_incidents_are_listed(tracking: Tracking) -> None:
    """Each once, by id, whatever the number of its versions."""
    answer = await tracking.client.get("/v1/incidents", headers=tracking.bearer())

    expected = [{"incidentId": name, "title": f"Breach {name}"} for name in ("acme", "lab")]
    assert {"incidents": expected} == await answer.json()


def _basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


async def test_only_who_may_sees_figures(tracking: Tracking) -> None:
    """Routes take a bearer token, the page also HTTP Basic with the token as the password, of those whom it is for."""
    token = tracking.tokens["operator"]
    expected = {
        (LEDGER, ""): 401,
        (LEDGER, "Bearer wrong"): 401,
        (LEDGER, f"Bearer {token}"): 200,
        (LEDGER, f"Bearer {tracking.tokens['auditor']}"): 200,
        (LEDGER, f"Bearer {tracking.tokens['scrape']}"): 403,
        (LEDGER, _basic(f"anybody:{token}")): 401,
        ("/", ""): 401,
        ("/", _basic(f"anybody:{token}")): 200,
        ("/", _basic("anybody:wrong")): 401,
        ("/", _basic(token)): 401,
        ("/", "Basic not-base-64!"): 401,
        ("/", "Basic \u00e9"): 401,
        ("/", f"Bearer {token}"): 200,
        ("/", f"Digest {token}"): 401,
    }

    found = {}
    for path, header in expected:
        answer = await tracking.client.get(path, headers={"Authorization": header} if header else {})
        found[path, header] = answer.status
    assert expected == found


async def test_a_source_sees_its_own_cohorts_alone(tracking: Tracking) -> None:
    """Neither another's figures nor an incident without a cohort of its own, in no answer and not on the page."""
    await _hear_of_cohort_a(tracking)
    await tracking.heard("intake", "lab/b", 1, {"received": 7, "accepted": 7}, "intake")
    source = tracking.bearer("source-a")
    ledger = await (await tracking.client.get(LEDGER, headers=source)).json()
    incidents = await (await tracking.client.get("/v1/incidents", headers=source)).json()
    foreign = await tracking.client.get("/v1/incidents/acme/ledger", headers=source)
    page = await (await tracking.client.get("/", headers=source)).text()

    assert (["a"], 10) == ([cohort["cohortId"] for cohort in ledger["cohorts"]], ledger["totals"]["received"])
    assert ["lab"] == [incident["incidentId"] for incident in incidents["incidents"]]
    assert 404 == foreign.status
    assert ("urn:a" in page, "urn:b" in page, "Breach acme" in page) == (True, False, False)


async def test_the_page_is_asked_for_with_basic_and_allows_its_own_style_alone(tracking: Tracking) -> None:
    """A browser is told how to log in, and gets a page that may load nothing."""
    await _hear_of_cohort_a(tracking)
    refused = await tracking.client.get("/")
    page = await tracking.client.get("/", headers=tracking.bearer())

    assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "no-store" == page.headers["Cache-Control"]
    text = await page.text()
    assert "Breach lab" in text
    assert "Breach acme" in text


async def test_a_database_that_does_not_answer_is_a_passing_fault(tracking: Tracking) -> None:
    """Whoever asks is told to come again."""
    tracking.ledgers._pool = Away()  # type: ignore[assignment]

    assert [503, 503] == [(await tracking.client.get(path, headers=tracking.bearer())).status for path in (LEDGER, "/")]


async def test_what_is_described_is_what_there_is(tracking: Tracking) -> None:
    """Every described path answers, and every route is described."""
    answer = await tracking.client.get("/openapi.json")
    paths = (await answer.json())["paths"]
    # A path lies below /v1 unless it says otherwise.
    described = {path if "servers" in item else f"/v1{path}" for path, item in paths.items()} | {"/v1/openapi.json"}

    names = {"incident_id": "incidentId", "cohort_id": "cohortId", "pause_id": "pauseId"}
    routes = {_renamed(r.resource.canonical, names) for r in tracking.client.app.router.routes()}  # type: ignore[union-attr]
    assert described == routes


def _renamed(path: str, names: dict[str, str]) -> str:
    for name, described in names.items():
        path = path.replace(name, described)
    return path


async def test_a_pause_lists_what_had_begun_once_all_have_reported(tracking: Tracking) -> None:
    """Every channel of the incident, of every partition; a repeat changes nothing, and others see no such pause."""
    pause, store = f"{LEDGER.removesuffix('ledger')}pauses/a.1", Store()

    async def shown(name: str = "operator", path: str = pause) -> Any:
        answer = await tracking.client.get(path, headers=tracking.bearer(name))
        return await answer.json() if answer.status == 200 else answer.status

    channels = (Channel.EMAIL, Channel.LETTER)
    tracking.incidents.put(replace(an_incident("lab"), channels=channels))
    before = await shown()
    async with tracking.pool.acquire() as connection, connection.transaction():
        for channel in channels:
            for partition in (*range(PARTITIONS), 0):
                found = [b"n" * 16] if channel == channels[0] and partition == 1 else []
                observed = Observed("lab", "a.1", channel, partition, found, [1] * len(found))
                await store.note_observed(connection, observed)
    after = await shown()

    assert (False, []) == (before["complete"], before["begun"])
    assert (True, [], [(b"n" * 16).hex()]) == (
        after["complete"], after["waitingFor"], [one["noticeId"] for one in after["begun"]],
    )  # fmt: skip
    assert [404, 404] == [await shown(path=pause.replace("a.1", other)) for other in ("a.2", "zz.1")]


async def _shown(tracking: Tracking, path: str, name: str = "operator") -> Any:
    answer = await tracking.client.get(f"/v1/incidents/{path}", headers=tracking.bearer(name))
    return await answer.json() if answer.status == 200 else answer.status


async def test_all_pauses_of_an_incident_are_shown_together(tracking: Tracking) -> None:
    """Each with what had begun, whole once each is; a source sees those of its own cohorts."""
    for cohort_id in ("a", "b"):
        tracking.incidents.put(replace(a_cohort(cohort_id, None), version=2, paused_since=2))
    tracking.incidents.put(replace(an_incident("lab"), channels=(Channel.LETTER,)))
    async with tracking.pool.acquire() as connection, connection.transaction():
        for partition in range(PARTITIONS):
            observed = Observed("lab", "a.2", Channel.LETTER, partition, [bytes([partition]) * 16], [1])
            await Store().note_observed(connection, observed)
    found, own = await _shown(tracking, "lab/pauses"), await _shown(tracking, "lab/pauses", "source-a")

    assert (False, [("a.2", True, 2), ("b.2", False, 0)]) == (
        found["complete"], [(one["pauseId"], one["complete"], len(one["begun"])) for one in found["pauses"]],
    )  # fmt: skip
    assert (True, ["a.2"]) == (own["complete"], [one["pauseId"] for one in own["pauses"]])
    assert ([], 404) == ((await _shown(tracking, "acme/pauses"))["pauses"], await _shown(tracking, "none/pauses"))


async def test_a_release_shows_how_it_goes(tracking: Tracking) -> None:
    """What a canary let go and what is left, how hand-overs ended by channel, and how near each rule is."""
    going = replace(a_cohort("a", 500), version=3, released=True, canary=100, figures=Figures(complaints=1))
    tracking.incidents.put(going)
    await tracking.heard("intake", "lab/a", 1, {"received": 500, "rejected": 0, "accepted": 500}, "intake")
    await tracking.heard("deduplication", "lab/a", 1, {"released": 80, "held_unreleased": 420}, "0")
    await tracking.heard("deduplication", "lab/ab", 1, {"released": 7}, "0")
    await tracking.counted("lab/a", {"notified": 60, "accepted_letter": 40, "accepted_email": 20}, "0")
    await tracking.counted("lab/a", {"refused_email": 5}, "1")
    shown = await _shown(tracking, "lab/cohorts/a/release")
    rules = {(one["rule"], one["channel"]): (one["count"], one["of"], one["enough"]) for one in shown["rules"]}

    assert (100, 80, 20, 60, 1, None) == tuple(
        shown[key] for key in ("canary", "letGo", "left", "told", "complaints", "stopped")
    )
    assert {"accepted": 20, "refused": 5} == shown["channels"]["email"]
    assert (5, 25, False) == rules["refused", "email"]
    assert (1, 60, True) == rules["complaints", None]
    assert [404, 404] == [
        await _shown(tracking, "lab/cohorts/b/release", "source-a"), await _shown(tracking, "lab/cohorts/zz/release"),
    ]  # fmt: skip
