"""The drill for letters: print folder and print house know what a database that was set back does not."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.core.access import Caller
from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.printed.reading_back import ReadingBack
from services.dispatch.printed.store import PrintedStore
from services.dispatch.provider import AnsweringProvider
from services.dispatch.restored import RESTORED, Afterwards
from tests.integration.dispatch.bench import Bench, ShiftedClock
from tests.integration.dispatch.printed_bench import Printed
from tests.integration.dispatch.set_back import SetBack, doubted, hands_over_to, of
from tests.integration.dispatch.test_sftp import House
from tests.principals import OPERATOR
from tests.unit.dispatch.people import an_id


@pytest.fixture(params=["folder", "sftp"])
async def printed(letters: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Printed]:
    """Return a print house that fetches its files, and one that is sent them."""
    async with AsyncExitStack() as stack:
        folder = tmp_path / "print"
        folder.mkdir()
        provider: AnsweringProvider = PrintFolder(folder, "ndjson")
        found = Printed(letters, provider, folder, folder)
        if request.param == "sftp":
            house = House(tmp_path / "house")
            await stack.enter_async_context(house.serve())
            provider = house.printer()
            found = Printed(letters, provider, house.local, house.inbox)
        stack.push_async_callback(provider.close)
        await hands_over_to(letters, provider)
        yield found


def _said(folder: Path, ending: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob(f"*.{ending}"))]


def _printed(folder: Path) -> Counter[str]:
    """Return how often each notice was printed, as the manifests say."""
    return Counter(letter["noticeId"] for about in _said(folder, "manifest.json") for letter in about["letters"])


async def _read_back(printed: Printed) -> None:
    bench = printed.bench
    reading = ReadingBack(
        printed.provider.finished, stage=bench.stage, pool=bench.pool, traits=printed.provider.traits, clock=bench.clock
    )
    await reading.look()


async def _close(printed: Printed) -> None:
    """Let a day pass, so that all print runs are closed."""
    printed.bench.clock = ShiftedClock(timedelta(days=1))

    async def closed() -> bool:
        return not await printed.bench.pool.fetchval("select exists (select from print_runs where state < 2)")

    await printed.bench.send(printed.provider, until=closed)


async def test_what_was_printed_since_the_backup_is_not_printed_again(printed: Printed, set_back: SetBack) -> None:
    """Whether it waited then or comes anew, and however it would be put together now: each letter is printed once."""
    bench = printed.bench
    await printed.print(3)
    await printed.queue(3, 4)
    await set_back.back_up()
    await bench.send(printed.provider)  # it went on: this is what the backup knows nothing of
    await printed.queue(7, 2)
    await bench.send(printed.provider)
    found = of(await set_back.restore(bench), Channel.LETTER)
    await _read_back(printed)
    settled = await bench.states()
    await printed.queue(6, 5)  # sent again by their sources: two that were printed, and two that nobody knows
    async with set_back.resumed(bench) as standing:
        await bench.send(printed.provider)

    assert (RESTORED, Afterwards.READ, 0) == (standing, found.afterwards, found.unknown)
    assert {AttemptState.ACCEPTED: 7} == settled
    assert {an_id(("n", number)).hex(): 1 for number in range(11)} == _printed(printed.there)
    assert {AttemptState.ACCEPTED: 11} == await bench.states()
    assert sorted(an_id(("n", number)) for number in range(11)) == (await bench.attempted())[AttemptState.ACCEPTED]


async def test_print_runs_go_on_where_they_were(printed: Printed, set_back: SetBack) -> None:
    """Each file is in one total that the print house got, those that the backup knew nothing of as well."""
    bench = printed.bench
    await printed.print(3)
    await set_back.back_up()
    await printed.queue(3, 2)
    await bench.send(printed.provider)
    await set_back.restore(bench)
    await _read_back(printed)
    await printed.queue(3, 4)
    async with set_back.resumed(bench):
        await bench.send(printed.provider)
        await _close(printed)
    totals = _said(printed.there, "job.json")
    files = Counter(file["batchId"] for total in totals for file in total["files"])

    assert {about["batchId"]: 1 for about in _said(printed.there, "manifest.json")} == files
    assert 7 == sum(total["letters"] for total in totals)


async def test_a_total_that_the_print_house_has_stays(printed: Printed, set_back: SetBack) -> None:
    """Its run is closed here too, with the same files in their order, and what comes next is the next run."""
    bench = printed.bench
    await printed.print(2)
    await set_back.back_up()
    await printed.queue(2, 2)
    await bench.send(printed.provider)
    await _close(printed)
    (before,) = _said(printed.there, "job.json")
    bench.clock = ShiftedClock(timedelta())
    await set_back.restore(bench)
    await _read_back(printed)
    rows = await bench.pool.fetch("select job from print_files where run = $1 order by position", before["job"])
    state = await bench.pool.fetchval("select state from print_runs where run = $1", before["job"])
    await printed.queue(4, 2)
    async with set_back.resumed(bench):
        await bench.send(printed.provider)
        await _close(printed)
    totals = {total["job"]: total for total in _said(printed.there, "job.json")}

    assert (2, [file["batchId"] for file in before["files"]]) == (state, [row["job"].hex() for row in rows])
    assert (before, 2) == (totals[before["job"]], len(totals))


async def _rejected_after_a_restore(printed: Printed, set_back: SetBack) -> str:
    """Have two letters printed after the backup, read back after the restore and rejected; return their job."""
    await printed.queue(0, 2)
    await set_back.back_up()
    await printed.bench.send(printed.provider)
    (job,) = [path.name.partition(".")[0] for path in printed.here.glob("*.done")]
    await set_back.restore(printed.bench)
    await _read_back(printed)
    printed.hearing = printed.listener()
    printed.say(job, state="rejected", reason="digest")
    await printed.hear()
    return job


async def test_the_print_house_is_understood_afterwards(printed: Printed, set_back: SetBack) -> None:
    """What it answers of a file that the backup knew nothing of is kept: rejected letters wait for an operator."""
    bench = printed.bench
    await _rejected_after_a_restore(printed, set_back)

    assert {(1, AttemptState.UNPRINTED): 2} == await printed.attempts()
    async with bench.pool.acquire() as connection:
        (line,) = await PrintedStore(Channel.LETTER).jobs(connection, 10, every=True)
    assert ("rejected", 2) == (line.state, line.unprinted)


async def test_nothing_begins_before_the_files_are_read(printed: Printed, set_back: SetBack) -> None:
    """However soon somebody resumes the channel."""
    bench = printed.bench
    await printed.queue(0, 2)
    await set_back.back_up()
    await bench.send(printed.provider)
    await set_back.restore(bench)
    async with set_back.resumed(bench):
        waiting = bench.may_go()
        await _read_back(printed)
        await bench.send(printed.provider)

    assert not waiting
    assert {1} == set(_printed(printed.there).values())


async def test_what_may_have_been_sent_is_listed(letters: Bench, tmp_path: Path, set_back: SetBack) -> None:
    """A file that is not on the print house's server was never sent, or was cleaned up there: nobody knows."""
    house = House(tmp_path / "house")
    async with house.serve():
        provider = house.printer()
        printed = Printed(letters, provider, house.local, house.inbox)
        await hands_over_to(letters, provider)
        await printed.queue(0, 2)
        await set_back.back_up()
        await letters.send(provider)
        for path in house.inbox.iterdir():
            path.unlink()
        await set_back.restore(letters)
        await _read_back(printed)
        async with set_back.resumed(letters):
            await letters.send(provider)
        await provider.close()

    assert ({}, {AttemptState.UNKNOWN: 2}) == (house.files(), await letters.states())
    assert [AttemptState.UNKNOWN] == list(await letters.attempted())


async def test_the_print_houses_server_knows_what_a_lost_folder_does_not(
    letters: Bench, tmp_path: Path, set_back: SetBack
) -> None:
    """Its marks and manifests are read there."""
    house = House(tmp_path / "house")
    async with house.serve():
        provider = house.printer()
        printed = Printed(letters, provider, house.local, house.inbox)
        await hands_over_to(letters, provider)
        await printed.queue(0, 2)
        await set_back.back_up()
        await letters.send(provider)
        there = house.files()
        for path in house.local.iterdir():
            path.unlink()
        await set_back.restore(letters)
        await _read_back(printed)
        async with set_back.resumed(letters):
            await letters.send(provider)
        await provider.close()

    assert (there, {AttemptState.ACCEPTED: 2}) == (house.files(), await letters.states())


async def test_files_that_say_nothing_of_their_letters_are_counted(printed: Printed, set_back: SetBack) -> None:
    """An operator sees how many before anything goes on."""
    bench = printed.bench
    await printed.queue(0, 2)
    await set_back.back_up()
    await bench.send(printed.provider)
    for folder in {printed.here, printed.there}:
        for path in folder.glob("*.manifest.json"):
            path.unlink()
    await set_back.restore(bench)
    await _read_back(printed)

    assert 1 == of(await doubted(set_back.url), Channel.LETTER).unnamed


async def test_a_letter_that_is_printed_again_on_an_operators_word_is_printed(
    printed: Printed, set_back: SetBack
) -> None:
    """What was found keeps nobody from that."""
    bench, job = printed.bench, await _rejected_after_a_restore(printed, set_back)
    await printed.deciding().print_again(job, Caller(OPERATOR.principal, "request-1"))
    await bench.tick()
    async with set_back.resumed(bench):
        await bench.send(printed.provider)

    assert {2} == set(_printed(printed.there).values())
    assert {(1, AttemptState.REFUSED): 2, (2, AttemptState.ACCEPTED): 2} == await printed.attempts()
