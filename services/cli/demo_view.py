"""The demo's progress: a live drawing on a terminal, lines elsewhere."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from services.cli.console import err, number, say
from services.core.ledger import percent
from services.demo.progress import Progress

__all__ = ["live_view", "say_progress"]

_LINE_EVERY = 10.0  # seconds between two lines of one phase


@contextlib.contextmanager
def live_view(progress: Progress) -> Iterator[None]:
    """Draw the progress while the context runs, and remove the drawing at its end. Only a terminal shows it."""
    if not err.is_terminal:
        yield
        return
    view = _View(progress)
    with Live(get_renderable=view.render, console=err, refresh_per_second=8, transient=True):
        yield


async def say_progress(progress: Progress) -> None:
    """Print a line at each phase, and one every ten seconds within a phase, until it is cancelled."""
    if err.is_terminal:
        return  # where `live_view` draws
    phase, said = "", 0.0
    while True:
        now = time.monotonic()
        if progress.phase != phase or now - said > _LINE_EVERY:
            phase, said = progress.phase, now
            say(f"{phase}{_figures(progress)}")
        await asyncio.sleep(0.2)


def _figures(progress: Progress) -> str:
    if not (totals := progress.totals):
        return ""
    received = f"{totals['received']} of {progress.expected} received"
    told = f"{percent(totals['told'])} of {totals['toBeTold']} told"
    return f": {received}, {told}, {totals['inFlight']} in flight"


class _View:
    """The drawing: phase, a bar for each cohort, and the figures of the ledger."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._spinner = Spinner("dots", style="cyan")

    def render(self) -> RenderableType:
        """Return the drawing of this moment."""
        progress = self._progress
        since = f"  {time.monotonic() - progress.began:.0f} s" if progress.began else ""
        self._spinner.update(text=Text(f"{progress.phase}{since}"))
        rows: list[RenderableType] = [self._spinner]
        if progress.to_send:
            rows.append(self._bars())
        if progress.totals:
            rows.append(Text(self._figures(), style="dim"))
        return Group(*rows)

    def _bars(self) -> Table:
        progress, totals = self._progress, self._progress.totals
        grid = Table.grid(padding=(0, 2))
        for cohort, size in progress.to_send.items():
            self._bar(grid, f"{cohort} sent", progress.sent.get(cohort, 0), size, "")
        received, expected, done = totals.get("received", 0), progress.expected, _settled(totals)
        self._bar(grid, "received", received, expected, f"{number(received)} of {number(expected)}")
        self._bar(grid, "settled", done, expected, f"{number(done)} of {number(expected)}")
        told, due = totals.get("notified", 0), totals.get("toBeTold", 0)
        self._bar(grid, "told", told, due, f"{percent(totals.get('told'))} of {number(due)} who should be")
        return grid

    @staticmethod
    def _bar(grid: Table, name: str, value: float, total: float, words: str) -> None:
        full = max(total, 1)
        grid.add_row(
            Text(name), ProgressBar(total=full, completed=min(value, full), width=40), Text(words, style="dim")
        )

    def _figures(self) -> str:
        totals = self._progress.totals
        seconds = time.monotonic() - (self._progress.began or time.monotonic())
        going = totals["missing"] or totals["inFlight"]
        rate = f", {number(_settled(totals) / seconds)} settled a second" if going and seconds > 1 else ""
        return (
            f"{number(totals['notified'])} notified, {number(totals['merged'])} merged, "
            f"{number(totals['inFlight'])} in flight{rate}"
        )


def _settled(totals: Mapping[str, int]) -> int:
    """Return how many records are settled: rejected, or accepted and no more in flight."""
    return totals.get("accepted", 0) - totals.get("inFlight", 0) + totals.get("rejected", 0)
