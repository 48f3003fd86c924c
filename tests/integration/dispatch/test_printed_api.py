"""What operators see of print jobs, and what they decide: by whom it may be done, and what is answered."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.receipts import ReceiptKind
from services.dispatch.openapi import OPENAPI
from services.dispatch.printed import api
from services.dispatch.printed.api import PrintedApi
from services.dispatch.printed.deciding import Deciding
from services.dispatch.printed.store import PrintedStore
from services.kit.process import web_app
from services.kit.process.health import Health
from services.kit.testing import FakeClock, make_principals
from tests.integration.dispatch.bench import Bench
from tests.integration.dispatch.test_api import Face
from tests.integration.dispatch.test_recalls import hear
from tests.integration.dispatch.test_resuming import known
from tests.principals import AUDITOR, LAB, OPERATOR, authenticator
from tests.unit.dispatch.people import an_id, some_notices

FILE = an_id("file")
RUN = "20260820-0-normal-1"


class PrintedFace(Face):
    """The routes of print jobs, and a print file of three letters that was rejected."""

    def __init__(self, bench: Bench, principals: Path) -> None:
        self.bench, clock = bench, FakeClock()
        self._tokens = make_principals(principals, OPERATOR, AUDITOR, LAB)
        deciding = Deciding(bench.decisions, bench.stage, bench.traits)
        routes = PrintedApi(bench.pool, bench.channel, deciding).routes()
        guard = authenticator(principals, clock)
        app = web_app(Health("dispatch", clock), CollectorRegistry(), guard, openapi=OPENAPI, routes=routes)
        self.client = TestClient(TestServer(app))

    async def reject(self, *, posted: bool = False) -> None:
        """Have the letters printed and rejected, one batch each."""
        now = datetime.now(UTC)
        for number in range(3):
            await self.bench.take(some_notices(1, ids=[an_id(number)]))
        await self.bench.pool.execute("update batches set state = 11, job = $1", FILE)
        await self.bench.pool.execute(
            "insert into print_runs (run, day, at, partition, number, handling, state) values ($1, $2, $3, 0, 1, 0, 2)",
            RUN, now.date(), now,
        )  # fmt: skip
        await self.bench.pool.execute(
            "insert into print_files (job, run, position, letters, done_at) values ($1, $2, 1, 3, $3)", FILE, RUN, now
        )
        async with self.bench.pool.acquire() as connection:
            for kind in [ReceiptKind.REFUSED, *([ReceiptKind.POSTED] if posted else [])]:
                await PrintedStore(Channel.LETTER).note(connection, [FILE], kind, now, word="font", now=now)


@pytest.fixture
async def face(letters: Bench, tmp_path: Path) -> AsyncIterator[PrintedFace]:
    """Return the face on a fresh database."""
    made = PrintedFace(letters, tmp_path / "principals.json")
    async with made.client:
        yield made


async def test_a_rejected_job_is_listed_with_its_files_and_why(face: PrintedFace) -> None:
    """Operators and auditors see it, by figures; a source does not."""
    await face.reject()
    status, found = await face.get("/v1/print-jobs", "auditor")
    (job,) = found["jobs"]

    assert 200 == status
    assert job | {
        "job": RUN, "handling": "normal", "state": "rejected", "closed": True, "files": 1, "letters": 3,
        "filesWaiting": 0, "waitsSince": None, "filesRejected": 1, "reasons": ["font"], "contradictory": False,
        "unprinted": 3, "unprintedFiles": [{"batchId": FILE.hex(), "letters": 3}], "decided": None,
    } == job  # fmt: skip
    assert 403 == (await face.get("/v1/print-jobs", "lab"))[0]


@pytest.mark.parametrize("job", [RUN, FILE.hex()])
async def test_who_lies_in_it_is_listed_page_by_page(
    face: PrintedFace, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """By the job, or by one of its files."""
    monkeypatch.setattr(api, "MOST_BATCHES", 2)
    await face.reject()
    _, first = await face.get(f"/v1/print-jobs/{job}/letters")
    _, second = await face.get(f"/v1/print-jobs/{job}/letters?after={first['next']}")

    assert [an_id(number).hex() for number in range(3)] == [
        one["noticeId"] for page in (first, second) for one in page["letters"]
    ]
    assert (None, FILE.hex(), 1) == (second["next"], first["letters"][0]["batchId"], first["letters"][0]["attempt"])
    assert 400 == (await face.get(f"/v1/print-jobs/{job}/letters?after=x"))[0]


async def test_an_operator_decides_and_is_written_down(face: PrintedFace) -> None:
    """Nobody else may; what was decided is not decided again, and the job is listed no more once it is done."""
    await face.reject()
    await face.bench.acknowledge(1, 2)
    refused, _ = await face.post(f"/v1/print-jobs/{RUN}/print-again", "auditor")
    taken, done = await face.post(f"/v1/print-jobs/{RUN}/print-again")
    _, again = await face.post(f"/v1/print-jobs/{RUN}/give-up")
    await face.bench.tick()
    (job,) = (await face.get("/v1/print-jobs"))[1]["jobs"]
    await hear(face.bench, known(1, 2))
    await face.bench.tick()
    acts = await face.bench.pool.fetch("select act, job, letters, principal from print_acts")

    assert (403, 202, {"job": RUN, "letters": 3, "waiting": 0}) == (refused, taken, done)
    assert {"job": RUN, "letters": 0, "waiting": 3} == again
    assert (0, [], 3, [0, 1]) == (
        job["unprinted"], job["unprintedFiles"], job["decided"]["notices"], job["decided"]["behindIn"],
    )  # fmt: skip
    assert [("printed-again", RUN, 3, "operator")] == [tuple(row) for row in acts]
    assert [] == (await face.get("/v1/print-jobs"))[1]["jobs"]
    assert [RUN] == [job["job"] for job in (await face.get("/v1/print-jobs?all=true"))[1]["jobs"]]


async def test_what_may_have_been_told_is_asked_for_twice(face: PrintedFace) -> None:
    """Where the print house said that it posted the same, and of what there is not, a problem is answered."""
    await face.reject(posted=True)
    unknown, _ = await face.post(f"/v1/print-jobs/{an_id('none').hex()}/print-again")
    posted, problem = await face.post(f"/v1/print-jobs/{RUN}/give-up")
    even, done = await face.post(f"/v1/print-jobs/{RUN}/give-up?evenIfPosted=true")

    assert (404, 409, "urn:heraut:problem:posted") == (unknown, posted, problem["type"])
    assert (202, 3) == (even, done["letters"])
