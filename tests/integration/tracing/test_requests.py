"""Acts of callers begin traces, or go on with those that they name."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from services.core.access import Act, Caller
from services.kit.process import AUDIT, Problem, Route, json_response, serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.log import JsonFormatter
from services.kit.process.metrics import new_registry
from services.kit.testing import FakeClock
from services.kit.tracing import current_causes, open_tracing
from tests.integration.tracing.collector import Collected, Collector
from tests.principals import authenticator, bearer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


async def _put(_: web.Request, caller: Caller) -> web.StreamResponse:
    caller.incident_id = "lab"
    inside = await asyncio.create_task(_where())
    return json_response({"span": inside})


async def _where() -> str:
    return current_causes()[0].span_id


async def _wrong(_: web.Request, _caller: Caller) -> web.StreamResponse:
    raise Problem(409, "Taken", "Jansen has it.")


async def _broken(_: web.Request, _caller: Caller) -> web.StreamResponse:
    raise AssertionError("a bug that names Jansen")


ROUTES = [
    Route("PUT", "/v1/people/{name}", Act.INCIDENT_PUT, _put),
    Route("PUT", "/v1/wrong", Act.INCIDENT_PUT, _wrong),
    Route("PUT", "/v1/broken", Act.INCIDENT_PUT, _broken),
    Route("GET", "/v1/figures", Act.LEDGER_SHOWN, _wrong),
]


@dataclass
class Face:
    """A running server, a caller whom it knows, and its log."""

    session: aiohttp.ClientSession
    collector: Collector
    log: io.StringIO

    async def ask(self, path: str, *traceparents: str, method: str = "PUT", **headers: str) -> tuple[int, Any]:
        """Ask; returns the answer."""
        given = [*headers.items(), *(("traceparent", one) for one in traceparents)]
        async with self.session.request(method, path, headers=given) as response:
            return response.status, await response.json(content_type=None)

    async def span(self) -> Collected:
        """Return the next span."""
        found = await self.collector.until(bool)
        return found.pop(0)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged."""
        return [orjson.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
async def face(collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Face]:
    """Run a process's HTTP face, with traces."""
    caplog.set_level(logging.INFO, AUDIT)
    clock, registry, log = FakeClock(), new_registry(), io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter("intake"))
    logging.getLogger().addHandler(handler)
    headers = bearer(tmp_path / "principals.json")
    tracing = open_tracing(collector.url, "intake", "intake", registry)
    known = authenticator(tmp_path / "principals.json", clock)
    app = web_app(Health("intake", clock), registry, known, routes=ROUTES, tracing=tracing)
    async with serve_http(app, "127.0.0.1", 0) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield Face(session, collector, log)
    logging.getLogger().removeHandler(handler)
    await tracing.close()


async def test_an_act_goes_on_with_its_callers_trace(face: Face) -> None:
    """Whatever the handler does stands in it; the path and the caller, who may be people, do not."""
    status, answer = await face.ask("/v1/people/Jansen", GOOD, **{"User-Agent": "Jansen", "tracestate": "x=Jansen"})
    span = await face.span()

    assert (200, span.span_id) == (status, answer["span"])
    assert (TRACE, SPAN, "PUT /v1/people/{name}") == (span.trace_id, span.parent, span.name)
    assert {"http.request.method": "PUT", "http.route": "/v1/people/{name}", "http.response.status_code": 200,
            "heraut.act": "incident-put", "heraut.incident_id": "lab",
            "heraut.request_id": face.lines()[-1]["request_id"]} == span.about  # fmt: skip
    assert not any(word in body for body in face.collector.bodies for word in (b"Jansen", b"operator"))


@pytest.mark.parametrize(
    "given", [(), ("Jansen",), (GOOD, GOOD.replace("4", "5")), (f"00-{'0' * 32}-{SPAN}-01",), (f"{GOOD}-more",)]
)
async def test_a_malformed_traceparent_begins_a_new_trace(face: Face, given: tuple[str, ...]) -> None:
    """None, something else, two of them: never an error."""
    status, _ = await face.ask("/v1/people/x", *given)
    span = await face.span()

    assert (200, "") == (status, span.parent)
    assert TRACE != span.trace_id


async def test_log_lines_have_the_trace_beside_the_request(face: Face) -> None:
    """The audit line, and that of a bug; the answer has the request's id, by which both are found."""
    await face.ask("/v1/people/x", GOOD)
    await face.ask("/v1/wrong", GOOD)
    status, problem = await face.ask("/v1/broken", GOOD)
    spans = await face.collector.until(lambda found: len(found) == 3)
    lines = face.lines()

    assert 500 == status
    assert [TRACE] * 4 == [line["trace_id"] for line in lines]
    assert spans[2].span_id == next(line["span_id"] for line in lines if line["message"] == "a request failed")
    assert problem["requestId"] == lines[-1]["request_id"] == spans[2].about["heraut.request_id"]
    assert [(200, False), (409, False), (500, True)] == [
        (one.about["http.response.status_code"], one.failed) for one in spans
    ]
    assert "AssertionError" == spans[2].about["error.type"]
    assert not any(b"Jansen" in body for body in face.collector.bodies)


async def test_only_acts_of_callers_who_are_known_are_traced(face: Face) -> None:
    """Nobody else can fill the collector; figures, which are asked for every few seconds, do not either."""
    await face.ask("/v1/people/x", GOOD, Authorization="Bearer nobody")
    await face.ask("/v1/figures", GOOD, method="GET")
    await face.ask("/v1/wrong", GOOD)

    assert "PUT /v1/wrong" == (await face.span()).name
    assert [] == face.collector.spans
