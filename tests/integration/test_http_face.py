"""The HTTP face that every process has, over a real socket."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from services.kit.process.health import Health
from services.kit.process.http import Problem, json_response, serve_http, web_app
from services.kit.process.metrics import new_registry
from services.kit.stage.metrics import StageMetrics


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


async def _secret(_: web.Request) -> web.StreamResponse:
    return json_response({"ok": True})


async def _wrong(_: web.Request) -> web.StreamResponse:
    raise Problem(409, "Taken", "The cohort has another source.", field="source")


@pytest.fixture
def clock() -> StillClock:
    """Time stands still unless moved."""
    return StillClock()


@pytest.fixture
def health(clock: StillClock) -> Health:
    """Return the health of a process."""
    return Health("intake", clock)


@pytest.fixture
async def client(health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client of a running server with two routes behind the token."""
    registry = new_registry()
    StageMetrics("intake", registry)
    app = web_app(
        health, registry, token="t0ken", routes=[web.get("/v1/secret", _secret), web.get("/v1/wrong", _wrong)]
    )
    async with serve_http(app, "127.0.0.1", 0) as url, aiohttp.ClientSession(url) as session:
        yield session


async def test_liveness_is_progress(client: aiohttp.ClientSession, health: Health, clock: StillClock) -> None:
    """A loop that stopped beating makes the process not live, and says which; beating again heals it."""
    health.expect("stage", 30)
    clock.seconds = 31
    async with client.get("/livez") as late:
        assert (late.status, await late.json()) == (503, {"ok": False, "waitingFor": ["stage"]})
    health.beat("stage")
    async with client.get("/livez") as well:
        assert well.status == 200


async def test_not_ready_while_draining(client: aiohttp.ClientSession, health: Health) -> None:
    """Who drains gets no new work."""
    async with client.get("/readyz") as ready:
        assert ready.status == 200
    health.drain()
    async with client.get("/readyz") as draining:
        assert (draining.status, (await draining.json())["waitingFor"]) == (503, ["draining"])


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic dDBrZW4=", "Bearer"])
async def test_nobody_gets_in_without_the_token(client: aiohttp.ClientSession, header: str | None) -> None:
    """Every route but the open ones asks for the token, unknown paths included."""
    headers = {"Authorization": header} if header else {}
    for path in ("/v1/secret", "/v1/nowhere"):
        async with client.get(path, headers=headers) as refused:
            assert (refused.status, refused.content_type) == (401, "application/problem+json")


async def test_problems_have_their_own_kind(client: aiohttp.ClientSession) -> None:
    """Errors are RFC 9457 problems, those of the framework too, and carry the API's headers."""
    headers = {"Authorization": "Bearer t0ken"}
    async with client.get("/v1/wrong", headers=headers) as taken:
        assert (await taken.json()) == {
            "status": 409,
            "title": "Taken",
            "detail": "The cohort has another source.",
            "field": "source",
        }
        assert taken.headers["API-Version"] == "1.0.0"
    async with client.get("/v1/nowhere", headers=headers) as nowhere:
        assert (nowhere.status, nowhere.content_type) == (404, "application/problem+json")
    async with client.delete("/v1/secret", headers=headers) as method:
        assert (method.status, method.headers["Allow"]) == (405, "GET,HEAD")


async def test_metrics_are_open(client: aiohttp.ClientSession) -> None:
    """Prometheus needs no token: no label ever holds a person."""
    async with client.get("/metrics") as metrics:
        text = await metrics.text()
    assert "intake_batch_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
