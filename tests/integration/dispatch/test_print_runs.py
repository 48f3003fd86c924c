"""Print runs: each file is in one, each is closed once, and its total is what lies in the folder."""

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.core.notices import FLAG_SECRET_ADDRESS
from services.core.status import AttemptState
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.domain import PrintedFile, Work
from services.dispatch.outcomes import HandOver
from services.dispatch.print_runs import PrintRun
from services.kit.errors import LostOwnershipError
from services.kit.postgres import Connection
from services.rendering.letters.print_job import letter_date
from services.rendering.letters.profile_file import USUAL_PROFILE
from tests.integration.dispatch.bench import Bench, ShiftedClock, a_payload
from tests.unit.dispatch.people import a_round, an_id, some_notices

DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a print folder."""
    path = tmp_path / "print"
    path.mkdir()
    return path


def _printer(folder: Path, close_after: timedelta | None = None) -> PrintFolder:
    """Return a print folder whose files have two letters at most."""
    profile = replace(USUAL_PROFILE, file=USUAL_PROFILE.file._replace(letters=2))
    return PrintFolder(folder, profile=profile, close_after=close_after)


async def _queue(bench: Bench, count: int, *, first: int = 0, secret: int = 0) -> None:
    """Queue letters two at a time, as a print house with files of two letters asks; the last ones are secret."""
    for at in range(first, first + count, 2):
        few = range(at, min(at + 2, first + count))
        flags = [FLAG_SECRET_ADDRESS if one >= first + count - secret else 0 for one in few]
        notices = some_notices(
            len(few), flags=flags, ids=[an_id(("n", one)) for one in few], members=[an_id(("m", one)) for one in few]
        )
        await bench.seal(notices, [a_payload(houseNumber=str(one + 1)) for one in few])
        await bench.take(notices)


def _of(folder: Path, ending: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob(f"*.{ending}"))]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _bodies(folder: Path, ending: str) -> list[bytes]:
    return [body for name, body in _files(folder).items() if name.endswith(ending)]


def _clean_up(folder: Path) -> None:
    """Remove what a print house took."""
    for path in [*folder.glob("*.pdf"), *folder.glob("*.manifest.json")]:
        path.unlink()


async def _close(bench: Bench, printer: PrintFolder, later: timedelta = DAY) -> None:
    """Let a sender work until its print runs are closed, at a time so much later."""
    bench.clock = ShiftedClock(later)

    async def closed() -> bool:
        return not await bench.pool.fetchval("select exists (select from print_runs where state < 2)")

    await bench.send(printer, until=closed)


def _chained(folder: Path, total: dict[str, Any]) -> str:
    link = bytes(32)
    for file in total["files"]:
        body = (folder / f"{file['batchId']}.pdf").read_bytes()
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        link = hashlib.sha256(link + hashlib.sha256(body).digest()).digest()
    return link.hex()


async def test_the_files_of_a_day_are_one_job(letters: Bench, folder: Path) -> None:
    """Count, pages and chain of the total are those of the files, whose manifests name it; then it is closed."""
    await _queue(letters, 5)
    day = letter_date(letters.clock.now())
    await letters.send(_printer(folder))
    before = _of(folder, "job.json")
    await _close(letters, _printer(folder))
    (total,) = _of(folder, "job.json")
    manifests = _of(folder, "manifest.json")

    assert [] == before
    assert (f"{day:%Y%m%d}-0-normal-1", "normal") == (total["job"], total["handling"])
    assert {total["job"]} == {about["job"] for about in manifests}
    assert {file["batchId"] for file in total["files"]} == {about["batchId"] for about in manifests}
    assert (3, 5, 10, 5) == (total["count"], total["letters"], total["pages"], total["sheets"])
    assert _chained(folder, total) == total["chain"]


async def test_secret_addresses_are_a_job_of_their_own(letters: Bench, folder: Path) -> None:
    """Few people are to handle it."""
    await _queue(letters, 4, secret=2)
    await letters.send(_printer(folder))
    await _close(letters, _printer(folder))

    assert [("normal", 2), ("secret", 2)] == [(one["handling"], one["letters"]) for one in _of(folder, "job.json")]


async def test_a_job_that_is_closed_gets_nothing_more(letters: Bench, folder: Path) -> None:
    """What comes later that day is the next job, and what comes the next day is that day's first."""
    for at, later in enumerate((timedelta(), timedelta(minutes=1), DAY)):
        await _queue(letters, 2, first=2 * at)
        letters.clock = ShiftedClock(later)
        await letters.send(_printer(folder))
        await _close(letters, _printer(folder, timedelta(0)), later)
    totals = _of(folder, "job.json")

    assert [1, 1, 1] == [total["count"] for total in totals]
    assert ["1", "2", "1"] == [total["job"].rpartition("-")[2] for total in totals]


async def test_nothing_printed_is_no_job(letters: Bench, folder: Path) -> None:
    """A file all of whose letters were refused is in no run, and a run without a file is forgotten."""
    notices = some_notices(2)
    await letters.seal(notices, [a_payload(city="")] * 2)
    await letters.take(notices)
    await letters.send(_printer(folder))
    await _close(letters, _printer(folder))

    assert ({}, 0) == (_files(folder), await letters.pool.fetchval("select count(*) from print_runs"))


@pytest.mark.parametrize("after", [False, True])
async def test_whoever_takes_over_goes_on_with_the_job(letters: Bench, folder: Path, *, after: bool) -> None:
    """Killed before or after it wrote a file: the next owner makes the same one, in the same job, counted once."""
    await _queue(letters, 5)
    await letters.die_in(_printer(folder), after=after)
    # Those that a print house sees: a thread of the one that died may still be busy with its hidden ones.
    begun = {name: body for name, body in _files(folder).items() if not name.startswith(".")}
    await letters.send(_printer(folder))
    await _close(letters, _printer(folder))
    (total,) = _of(folder, "job.json")

    assert begun.items() <= _files(folder).items()
    assert (3, 5) == (total["count"], total["letters"])
    assert _chained(folder, total) == total["chain"]


async def test_a_file_on_its_way_keeps_its_job_open(letters: Bench, folder: Path) -> None:
    """However long ago its day was over: a total without it would be wrong."""
    await _queue(letters, 4)
    await letters.die_in(_printer(folder), after=False)
    async with letters.pool.acquire() as connection:
        runs = letters.runs
        due = await runs.due(connection, [0], letter_date(letters.clock.now()) + 9 * DAY, letters.clock.now() + DAY)
        closing = await runs.begin_closing(connection, f"{letter_date(letters.clock.now()):%Y%m%d}-0-normal-1",
                                           letters.clock.now())  # fmt: skip

    assert ([], None) == (due, closing)


async def test_marks_outlive_the_files(letters: Bench, folder: Path) -> None:
    """The print house took the files and cleaned up, and we died before we knew: nothing is printed twice."""
    await _queue(letters, 2)
    await letters.die_in(_printer(folder), after=True)
    (written,) = _bodies(folder, ".pdf")
    _clean_up(folder)
    await letters.send(_printer(folder))
    await _close(letters, _printer(folder))
    (total,) = _of(folder, "job.json")

    assert {AttemptState.ACCEPTED: 2} == await letters.states()
    assert ["done", "job.json"] == sorted(name.split(".", 1)[1] for name in _files(folder))
    assert ([hashlib.sha256(written).hexdigest()], 2) == ([one["sha256"] for one in total["files"]], total["letters"])


class DiesClosing:
    """A print folder in whose process the end comes while it closes a run: before it writes the total, or after."""

    def __init__(self, inner: PrintFolder, *, after: bool) -> None:
        self.inner, self.traits, self._after = inner, inner.traits, after
        self.reached = asyncio.Event()

    async def hand_over(self, work: Work, go: Any) -> HandOver:
        """Hand over."""
        return await self.inner.hand_over(work, go)

    async def close_run(self, run: PrintRun) -> bool:
        """Write the total or not, and never come back."""
        if self._after:
            await self.inner.close_run(run)
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Let go of threads."""
        await self.inner.close()


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_while_a_job_is_closed_ends_with_one_total(letters: Bench, folder: Path, *, after: bool) -> None:
    """It was fixed before it was written, so the next owner writes the same, and nothing is added meanwhile."""
    await _queue(letters, 2)
    await letters.send(_printer(folder))
    dying = DiesClosing(_printer(folder, timedelta(0)), after=after)
    task = asyncio.create_task(letters.sender(dying).run(asyncio.Event()))
    await asyncio.wait_for(dying.reached.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
    written = _bodies(folder, ".job.json")
    await _queue(letters, 2, first=2)
    await letters.send(_printer(folder))
    await _close(letters, _printer(folder))
    totals = {total["job"].rpartition("-")[2]: total["count"] for total in _of(folder, "job.json")}

    assert after == bool(written)
    assert {"1": 1, "2": 1} == totals
    assert set(written) <= set(_bodies(folder, ".job.json"))


async def test_a_run_is_not_closed_while_a_file_is_put_into_it(letters: Bench, folder: Path) -> None:
    """Whoever closes it waits for the intent that is being written, and sees its file."""
    await _queue(letters, 2)
    await letters.send(_printer(folder))
    now, runs = letters.clock.now(), letters.runs
    name = f"{letter_date(now):%Y%m%d}-0-normal-1"
    one = replace(a_round(some_notices(1, ids=[an_id("late")])), print_job=an_id("file"))
    async with letters.pool.acquire() as writing, letters.pool.acquire() as closing:
        async with writing.transaction():
            await runs.assign(writing, [one], now)
            begun = asyncio.create_task(_begin_closing(letters, closing, name))
            while not await letters.pool.fetchval(_WAITING):  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(0.01)
        total = await begun
        await runs.settle(writing, replace(one, printed=PrintedFile(1, 2, 1, bytes(32))), [], now)
        afterwards = await _begin_closing(letters, closing, name)

    assert (name, None) == (one.print_run, total)
    assert afterwards
    assert [2, 1] == [file.letters for _, file in afterwards.files]


_WAITING = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%print_runs%')"


async def _begin_closing(bench: Bench, connection: Connection, name: str) -> PrintRun | None:
    async with connection.transaction():
        return await bench.runs.begin_closing(connection, name, bench.clock.now())


async def test_who_lost_the_partition_closes_nothing(letters: Bench, folder: Path) -> None:
    """A process that was replaced cannot fix a total, nor note that one is out."""
    await _queue(letters, 2)
    await letters.send(_printer(folder))
    letters.clock, letters.stage.refuse = ShiftedClock(DAY), lambda: True
    sender = letters.sender(_printer(folder))
    assert sender._closing
    with pytest.raises(LostOwnershipError):
        await sender._closing.look([0], lambda: True)

    assert [] == _of(folder, "job.json")


async def test_another_total_of_the_name_stays(letters: Bench, folder: Path) -> None:
    """A database that was set back makes a number anew: what the print house has is not replaced, and people look."""
    await _queue(letters, 2)
    await letters.send(_printer(folder))
    name = f"{letter_date(letters.clock.now()):%Y%m%d}-0-normal-1.job.json"
    await asyncio.to_thread((folder / name).write_bytes, b"{}")
    letters.clock = ShiftedClock(DAY)
    sender = letters.sender(_printer(folder))
    assert sender._closing
    await sender._closing.look([0], lambda: True)

    assert [{}] == _of(folder, "job.json")
    assert 1 == await letters.pool.fetchval("select state from print_runs")
