"""What is wrong with us is no fault of an incident's words: keys and databases come back, and a bug stops its place."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.core.status import AttemptState
from services.dispatch.channels import portal
from services.dispatch.channels.delivery import Delivery
from services.dispatch.domain import Work
from services.dispatch.outcomes import Ending, HandOver, Result
from services.kit.errors import RetryableError
from services.kit.vault import Vault
from services.kit.vault.key_files import create_keys
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import an_id, some_notices

_ACCEPTED = Result(Ending.ACCEPTED)


class Stumbling:
    """A provider that takes everything, but that making one message, or handing over a round, raises an error."""

    traits = portal.TRAITS

    def __init__(self, error: Exception | None = None, *, at: bytes = b"", times: int = 1 << 20) -> None:
        self.taken: list[bytes] = []
        self._error, self._at, self._times = error, at, times

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Take a round, one after the other."""
        if not self._at:
            self._stumble()
        return await Delivery(work, go).worked_off(1, self._work_off)

    async def close(self) -> None:
        """Hold nothing."""

    async def _work_off(self, delivery: Delivery) -> None:
        while (row := delivery.next_row()) is not None:
            if delivery.made(row, self._message):
                self.taken.append(delivery.work.notices.ids[row])
                delivery.ended(row, _ACCEPTED)

    def _message(self, work: Work, row: int) -> bytes:
        if work.notices.ids[row] == self._at:
            self._stumble()
        return b"message"

    def _stumble(self) -> None:
        self._times -= 1
        if self._error and self._times >= 0:
            raise self._error


async def _queue(bench: Bench, partitions: int = 1) -> dict[int, list[bytes]]:
    """Queue five people of one incident in each partition; return their notices."""
    bench.stage.owned_epochs = dict.fromkeys(range(partitions), 1)
    found = {}
    for partition in range(partitions):
        ids = sorted(an_id((partition, at)) for at in range(5))
        notices = some_notices(5, ids=ids, members=ids)
        await bench.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(5)])
        await bench.take(notices, partition)
        found[partition] = ids
    return found


def _until(holds: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def until() -> bool:
        return holds()

    return until


async def test_a_bug_in_a_message_stops_its_partition_and_nobody_else(
    messages: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The place is in the log, the incident's words are not blamed, and whoever had the message keeps that outcome."""
    here, other = (await _queue(messages, 2)).values()
    provider = Stumbling(KeyError("Jansen"), at=here[2])
    await messages.send(
        provider, until=_until(lambda: bool(messages.stage.standing_still) and set(other) <= set(provider.taken))
    )

    assert {0: "a message raised KeyError"} == messages.stage.standing_still
    assert {AttemptState.ACCEPTED: 7, AttemptState.TAKEN: 3} == await messages.states()
    assert 0.0 == messages.paused("content")
    (line,) = [one for one in caplog.records if one.message == "our code cannot make a message"]
    assert (logging.ERROR, 0, here[2].hex(), 1) == tuple(
        getattr(line, name) for name in ("levelno", "partition", "notice", "attempt")
    )


async def test_after_a_bug_was_mended_everybody_is_told_once(messages: Bench) -> None:
    """Whoever takes the partition over goes on where it stood still."""
    (here,) = (await _queue(messages)).values()
    broken, mended = Stumbling(KeyError("x"), at=here[2]), Stumbling()
    await messages.send(broken, until=_until(lambda: bool(messages.stage.standing_still)))
    messages.stage.owned_epochs = {0: 2}
    await messages.send(mended)

    assert here == sorted(broken.taken + mended.taken)
    assert {AttemptState.ACCEPTED: 5} == await messages.states()


async def test_a_bug_in_a_hand_over_leaves_it_begun(messages: Bench) -> None:
    """Nobody knows how far it came: it is made again under the same keys once somebody takes the partition over."""
    (here,) = (await _queue(messages)).values()
    await messages.send(Stumbling(KeyError("x")), until=_until(lambda: bool(messages.stage.standing_still)))
    stood = messages.stage.standing_still, await messages.states()
    messages.stage.owned_epochs = {0: 2}
    mended = Stumbling()
    await messages.send(mended)

    assert ({0: "a round raised KeyError"}, {AttemptState.INTENT: 5}) == stood
    assert here == sorted(mended.taken)


async def test_what_passes_is_tried_again(messages: Bench) -> None:
    """A message that cannot be made just now holds up nobody for long, and no incident."""
    (here,) = (await _queue(messages)).values()
    provider = Stumbling(RetryableError("a moment"), at=here[2], times=1)
    await messages.send(provider)

    assert here == sorted(provider.taken)
    assert 0.0 == messages.paused("content")
    assert {} == messages.stage.standing_still


async def test_keys_that_open_nothing_are_no_bug(
    messages: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody waits until the process has the ring that their data was sealed with; it goes on running."""
    (here,) = (await _queue(messages)).values()
    right, messages.vault = messages.vault, Vault(create_keys(tmp_path / "another"))
    refused = Stumbling()
    await messages.send(refused, until=_until(lambda: "a data key does not open" in caplog.text))
    waiting, messages.vault = await messages.states(), right
    provider = Stumbling()
    await messages.send(provider)

    assert ([], {AttemptState.TAKEN: 5}, {}) == (refused.taken, waiting, messages.stage.standing_still)
    assert here == sorted(provider.taken)
