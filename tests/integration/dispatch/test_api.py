"""What operators see of a channel: what waits, and what nobody knows the end of."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.dispatch import api
from services.dispatch.api import Api
from services.dispatch.channel_pause import ChannelPause
from services.dispatch.channels import open_provider
from services.dispatch.closures import Closures
from services.dispatch.limits_shown import LimitsShown
from services.dispatch.mail_config import EmailConfig
from services.dispatch.openapi import OPENAPI
from services.dispatch.standing import Standing
from services.dispatch.turn_store import TurnStore
from services.kit.config import load
from services.kit.process import web_app
from services.kit.process.health import Health
from services.kit.testing import FakeClock, make_principals
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, make_bench
from tests.principals import AUDITOR, LAB, OPERATOR, authenticator
from tests.unit.dispatch.people import TRAITS, some_notices

CAPS = {"HERAUT_EMAIL_PER_SECOND": "50", "HERAUT_EMAIL_PER_DAY": "100"}


class Face:
    """Dispatch's HTTP face for e-mail, and its table."""

    def __init__(self, bench: Bench, principals: Path) -> None:
        self.bench, self.clock = bench, FakeClock()
        clock = self.clock
        self.rests = 0.0  # for how many seconds caps are used up
        config = load(EmailConfig, {"HERAUT_SMTP_URL": "smtp://x", **CAPS})
        self.turns = TurnStore("test", config.caps, config.per_day)
        provider = open_provider(bench.channel, config, clock)
        self._tokens = make_principals(principals, OPERATOR, AUDITOR, LAB)
        routes = Api(
            bench.pool,
            bench.store,
            channel=bench.channel,
            provider="test",
            breaker=bench.breaker,
            closures=Closures(bench.known(), bench.channel),
            unknown_after=timedelta(hours=72),
            channel_pause=ChannelPause(bench.channel, bench.pool, clock),
            waits_since=Standing(bench.pool, bench.store, CollectorRegistry(), TRAITS[bench.channel]).waits_since,
            limits=LimitsShown(config, self.turns, provider, lambda: self.rests, clock),
        ).routes()
        guard = authenticator(principals, clock)
        app = web_app(Health("dispatch", clock), CollectorRegistry(), guard, openapi=OPENAPI, routes=routes)
        self.client = TestClient(TestServer(app))

    async def get(self, path: str, who: str = "operator") -> tuple[int, Any]:
        """Ask as one of the principals."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, who: str = "operator") -> tuple[int, Any]:
        """Do something as one of the principals."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        async with self.client.post(path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def end_unknown(self, since: datetime) -> None:
        """Let everything that waits have ended so that nobody knows how."""
        await self.bench.pool.execute("update batches set state = 4, due = $1 where state = 0", since)


@pytest.fixture
async def face(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[Face]:
    """Return the face on a fresh database."""
    bench = make_bench(Channel.EMAIL, await room_pool("dispatch"), await room_pool("intake"), tmp_path)
    made = Face(bench, tmp_path / "principals.json")
    async with made.client:
        yield made


async def test_what_waits_is_counted_with_since_when(face: Face) -> None:
    """A queue that nobody takes from is seen, before and after an outcome that nobody knows."""
    await face.bench.take(some_notices(3))
    _, waiting = await face.get("/v1/channels")
    await face.end_unknown(datetime.now(UTC))
    _, unknown = await face.get("/v1/channels", "auditor")

    nobody = {"attempts": 0, "since": None}
    (before,), (after,) = waiting["channels"], unknown["channels"]
    assert ("email", "test", []) == (before["channel"], before["provider"], before["pauses"])
    assert [3, 0] == [one["queued"]["attempts"] for one in (before, after)]
    assert datetime.fromisoformat(before["queued"]["since"]) <= datetime.now(UTC)
    assert [nobody, 3] == [before["unknown"], after["unknown"]["attempts"]]


async def test_whoever_is_put_off_again_and_again_waits_since_the_first_time(face: Face) -> None:
    """A provider that is away is tried with those who wait: that makes nobody's wait shorter."""
    await face.bench.take(some_notices(1))
    await face.bench.pool.execute("update batches set at = $1", datetime(2026, 3, 1, 9, tzinfo=UTC))
    _, first = await face.get("/v1/channels")
    await face.bench.pool.execute("update batches set at = $1, tries = 1", datetime(2026, 3, 1, 10, tzinfo=UTC))
    _, again = await face.get("/v1/channels")

    assert ["2026-03-01T09:00:00+00:00"] * 2 == [one["channels"][0]["queued"]["since"] for one in (first, again)]


async def test_unknown_outcomes_are_listed_page_by_page(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its notice and when it goes to the next channel; a page says where the next one begins."""
    monkeypatch.setattr(api, "MOST_BATCHES", 1)
    since = datetime(2026, 3, 1, 9, tzinfo=UTC)
    notices = [some_notices(2).pick([row]) for row in (0, 1)]
    for one in notices:
        await face.bench.take(one)
    await face.end_unknown(since)
    _, first = await face.get("/v1/unknowns")
    _, second = await face.get(f"/v1/unknowns?after={first['next']}")
    _, last = await face.get(f"/v1/unknowns?after={second['next']}")

    assert [one.ids[0].hex() for one in notices] == [page["unknowns"][0]["noticeId"] for page in (first, second)]
    assert ("2026-03-01T09:00:00+00:00", "2026-03-04T09:00:00+00:00") == (
        first["unknowns"][0]["since"],
        first["unknowns"][0]["nextChannelAt"],
    )
    assert {"unknowns": [], "next": None} == last


async def test_who_may_not_look_is_refused_and_no_page_is_told(face: Face) -> None:
    """A source sees its own records elsewhere; a cursor that is none is a fault of the request."""
    assert [403, 403] == [(await face.get(path, "lab"))[0] for path in ("/v1/channels", "/v1/unknowns")]
    assert 400 == (await face.get("/v1/unknowns?after=x"))[0]


async def test_an_operator_pauses_a_channel_and_it_is_kept_who_did(face: Face) -> None:
    """A second pause changes nothing; who paused is shown, and each act has its request."""
    first, again = await face.post("/v1/channels/email/pause"), await face.post("/v1/channels/email/pause")
    _, shown = await face.get("/v1/channels", "auditor")
    status, resumed = await face.post("/v1/channels/email/resume")
    acts = await face.bench.pool.fetch("select act, principal, request_id <> '' as asked from acts order by number")

    assert (200, "operator") == (first[0], first[1]["pausedBy"])
    assert first == again
    assert (["operator"], "operator") == (shown["channels"][0]["pauses"], shown["channels"][0]["pausedBy"])
    assert (200, None) == (status, resumed["pausedBy"])
    assert [("channel-paused", "operator", True), ("channel-resumed", "operator", True)] == [tuple(one) for one in acts]


async def test_what_limits_there_are_and_what_they_hold_back(face: Face) -> None:
    """An operator sees why a queue stands: how much of a day is used, until when, and that domains have limits."""
    async with face.bench.pool.acquire() as connection:
        await face.turns.take(connection, 40)
    _, before = await face.get("/v1/channels")
    face.rests = 90.0
    _, after = await face.get("/v1/channels")

    assert [{"messages": 50, "seconds": 1.0}, {"messages": 100, "seconds": 86400.0, "usedToday": 12}] == (
        before["channels"][0]["caps"]
    )
    assert {"messages": 0, "domains": 0, "domainsLeftAlone": 0, "capsUntil": None} == before["channels"][0]["heldBack"]
    assert (face.clock.now() + timedelta(seconds=90)).isoformat(timespec="seconds") == (
        after["channels"][0]["heldBack"]["capsUntil"]
    )


@pytest.mark.parametrize(
    ("path", "who", "status"), [("letter/pause", "operator", 404), ("email/pause", "auditor", 403)]
)
async def test_nobody_pauses_another_channel_or_without_the_right(face: Face, path: str, who: str, status: int) -> None:
    """What was refused changes nothing."""
    answered, _ = await face.post(f"/v1/channels/{path}", who)

    assert status == answered
    assert [] == await face.bench.pool.fetch("select 1 from acts")
