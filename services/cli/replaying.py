"""Many dead letters sent back or deleted: watched on a terminal, and stopped between two of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.console import err, number
from services.core.access import Caller
from services.kit.errors import InvalidMessage
from services.kit.eventlog import DeadLetters, Place
from services.kit.process import stop_on_signals

__all__ = ["Replayed", "delete_up_to", "doomed_by", "places_of", "position", "send_back"]

_PAGE = 100  # letters, each up to a megabyte


@dataclass(slots=True)
class Replayed:
    """What became of dead letters that were to be sent back, by their positions."""

    sent: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # position -> why it cannot be sent back
    before: int = 0  # sent back before, and left alone
    stopped: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "replayed": self.sent, "missing": self.missing, "refused": self.refused, "sentBefore": self.before,
            "stopped": self.stopped,
        }  # fmt: skip

    def lines(self, *, each_told: bool) -> Iterator[str]:
        """Return it for people; with `each_told` a line each."""
        if each_told:
            yield from (f"{position} sent back" for position in self.sent)
        else:
            yield f"{number(len(self.sent))} sent back"
        yield from (f"{position} is not there" for position in self.missing)
        yield from (f"{position} cannot be sent back: {why}" for position, why in self.refused.items())
        if self.before:
            yield f"{number(self.before)} were sent back before: --again sends them once more"
        if self.stopped:
            yield "stopped; the same command goes on"


def position(place: Place) -> str:
    """Return a place as `DeadLetter.position` gives it."""
    return "/".join(map(str, (*place[0], place[1])))


async def places_of(letters: DeadLetters, topic: str | None, reason: str | None = None) -> list[Place]:
    """Return where the letters are that are there now, of a topic and a reason; None for any.

    They are all looked up before one is sent: one that fails again comes back as another one, behind them.
    """
    found: list[Place] = []
    after: Place | None = None
    while page := await letters.entries(_PAGE, topic, after):
        after = (page[-1].record.topic_partition, page[-1].record.offset)
        found += [
            (letter.record.topic_partition, letter.record.offset)
            for letter in page
            if reason in {None, letter.described().get("reason")}
        ]
    return found


async def send_back(letters: DeadLetters, places: Sequence[Place], caller: Caller, *, again: bool) -> Replayed:
    """Send letters back, one after the other, until a signal comes; without `again` those alone that never were."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    done = Replayed()
    known = frozenset() if again else await letters.sent_back()
    with _watched(len(places)) as seen:
        for place in places:
            if stop.is_set():
                done.stopped = True
                break
            if place in known:
                done.before += 1
            else:
                await _send_one(letters, place, caller, done)
            seen()
    return done


async def _send_one(letters: DeadLetters, place: Place, caller: Caller, done: Replayed) -> None:
    try:
        there = await letters.replay(*place, caller)
    except InvalidMessage as error:
        done.refused[position(place)] = str(error)
        return
    (done.sent if there else done.missing).append(position(place))


@contextmanager
def _watched(count: int) -> Iterator[Callable[[], None]]:
    """Show on a terminal how far it has come; the caller reports each letter."""
    if not err.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("sending back; Ctrl-C stops"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("sending back", total=count)
        yield lambda: progress.advance(task)


async def doomed_by(letters: DeadLetters, through: Sequence[Place]) -> list[Place]:
    """Return what a purge up to these places deletes: in each partition all that stand before, and they."""
    return [
        found
        for at, last in through
        for found in await places_of(letters, at.topic)
        if found[0] == at and found[1] <= last
    ]


async def delete_up_to(letters: DeadLetters, doomed: Sequence[Place], caller: Caller) -> None:
    """Delete these letters: in each partition all up to the last of them."""
    for at, offset in {at: max(one for where, one in doomed if where == at) for at, _ in doomed}.items():
        await letters.purge(at, offset, caller)
