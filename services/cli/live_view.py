"""What `heraut watch` shows: a snapshot as tables that fit on a screen, and how fast it goes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.console import number
from services.cli.service_findings import age, held_words
from services.cli.snapshot import Snapshot
from services.core.ledger import percent

__all__ = ["Pace", "live_view", "plain_lines"]

_SECONDS: Final = 60.0  # over which the pace is taken: one print batch is hundreds of letters at once
_COHORT_COLUMNS: Final = ("declared", "missing", "accepted", "notified", "held", "inFlight", "exhausted")
# One blank between columns: a cohort of a million people fits into 80.
_FORM: Final[Mapping[str, Any]] = {"title_justify": "left", "box": None, "pad_edge": False, "padding": (0, 1, 0, 0)}
_STATES: Final = ("queued", "underWay", "refused", "paused", "unknown", "rejected")
_NAMES: Final = {"inFlight": "in flight", "underWay": "under way"}


class Pace:
    """How many people are told a minute, by the last snapshots."""

    def __init__(self) -> None:
        self._seen: list[tuple[datetime, int]] = []

    def saw(self, found: Snapshot) -> float | None:
        """Note a snapshot; return people a minute, None before there are two of them."""
        self._seen.append((found.at, sum(one["totals"]["notified"] for one in found.ledgers)))
        while len(self._seen) > 2 and (found.at - self._seen[1][0]).total_seconds() > _SECONDS:
            del self._seen[0]
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        minutes = (last - first).total_seconds() / 60
        return (now - before) / minutes if minutes else None


def live_view(found: Snapshot, pace: float | None) -> RenderableType:
    """Return a snapshot as a terminal shows it."""
    parts: list[RenderableType] = [Text.from_markup(line) for line in _head(found, pace)]
    for ledger in found.ledgers:
        parts += [Text(), _cohorts(ledger), *_held(ledger)]
    if found.channels:
        parts += [Text(), _channels(found)]
    return Group(*parts)


def _head(found: Snapshot, pace: float | None) -> Iterator[str]:
    time = found.at.astimezone().strftime("%H:%M:%S")
    yield f"[bold]{time}[/]   {_rate(found, pace)}"
    away = [process for process in found.processes if not process.ready]
    stopped = [process for process in found.processes if process.figure("stopped_partitions")]
    if not (away or stopped):
        yield f"[green]all {len(found.processes)} services ready[/]"
    for process in away:
        why = "does not answer" if process.fault else f"waits for {', '.join(process.waiting_for)}"
        yield f"[bold red]{process.name} {escape(why)}[/]"
    for process in stopped:
        count = process.figure("stopped_partitions")
        words = "1 partition stands still" if count == 1 else f"{number(count)} partitions stand still"
        yield f"[bold red]{process.name}: {words}[/]"
    yield from (f"[yellow]{name}: {escape(words.splitlines()[0])}[/]" for name, words in found.unanswered.items())


def _rate(found: Snapshot, pace: float | None) -> str:
    going = sum(one["totals"]["inFlight"] for one in found.ledgers)
    if not going:
        return "nobody is in flight"
    rate = "" if pace is None else f", {number(pace)} told a minute"
    left = f", {age(60 * going / pace)} left at this pace" if pace and pace > 0 else ""
    return f"{number(going)} in flight{rate}{left}"


def _cohorts(ledger: Mapping[str, Any]) -> Table:
    mark = "" if ledger["balanced"] else " [bold red]DOES NOT BALANCE[/]"
    shown = Table(title=f"{escape(ledger['incidentId'])}{mark}", **_FORM)
    _columns(shown, ("cohort", *_COHORT_COLUMNS, "told"))
    for row in ledger["cohorts"]:
        shown.add_row(escape(row["cohortId"]), *_cells(row, _COHORT_COLUMNS), percent(row["told"]))
    if len(ledger["cohorts"]) > 1:
        total = ledger["totals"]
        shown.add_row("all", *_cells(total, _COHORT_COLUMNS), percent(total["told"]), style="bold")
    return shown


def _held(ledger: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Return a line for each cohort with people who are held, and why."""
    for row in ledger["cohorts"]:
        if words := held_words(row):
            yield Text(f"{row['cohortId']} holds {words}", style="yellow")


def _channels(found: Snapshot) -> Table:
    shown = Table(**_FORM)
    _columns(shown, ("channel", *_STATES, "first for"))
    shown.add_column("left alone", style="bold red", overflow="fold")
    for channel in found.channels:
        since = channel["queued"]["since"]
        waited = age((found.at - datetime.fromisoformat(since)).total_seconds()) if since else ""
        counts = [number(channel[state]["attempts"]) for state in _STATES]
        shown.add_row(channel["channel"], *counts, waited, ", ".join(channel["pauses"]))
    return shown


def _columns(shown: Table, names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        shown.add_column(_NAMES.get(name, name), justify="right" if at else "left", header_style="dim")


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return ["" if row[name] is None else number(row[name]) for name in names]


def plain_lines(found: Snapshot) -> Iterator[str]:
    """Return a snapshot as tab-separated lines: what it is about, its name, and figures."""
    for process in found.processes:
        stands = "ready" if process.ready else process.fault or f"waits for {', '.join(process.waiting_for)}"
        yield f"service\t{process.name}\t{stands}"
    for channel in found.channels:
        figures = "\t".join(f"{state}={channel[state]['attempts']}" for state in _STATES)
        yield f"channel\t{channel['channel']}\t{figures}\tpauses={','.join(channel['pauses'])}"
    for ledger in found.ledgers:
        for row in ledger["cohorts"]:
            figures = "\t".join(f"{name}={row[name]}" for name in _COHORT_COLUMNS)
            yield f"cohort\t{ledger['incidentId']}/{row['cohortId']}\t{figures}"
