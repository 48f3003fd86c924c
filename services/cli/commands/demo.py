"""`heraut demo`: the main job on made-up people, and what came of it."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from services.cli.console import number, out, print_json, say
from services.cli.demo_view import live_view, say_progress
from services.cli.ledger_table import show_ledger
from services.cli.options import json_option
from services.core.channel import CHANNELS
from services.core.ledger import percent
from services.demo.progress import Progress
from services.demo.result import DemoWish, Result
from services.demo.run import run_demo
from services.kit.config import DEFAULT_LOG, LOGS

__all__ = ["demo"]


@click.command()
@click.option("--people", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True, metavar="N")
@click.option("--waves", type=click.IntRange(1, 20), default=3, show_default=True, metavar="K")
@click.option("--supplements", is_flag=True, help="Some people get new facts in the last wave, and a second notice.")
@click.option("--log", type=click.Choice(list(LOGS)), envvar="HERAUT_LOG", default=DEFAULT_LOG)
@click.option("--seed", type=int, default=1, show_default=True, metavar="S", help="The same seed, the same people.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Else a fresh one.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@json_option
def demo(*, as_json: bool, **wish: Any) -> None:
    """Tell made-up people of a made-up breach, and count whether each was told once.

    Starts what is needed, sends overlapping waves of records (some wrong, repeated, unreachable or of people
    who died; twins, namesakes, shared and mistyped BSNs among them), and holds what print folder, mail server
    and portal were handed against the list of who had to be told. Exit status 1 where a person is lost, told
    twice or told somebody else's news, or the ledger does not balance.
    """
    if wish["supplements"] and wish["waves"] < 2:
        raise click.UsageError("--supplements needs at least two waves: new facts come after the first ones")
    progress = Progress()
    with live_view(progress):
        result = asyncio.run(_run(DemoWish(**wish), progress))
    if as_json:
        print_json(result.as_json())
    else:
        _show(result)
    if not result.holds:
        sys.exit(1)


async def _run(wish: DemoWish, progress: Progress) -> Result:
    """Run the demo and return its result. SIGTERM ends it as Ctrl-C does, with everything that it started."""
    job = asyncio.ensure_future(run_demo(wish, progress))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, job.cancel)
    lines = asyncio.create_task(say_progress(progress))
    try:
        return await job
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        lines.cancel()


def _show(result: Result) -> None:
    """Print ledger, figures, examples of what is wrong, and where to look."""
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
    """Return name, value and whether the value is right (None = nothing to judge) of each figure."""
    verdict = result.verdict
    yield "people made up", number(result.wish.people), None
    yield "records sent", number(result.members), None
    totals = result.ledger["totals"]
    yield "told of those who should be", f"{percent(totals['told'])} of {number(totals['toBeTold'])} records", None
    yield (
        "persons told who can be",
        f"{number(verdict.told)} of {number(result.expectation.told)}",
        verdict.told == result.expectation.told,
    )
    for channel in CHANNELS:
        yield f"  by {channel.label}", number(verdict.channels.get(channel.label, 0)), None
    yield "told apart as two by the rule", number(verdict.split), None
    yield "lost", number(verdict.lost), verdict.lost == 0
    yield "told twice", number(verdict.duplicates), verdict.duplicates == 0
    yield "told somebody else's news", number(verdict.somebody_elses), verdict.somebody_elses == 0
    yield "told who should not be", number(verdict.unexpected), verdict.unexpected == 0
    yield "not told everything", number(verdict.untold), verdict.untold == 0
    yield "ledger balances", "yes" if result.ledger["balanced"] else "no", bool(result.ledger["balanced"])
    yield "first upload to last hand-over", f"{result.seconds:.1f} s", None
    yield "throughput", f"{number(result.throughput)} records a second", None


def _places(result: Result) -> Iterator[tuple[str, str]]:
    """Return name and place of everything that can be looked at after the demo."""
    yield "letters", str(result.print_dir)
    if result.wish.keep:
        yield "console", f"{result.console} (password: the token in {result.data / 'operator.token'})"
        yield "metrics", result.metrics
        yield "to stop", "; ".join(result.how_to_stop)
