"""`heraut demo`: the main job on made-up people, shown as it goes."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from services.cli.console import err, number, out, print_json, say
from services.cli.ledger import show_ledger
from services.cli.surroundings import json_option
from services.demo.progress import Progress
from services.demo.result import DemoWish, Result
from services.demo.run import run_demo

__all__ = ["demo"]

_LINE_EVERY = 10.0  # seconds between two lines of progress where there is no terminal
_CHANNELS = {"portal": "by portal", "email": "by e-mail", "letter": "by letter"}


@click.command()
@click.option("--people", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True, metavar="N")
@click.option("--waves", type=click.IntRange(1, 20), default=3, show_default=True, metavar="K")
@click.option("--supplements", is_flag=True, help="Some people get new facts in the last wave, and a second notice.")
@click.option("--log", type=click.Choice(["postgres", "kafka"]), envvar="HERAUT_LOG", default="postgres")
@click.option("--seed", type=int, default=1, show_default=True, metavar="S", help="The same seed, the same people.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Else a fresh one.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@json_option
def demo(*, as_json: bool, **wish: Any) -> None:
    """Tell made-up people of a made-up breach, and count whether each was told once.

    Starts what is needed, sends overlapping waves of records (some wrong, repeated, unreachable or of people
    who died), and holds what print folder, mail server and portal were handed against the list of who had to
    be told. Exit status 1 where a person is lost, told twice or mixed up, or the ledger does not balance.
    """
    if wish["supplements"] and wish["waves"] < 2:
        raise click.UsageError("--supplements needs at least two waves: new facts come after the first ones")
    progress = Progress()
    with _shown(progress):
        result = asyncio.run(_run(DemoWish(**wish), progress))
    if as_json:
        print_json(result.as_json())
    else:
        _show(result)
    if not result.holds:
        sys.exit(1)


async def _run(wish: DemoWish, progress: Progress) -> Result:
    """Run the demo; SIGTERM ends it as Ctrl-C does, with everything it started."""
    job = asyncio.ensure_future(run_demo(wish, progress))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, job.cancel)
    lines = None if err.is_terminal else asyncio.create_task(_say_now_and_then(progress))
    try:
        return await job
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        if lines:
            lines.cancel()


@contextlib.contextmanager
def _shown(progress: Progress) -> Iterator[None]:
    if not err.is_terminal:
        yield
        return
    view = _View(progress)
    with Live(get_renderable=view.render, console=err, refresh_per_second=8, transient=True):
        yield


async def _say_now_and_then(progress: Progress) -> None:
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
    return f": {received}, {totals['notified']} notified, {totals['inFlight']} in flight"


class _View:
    """The progress as a picture, drawn anew several times a second."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._spinner = Spinner("dots", style="cyan")

    def render(self) -> RenderableType:
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
        rate = _settled(totals) / seconds if seconds > 1 else 0
        return (
            f"{number(totals['notified'])} notified, {number(totals['merged'])} merged, "
            f"{number(totals['inFlight'])} in flight, {number(rate)} settled a second"
        )


def _settled(totals: Mapping[str, int]) -> int:
    """Return how many records are through: told, or known why not."""
    return totals.get("accepted", 0) - totals.get("inFlight", 0) + totals.get("rejected", 0)


def _show(result: Result) -> None:
    show_ledger(result.ledger)
    out.print()
    for name, value, good in _lines(result):
        mark = "" if good is None else "  [green]✓[/]" if good else "  [bold red]✗[/]"
        out.print(f"  {name:<34} {value}{mark}" if out.is_terminal else f"{name}\t{value}")
    for example in result.verdict.examples:
        say(f"wrong: {example}")
    out.print()
    for name, value in _places(result):
        out.print(f"  {name:<34} {value}" if out.is_terminal else f"{name}\t{value}")


def _lines(result: Result) -> Iterator[tuple[str, str, bool | None]]:
    """Return what a director asks: how many, told how, is anybody missing, was anybody told twice, how fast."""
    verdict = result.verdict
    yield "people made up", number(result.wish.people), None
    yield "records sent", number(result.members), None
    yield (
        "people told",
        f"{number(verdict.told)} of {number(result.expectation.told)}",
        verdict.told == result.expectation.told,
    )
    for channel, words in _CHANNELS.items():
        yield f"  {words}", number(verdict.channels.get(channel, 0)), None
    yield "lost", number(verdict.lost), verdict.lost == 0
    yield "told twice", number(verdict.duplicates), verdict.duplicates == 0
    yield "told somebody else's news", number(verdict.mix_ups), verdict.mix_ups == 0
    yield "told who should not be", number(verdict.unexpected), verdict.unexpected == 0
    yield "not told everything", number(verdict.untold), verdict.untold == 0
    yield "ledger balances", "yes" if result.ledger["balanced"] else "no", bool(result.ledger["balanced"])
    yield "first upload to last hand-over", f"{result.seconds:.1f} s", None
    yield "throughput", f"{number(result.throughput)} records a second", None


def _places(result: Result) -> Iterator[tuple[str, str]]:
    yield "letters", str(result.print_dir)
    if result.wish.keep:
        yield "console", f"{result.console} (password: the token in {result.data / 'operator.token'})"
        yield "metrics", result.metrics
        yield "to stop", "; ".join(result.how_to_stop)
