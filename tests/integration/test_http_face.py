"""The HTTP face that every process has, over a real socket."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.core.access import Act, Caller, Principal, Role
from services.core.helpdesk import Helpdesk
from services.kit.config import ServiceConfig, load
from services.kit.principals import PrincipalsFile, authenticator_of, changing
from services.kit.process import Problem, Route, figures_app, json_response, serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.stage.metrics import StageMetrics
from services.kit.testing import FakeClock, make_principals


class StillClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return a fixed day."""
        return datetime(2025, 7, 6, tzinfo=UTC)

    def monotonic(self) -> float:
        """Return the seconds that the test set."""
        return self.seconds


async def _secret(_: web.Request, caller: Caller) -> web.StreamResponse:
    return json_response({"ok": True, "who": caller.principal.name})


async def _wrong(_: web.Request, caller: Caller) -> web.StreamResponse:
    caller.incident_id = "lab"
    raise Problem(409, "Taken", "The cohort has another source.", field="source")


async def _broken(_: web.Request, _caller: Caller) -> web.StreamResponse:
    raise AssertionError("a bug that names Jansen")


@pytest.fixture
def clock() -> StillClock:
    """Time stands still unless moved."""
    return StillClock()


@pytest.fixture
def health(clock: StillClock) -> Health:
    """Return the health of a process."""
    return Health("intake", clock)


ROUTES = [
    Route("GET", "/v1/secret", Act.LEDGER_SHOWN, _secret),
    Route("GET", "/v1/wrong", Act.INCIDENT_PUT, _wrong),
    Route("GET", "/v1/broken", Act.INCIDENT_PUT, _broken),
    Route("GET", "/page", Act.LEDGER_SHOWN, _secret, browser=True),
]


@dataclass(frozen=True)
class Face:
    """A running server, its principals' tokens, and a client that shows none by itself."""

    session: aiohttp.ClientSession
    tokens: dict[str, str]
    principals: Path
    clock: FakeClock

    async def get(self, path: str, who: str | None = None, **headers: str) -> tuple[int, Any]:
        """GET as somebody; returns status and body."""
        shown = {"Authorization": f"Bearer {self.tokens.get(who, who)}"} if who else {}
        async with self.session.get(path, headers=shown | headers) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def face(health: Health, tmp_path: Path) -> AsyncIterator[Face]:
    """Return a running server with some routes, and its principals."""
    registry, clock, path = new_registry(), FakeClock(), tmp_path / "principals.json"
    StageMetrics("intake", registry)
    roles = {"operator": Role.OPERATOR, "agent": Role.CONTACT_CENTRE, "scrape": Role.SCRAPE}
    tokens = make_principals(path, *(Principal(name, frozenset({role})) for name, role in roles.items()))
    config = load(ServiceConfig, {"HERAUT_PRINCIPALS_FILE": str(path)})
    authenticator = authenticator_of(config, PrincipalsFile(path, clock), clock)
    desk = Helpdesk("Desk", "desk@lab.example", "https://lab.example")
    app = web_app(health, registry, authenticator, routes=ROUTES, helpdesk=desk)
    async with serve_http(app, "127.0.0.1", 0) as url, aiohttp.ClientSession(url) as session:
        yield Face(session, tokens, path, clock)


@pytest.fixture
def client(face: Face) -> aiohttp.ClientSession:
    """Return the client alone."""
    return face.session


async def test_no_restart_mends_an_outage(client: aiohttp.ClientSession, health: Health, clock: StillClock) -> None:
    """Who hears from nothing that it needs is not ready, and says which; alive it is as long as it answers."""
    health.expect("stage", 30)
    clock.seconds = 31
    async with client.get("/livez") as alive, client.get("/readyz") as late:
        assert (200, 503, ["stage"]) == (alive.status, late.status, (await late.json())["waitingFor"])
    health.beat("stage")
    async with client.get("/readyz") as well:
        assert well.status == 200


async def test_figures_may_have_a_bind_of_their_own(health: Health) -> None:
    """There the probes and the metrics are open to who reaches it, and nothing else is there."""
    registry = new_registry()
    async with serve_http(figures_app(health, registry), "127.0.0.1", 0) as url, aiohttp.ClientSession(url) as session:
        statuses = {}
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/v1/incidents"):
            async with session.get(path) as answer:
                statuses[path] = answer.status

    assert {"/livez": 200, "/readyz": 200, "/metrics": 200, "/openapi.json": 404, "/v1/incidents": 404} == statuses


async def test_not_ready_while_draining(client: aiohttp.ClientSession, health: Health) -> None:
    """Who drains gets no new work."""
    async with client.get("/readyz") as ready:
        assert ready.status == 200
    health.drain()
    async with client.get("/readyz") as draining:
        assert (draining.status, (await draining.json())["waitingFor"]) == (503, ["draining"])


BASIC = b64encode(b"anybody:wrong").decode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer wrong",
        f"Basic {BASIC}",
        "Bearer",
        "Bearer heraut_00000000_" + "A" * 43,
        "Bearer a.b.c",
        "Bearer " + "x" * 8_000,
        "Bearer é",
    ],
)
async def test_nobody_gets_in_without_a_token(face: Face, header: str | None) -> None:
    """Every route but the open ones asks who calls; whatever else is shown is a 401 and never a fault of ours."""
    headers = {"Authorization": header} if header else {}
    for path in ("/v1/secret", "/page", "/metrics"):
        async with face.session.get(path, headers=headers) as refused:
            assert (401, "application/problem+json") == (refused.status, refused.content_type)
            assert ("Basic" if path == "/page" else "Bearer") in refused.headers["WWW-Authenticate"]


async def test_a_role_opens_what_it_is_for(face: Face) -> None:
    """Who is known and may not do this is told so, with the roles that may."""
    status, problem = await face.get("/v1/secret", "agent")

    assert (200, "operator") == ((allowed := await face.get("/v1/secret", "operator"))[0], allowed[1]["who"])
    assert (403, "ledger-shown is for the roles: approver, auditor, operator, source.") == (status, problem["detail"])


async def test_a_page_takes_the_token_as_password(face: Face) -> None:
    """A browser knows HTTP Basic: any name, and the token. Other routes do not take it."""
    basic = {"Authorization": "Basic " + b64encode(f"any:{face.tokens['operator']}".encode()).decode()}

    assert [200, 401] == [(await face.get(path, None, **basic))[0] for path in ("/page", "/v1/secret")]


async def test_a_revoked_principal_is_out_within_a_second(face: Face) -> None:
    """No restart is needed, and a file with a slip in it opens nothing and shuts nobody out."""
    with changing(face.principals) as change:
        change.accounts = change.accounts.without("operator")
    face.clock.advance(1.0)
    assert 401 == (await face.get("/v1/secret", "operator"))[0]

    face.principals.write_text('{"version": 1, "principals": [{"name": "mallory", "roles": ["everything"]}]}')
    face.clock.advance(1.0)
    assert [403, 401] == [(await face.get("/v1/secret", who))[0] for who in ("agent", "operator")]


async def test_a_token_expires(face: Face) -> None:
    """After its day a token opens nothing."""
    face.clock.advance(36_500 * 86_400.0)
    assert 401 == (await face.get("/v1/secret", "operator"))[0]


async def test_every_act_leaves_an_audit_line(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """It says who did what to what, how it ended, and the id that the answer carries too; also what was refused."""
    caplog.set_level("INFO", "heraut.audit")
    problems = [(await face.get("/v1/wrong", who))[1] for who in ("operator", "agent", "nobody")]
    await face.get("/v1/secret", "operator")  # figures: no line
    lines = [
        tuple(getattr(line, key, None) for key in ("act", "principal", "status", "incident_id", "request_id"))
        for line in caplog.records
    ]

    assert [
        ("incident-put", "operator", 409, "lab", problems[0]["requestId"]),
        ("incident-put", "agent", 403, None, problems[1]["requestId"]),
        ("incident-put", None, None, None, problems[2]["requestId"]),
    ] == lines


async def test_problems_have_their_own_kind(face: Face) -> None:
    """Errors are RFC 9457 problems, those of the framework too, and carry the API's headers and the request's id."""
    headers = {"Authorization": f"Bearer {face.tokens['operator']}"}
    async with face.session.get("/v1/wrong", headers=headers) as taken:
        assert (await taken.json()) == {
            "type": "urn:heraut:problem:conflict",
            "status": 409,
            "title": "Taken",
            "detail": "The cohort has another source.",
            "field": "source",
            "requestId": taken.headers["X-Request-Id"],
        }
        assert taken.headers["API-Version"] == "1.0.0"
        assert taken.headers["Server"] == "Heraut"
    async with face.session.get("/v1/nowhere", headers=headers) as nowhere:
        assert (nowhere.status, nowhere.content_type) == (404, "application/problem+json")
    async with face.session.delete("/v1/secret", headers=headers) as method:
        assert (method.status, method.headers["Allow"]) == (405, "GET,HEAD")


async def test_a_bug_is_a_problem_that_says_nothing(face: Face) -> None:
    """What went wrong stands in the log; the answer has its id and no text of the error."""
    status, problem = await face.get("/v1/broken", "operator")

    assert (500, {"type", "status", "title", "detail", "requestId"}, False) == (
        status,
        set(problem),
        "Jansen" in str(problem),
    )


async def test_metrics_are_for_who_scrapes(face: Face) -> None:
    """Figures name incidents before they are public: a token of their own opens them, and nothing else."""
    async with face.session.get("/metrics", headers={"Authorization": f"Bearer {face.tokens['scrape']}"}) as metrics:
        text = await metrics.text()

    assert "intake_batch_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
    assert 403 == (await face.get("/v1/secret", "scrape"))[0]


async def test_whom_to_ask_is_who_runs_the_installation(face: Face) -> None:
    """The description names them as the setting does, and nobody else."""
    async with face.session.get("/v1/openapi.json") as answer:
        described = await answer.json()

    assert {"name": "Desk", "email": "desk@lab.example", "url": "https://lab.example"} == described["info"]["contact"]


async def test_requests_are_counted_by_route_and_answer(face: Face) -> None:
    """Those that were refused too; a path that is nobody's could hold anything, and is counted as none."""
    for path, who in (("/v1/secret", "operator"), ("/v1/secret", None), ("/v1/wrong", "operator"), ("/Jansen", None)):
        await face.get(path, who)
    await face.get("/v1/broken", "operator")
    async with face.session.get("/metrics", headers={"Authorization": f"Bearer {face.tokens['scrape']}"}) as answer:
        text = await answer.text()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("intake_http_requests_total{")]
    counted = {name.partition("{")[2].rstrip("}"): float(value) for name, value in lines}

    expected = {
        'method="GET",route="/v1/secret",status="200"': 1,
        'method="GET",route="/v1/secret",status="401"': 1,
        'method="GET",route="/v1/wrong",status="409"': 1,
        'method="GET",route="/v1/broken",status="500"': 1,
        'method="none",route="none",status="404"': 1,
        'method="GET",route="/page",status="401"': 0,  # counted from nought on
    }
    assert expected == {key: counted[key] for key in expected}
    assert "Jansen" not in text
