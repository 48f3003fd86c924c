"""Malformed uploads over HTTP, to a whole process of intake: a clear answer to each, and everybody counted once."""

import asyncio
import gzip
import io
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest
from notification.topics import MEMBERS_ACCEPTED
from notification.v1 import intake_pb2

from tests.integration.intake.conftest import a_document
from tests.integration.malformed.material import BAD_BSN, CANARIES, HEADER, SHORT_BSN, UPLOADS, Upload, a_row, id_of
from tests.integration.malformed.process import Intake, a_cohort, counts


async def post(
    session: aiohttp.ClientSession, cohort: str, body: Any, headers: dict[str, str] | None = None
) -> tuple[int, str, dict[str, Any]]:
    """Upload; returns status, kind and content of the answer."""
    async with session.post(
        f"{cohort}/members",
        data=io.BytesIO(body) if isinstance(body, bytes) else body,
        headers={"Content-Type": "text/csv"} | (headers or {}),
    ) as response:
        return response.status, response.content_type, await response.json(content_type=None)


@pytest.mark.parametrize("upload", UPLOADS, ids=id_of)
async def test_malformed_upload_is_answered_clearly_and_counted_once(intake: Intake, upload: Upload) -> None:
    """The answer has status, code and line, and good lines are taken; sent again, the upload changes nothing."""
    async with intake.session() as session:
        cohort = await a_cohort(session, id_of(upload))
        status, kind, answer = await post(session, cohort, upload.body, upload.headers)
        again, _, _ = await post(session, cohort, upload.body, upload.headers)
        told = [(p.get("line"), p["field"], p["problem"]) for p in answer.get("problems", [])]

        assert (upload.status, upload.reason) == (status, answer.get("reason"))
        assert ("application/json" if status == 202 else "application/problem+json") == kind
        assert upload.problems == told
        assert (status, upload.counts) == (again, await counts(session, cohort))


async def test_nobody_is_seen_in_answers_log_metrics_or_rejections(intake: Intake) -> None:
    """After all uploads again, the one person in them is found in no answer, log line, metric or row of a rejection."""
    async with intake.session() as session:
        cohort = await a_cohort(session, "canary")
        answers = [
            str(await post(session, cohort, upload.body, upload.headers))
            for upload in UPLOADS
            if len(upload.body) < 1_000_000
        ]
        async with session.get("/metrics") as response:
            metrics = await response.text()
    database = await asyncpg.connect(intake.database_url)
    kept = await database.fetch(
        "select r::text from intake.rejections as r union all select a::text from intake.answers as a"
    )
    await database.close()
    seen = [*answers, metrics, intake.logged(), *(row[0] for row in kept)]

    assert len(kept) > 5
    assert [] == [(canary, text[:300]) for canary in CANARIES for text in seen if canary.lower() in text.lower()]


async def test_leading_zero_makes_no_other_person(intake: Intake) -> None:
    """A BSN that a spreadsheet took its zero from is the same person's."""
    async with intake.session() as session:
        cohort = await a_cohort(session, "zero")
        await post(session, cohort, HEADER + a_row("m-1", bsn=SHORT_BSN) + a_row("m-2", bsn=f"0{SHORT_BSN}"))
    database = await asyncpg.connect(intake.database_url)
    rows = await database.fetch("select block from log.log where topic = $1", MEMBERS_ACCEPTED)
    await database.close()
    (block,) = [
        found for row in rows if (found := intake_pb2.MembersAccepted.FromString(row["block"])).cohort_id == "zero"
    ]

    assert 2 == len(block.versions)
    assert block.pseudonyms[:16] == block.pseudonyms[16:]


@pytest.mark.parametrize("unit", [b"\0", b'"', b'","'], ids=["zeros", "quotes", "fields"])
async def test_bomb_keeps_nobody_waiting(intake: Intake, unit: bytes) -> None:
    """While a bomb is unpacked, others are answered, and it is never held in memory."""
    bomb = gzip.compress(HEADER + unit * (40_000_000 // len(unit)), 6)
    before = _peak_kilobytes(intake.pid)
    async with intake.session() as session:
        cohort = await a_cohort(session, f"bomb-{unit.hex()}")
        exploding = asyncio.create_task(post(session, cohort, bomb, {"Content-Encoding": "gzip"}))
        slowest = 0.0
        while not exploding.done():
            began = time.monotonic()
            async with session.get("/livez") as response:
                assert response.status == 200
            slowest = max(slowest, time.monotonic() - began)
        status, _, _ = await exploding

    assert status in {202, 400}
    assert slowest < 2.0  # a quarter of the lease of ten seconds would still be fine
    assert _peak_kilobytes(intake.pid) - before < 30_000


def _peak_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_upload_cut_off_in_the_middle_and_sent_again(intake: Intake, packed: bool) -> None:  # noqa: FBT001
    """What came before the line went dead is kept, and the same upload again ends with everybody once."""
    rows = [a_row(f"m-{at}", familyName=f"N{at}") for at in range(3_000)]
    body = HEADER + b"".join(rows)
    sent = gzip.compress(body, 1) if packed else body
    headers = {"Content-Encoding": "gzip"} if packed else {}

    async def half() -> Any:
        yield sent[: len(sent) // 2]
        await asyncio.sleep(0.2)  # on its way: the line must not die before it
        raise ConnectionResetError

    async with intake.session() as session:
        cohort = await a_cohort(session, f"cut-{packed}")
        with pytest.raises(aiohttp.ClientError):
            await post(session, cohort, half(), headers)
        async with asyncio.timeout(20):
            while not (kept := (await counts(session, cohort))[2]):  # noqa: ASYNC110 - what is waited for is elsewhere
                await asyncio.sleep(0.02)
        status, _, answer = await post(session, cohort, sent, headers)

        assert 0 < kept < 3_000
        assert (202, 3_000) == (status, answer["accepted"])
        assert (3_000, 0, 3_000) == await counts(session, cohort)


async def test_two_uploads_of_one_cohort_at_the_same_time(intake: Intake) -> None:
    """Good and bad versions of the same people, side by side: everybody is counted once, and nobody twice."""
    good = HEADER + b"".join(a_row(f"m-{at}", familyName=f"N{at}") for at in range(2_000))
    bad = HEADER + b"".join(a_row(f"m-{at}", postcode="0") for at in reversed(range(2_000)))
    async with intake.session() as session:
        cohort = await a_cohort(session, "at-once")
        answers = await asyncio.gather(*(post(session, cohort, body) for body in (good, bad, good, bad)))

        assert [202] * 4 == [status for status, _, _ in answers]
        assert (2_000, 0, 2_000) == await counts(session, cohort)


async def test_repeated_upload(intake: Intake) -> None:
    """Without a key the same upload is read again and changes nothing; with one, its first answer comes again."""
    body = HEADER + a_row("m-1") + a_row("m-2", bsn=BAD_BSN)
    key = {"Idempotency-Key": "once"}
    async with intake.session() as session:
        cohort = await a_cohort(session, "repeated")
        plain = [await post(session, cohort, body) for _ in range(2)]
        keyed = [await post(session, cohort, body, key) for _ in range(2)]
        other, _, _ = await post(session, cohort, body + a_row("m-3"), key)

        assert plain[0] == plain[1] == keyed[0] == keyed[1]
        assert 409 == other
        assert (2, 1, 1) == await counts(session, cohort)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/incidents/nul", a_document(title="a\0b"), 400),
        ("/v1/incidents/lab/cohorts/nul", {"source": "a\0b"}, 400),
        ("/v1/incidents/lab/cohorts/much", {"source": "lab", "declaredCount": 2**63}, 400),
        ("/v1/incidents/lab/cohorts/neg", {"source": "lab", "declaredCount": -1}, 400),
        ("/v1/incidents/lab/cohorts/list", [], 400),
        ("/v1/incidents/big", a_document(title="x" * 2_000_000), 413),
        ("/v1/incidents/../x", a_document(), 404),
    ],
)
async def test_malformed_incidents_and_cohorts_are_refused(intake: Intake, path: str, body: Any, status: int) -> None:
    """What cannot be kept is refused with a problem, and is no fault of ours."""
    async with (
        intake.session() as session,
        session.put(
            path, data=io.BytesIO(orjson.dumps(body)), headers={"Content-Type": "application/json"}
        ) as response,
    ):
        assert (status, "application/problem+json") == (response.status, response.content_type)


async def test_process_says_nothing_is_wrong_with_it(intake: Intake) -> None:
    """Malformed input is no error of the service: it logs none, and is ready."""
    async with intake.session() as session, session.get("/readyz") as response:
        assert 200 == response.status

    assert [] == [line for line in intake.logged().splitlines() if '"level":"error"' in line]


def test_a_process_that_dies_leaves_no_core(intake: Intake) -> None:
    """A core dump would have people in the open."""
    limits = Path(f"/proc/{intake.pid}/limits").read_text(encoding="utf-8")

    assert ["0", "0"] == next(
        line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")
    )
