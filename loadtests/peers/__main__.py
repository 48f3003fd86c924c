"""Heraut and its peers side by side: the same job, the same people, the same machine, servers counted.

    python -m loadtests.peers [--rounds 3] [--only script heraut-postgres] [--scale 1.0] [--overlap 0.2] [--to FILE]
    python -m loadtests.peers --smoke            the cheapest peer alone, with few people

The job: read cohorts of people, tell people apart, choose a channel, write a letter as data to a file, record that it
was delivered, with all state in PostgreSQL. Peers come one after the other, and in the next round again, so that a slow
minute meets all of them; medians count. The table is written to `loadtests/results/`. Everything listens on loopback or
sockets and ends with the run; the peers' libraries are installed in `var/peers`, at the first run.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.cohort_files import Load, write_cohorts, write_waves
from loadtests.peers import setting_up
from loadtests.peers.contenders import WORDS, contenders
from loadtests.peers.peer import Figures, Peer, PeerFailed, Task
from loadtests.peers.report import Run, report
from loadtests.peers.servers import Servers
from loadtests.peers.table import row_of
from services.demo.made_up.people import Person, each_person

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_UPLOADS = 4
_Measured = tuple[Peer, list[Figures]]  # a peer, and what its rounds came to
_SMOKE = ("--only", "script", "--rounds", "1", "--scale", "0.02", "--overlap", "0.2")


def main() -> int:
    """Measure, print the table, and write it; the exit status is 1 where a peer failed."""
    arguments = _arguments(sys.argv[1:])
    setting_up.set_up()
    folder = Path(tempfile.mkdtemp(prefix="heraut-peers-"))
    folder.chmod(0o755)
    busy, started = os.getloadavg()[0], time.monotonic()
    measured, failed = asyncio.run(_all_rounds(folder, arguments))
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [row_of(peer.word, peer.title, peer.keeps, rounds) for peer, rounds in measured if rounds]
    text = report(rows, [*failed, f"logs are in {folder}"] if failed else [], Run(arguments.rounds, busy, started))
    print(text)
    if arguments.to:
        arguments.to.write_text(text, encoding="utf-8")
    return 1 if failed else 0


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORDS, default=WORDS, metavar="PEER", help=", ".join(WORDS))
    parser.add_argument("--scale", type=float, default=1.0, help="how many people each gets, of what it gets by itself")
    parser.add_argument("--overlap", type=float, help="share of all records that are about people of an earlier wave")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, help="where the table is written to, for example a file of results")
    parser.add_argument("--smoke", action="store_true", help=f"the same as {' '.join(_SMOKE)}")
    if words == ["--smoke"]:
        return parser.parse_args(_SMOKE)
    found = parser.parse_args(words)
    found.to = found.to or (None if words else _RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-peers.md")
    return found


async def _all_rounds(folder: Path, arguments: argparse.Namespace) -> tuple[list[_Measured], list[str]]:
    servers = Servers(folder / "servers")
    measured: list[_Measured] = [(peer, []) for peer in contenders(servers) if peer.word in arguments.only]
    failed = []
    try:
        for number in range(arguments.rounds):
            for peer, rounds in measured:
                try:
                    rounds.append(await peer.measured(_task(folder / f"{peer.word}-{number}", peer, arguments)))
                    print(f"{peer.word}: {rounds[-1].rate:,.0f} people/s, {rounds[-1].cost:,.1f} us", flush=True)
                except (PeerFailed, AssertionError, TimeoutError) as error:
                    failed.append(f"{peer.word}, round {number + 1}: {error}")
    finally:
        await servers.stop()
    return measured, failed


def _task(folder: Path, peer: Peer, arguments: argparse.Namespace) -> Task:
    """Write what a peer gets in one round."""
    folder.mkdir()
    folder.chmod(0o755)
    people = each_person(arguments.seed, kinds={})
    records = max(_UPLOADS, round(peer.people * arguments.scale))
    warm = write_cohorts(folder / "warm", people, max(1, records // 10), 1)
    return Task(folder, warm, _load(folder, people, records, arguments.overlap))


def _load(folder: Path, people: Iterator[Person], records: int, overlap: float | None) -> Load:
    if overlap is None:
        return write_cohorts(folder / "load", people, records, _UPLOADS)
    return write_waves(folder / "load", people, records, _UPLOADS, overlap)


if __name__ == "__main__":
    sys.exit(main())
