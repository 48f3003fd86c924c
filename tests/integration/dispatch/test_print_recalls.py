"""Letters that are called back while the print house has them: told of the record as it is, unless they were posted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from notification.topics import NOTICES_RECALLED, NOTICES_STOPPED
from notification.v1 import deduplication_pb2

from services.core.access import Caller, Principal, Role
from services.core.status import AttemptState
from services.dispatch.channels.letter import PrintFolder
from services.kit.eventlog import Record
from services.wire.recalls import decode_stopped
from tests.integration.dispatch.bench import Bench
from tests.integration.dispatch.printed_bench import Printed
from tests.unit.dispatch.people import an_id

BY = Caller(Principal("op", frozenset({Role.OPERATOR})), "request-1")


@pytest.fixture
async def folder(letters: Bench, tmp_path: Path) -> AsyncIterator[Printed]:
    """Return a print house that fetches its files."""
    path = tmp_path / "print"
    path.mkdir()
    provider = PrintFolder(path, "ndjson")
    yield Printed(letters, provider, path, path)
    await provider.close()


async def _recalled(folder: Printed, *notices: bytes) -> None:
    """Hear that notices must not begin any more."""
    handler = folder.bench.handler()
    async with folder.bench.stage.fenced([0]) as transaction:
        records = [Record(NOTICES_RECALLED, 0, 0, "deduplication", 1, 0, _recall(one)) for one in notices]
        transaction.emit(await handler.apply(transaction.connection, [handler.decode(one) for one in records]))


async def _answered(folder: Printed) -> list[tuple[bytes, bool]]:
    """Return what was answered to recalls: the notice, and whether it was stopped."""
    blocks = await folder.bench._blocks(NOTICES_STOPPED)
    found = [decode_stopped(Record(NOTICES_STOPPED, 0, 0, "dispatch-letter", 1, 0, block)) for block in blocks]
    return [pair for one in found for pair in zip(one.notices, map(bool, one.stopped), strict=True)]


async def test_who_was_recalled_while_a_job_lies_rejected_is_stopped(folder: Printed) -> None:
    """Nobody was told by it: a corrected notice takes its place, and it is not printed again."""
    (file,) = await folder.print(2)
    folder.say(file, state="rejected")
    await folder.hear()
    await _recalled(folder, an_id(("n", 0)))
    again = await folder.deciding().print_again(file, BY)
    await folder.bench.tick()

    assert (1, 0) == (again.notices, await folder.held())
    assert {(1, AttemptState.STOPPED): 1, (1, AttemptState.REFUSED): 1, (2, AttemptState.TAKEN): 1} == (
        await folder.attempts()
    )


async def test_who_was_recalled_before_the_job_was_rejected_is_stopped_too(folder: Printed) -> None:
    """The recall came too late for a letter that turns out to be none: in either order the record of now is told.

    Nothing is printed again where it no longer says, and no operator has to think of it.
    """
    (file,) = await folder.print(2)
    one = an_id(("n", 0))
    await _recalled(folder, one)
    folder.say(file, state="rejected")
    await folder.hear()
    held = await folder.held()
    again = await folder.deciding().print_again(file, BY)
    await folder.bench.tick()
    await folder.bench.tick()
    given_up = await folder.deciding().give_up(file, BY)

    assert (2, 1, 0, 0) == (held, again.notices, given_up.notices, await folder.held())
    assert [(one, False), (one, True)] == await _answered(folder)
    assert {(1, AttemptState.STOPPED): 1, (1, AttemptState.REFUSED): 1, (2, AttemptState.TAKEN): 1} == (
        await folder.attempts()
    )


@pytest.mark.parametrize("first", [True, False])
async def test_who_may_have_been_told_by_a_rejected_job_is_not_stopped(folder: Printed, *, first: bool) -> None:
    """The print house said as well that it was posted: another notice could tell them twice. An operator decides."""
    (file,) = await folder.print(1)
    one = an_id(("n", 0))
    if first:
        await _recalled(folder, one)
    folder.say(file, "1.json", state="posted")
    folder.say(file, "2.json", state="rejected")
    await folder.hear()
    if not first:
        await _recalled(folder, one)
    await folder.bench.tick()

    assert {(one, False)} == set(await _answered(folder))
    assert ({(1, AttemptState.UNPRINTED): 1}, 1) == (await folder.attempts(), await folder.held())


def _recall(notice: bytes) -> bytes:
    block = deduplication_pb2.NoticesRecalled(incident_id="lab-2026", ids=notice, pseudonyms=bytes(16))
    return block.SerializeToString()
