"""Kills processes of Heraut at random while they work, then finds out from the providers who was told what.

    python -m loadtests.chaos [--people 30000] [--kills 28] [--seed N] [--log postgres|kafka] [--dir DIR] [--keep]
    python -m loadtests.chaos --upgrade [COMMIT]     all processes are of an earlier commit, and are replaced instead

Two replicas of every service run as processes of their own. While sources upload overlapping cohorts, processes are
ended by SIGKILL and started again, one is paused past its lease, PostgreSQL is killed once and the broker is restarted
once. A tenth of the people moved: they are sent with the old address, corrected, and their cohort is released then.
Each cohort is paused right after its release, and resumed: what was on its way by then waits, and goes on.
Records are taken back: some before the release, and nobody is told by those; some right after it, and whoever was not
told yet is withdrawn.
The printed seed gives the same schedule again. Then the providers' records are compared with the made-up people:
nobody is lost, nobody is told twice but in listed unknown windows, nobody is told somebody else's news. The ledger must
balance and have the same numbers, and every figure in it is what its rows come to. Exit status 0 = all held,
1 = something did not.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.listed import drop_listed, listed_unknown
from loadtests.chaos.plan import Fault, Kind, plan
from loadtests.chaos.rolling import SECONDS_EACH, UPGRADE_FROM, EarlierCode, NotComparable
from loadtests.chaos.settled import rows_that_differ, settle
from loadtests.chaos.sources import Acknowledgements, Sources
from services.core.rooms import STAGES
from services.demo.checking.check import Verdict, check
from services.demo.checking.providers import hand_overs
from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import make_people
from services.demo.made_up.wave import Wave
from services.kit.config import DEFAULT_LOG, LOGS
from services.kit.vault.key_files import load_keys
from services.wire.references import References

INCIDENT = "chaos"
WAVES = 3
LEASE = 3.0
PAUSE = 2.5 * LEASE  # by then another process has surely taken over
UNKNOWN_AFTER = "5s"  # a notice whose e-mail is unknown gets its letter within the run
HELD_BACK = 3.0  # seconds of each cohort's pause: longer than what begins no more after two takes to end
SETTLE_SECONDS = 120.0  # without any progress


@dataclass(slots=True)
class Report:
    """The figures of a run."""

    seed: int
    log: str
    people: int
    records: int
    kills: int = 0
    replaced: int = 0  # processes of an earlier commit
    seconds: float = 0.0
    tries: int = 0
    listed: int = 0  # e-mails repeated as letters inside listed unknown windows
    verdict: Verdict = field(default_factory=Verdict)
    ledger: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)  # of the ledger, and of the rows behind it

    @property
    def holds(self) -> bool:
        """Return whether every promise was kept."""
        return self.verdict.holds and not self.faults


async def run(arguments: argparse.Namespace, folder: Path) -> Report:
    """Do one run in a folder and return its figures."""
    people = make_people(arguments.people, arguments.seed)
    (folder / "cohorts").mkdir(parents=True)
    waves, expectation = make_waves(people, WAVES, arguments.seed, folder / "cohorts", supplements=False, moves=True)
    report = Report(arguments.seed, arguments.log, len(people), expectation.received)
    settings = {"HERAUT_LEASE": f"{LEASE:.0f}s", "HERAUT_UNKNOWN_AFTER": UNKNOWN_AFTER}
    earlier = EarlierCode(folder / "before", arguments.upgrade) if arguments.upgrade else None
    fleet = Fleet(folder, arguments.log, settings, earlier=earlier)
    try:
        await fleet.start()
        started = time.monotonic()
        faults = [] if earlier else _faults(fleet, arguments)
        span = SECONDS_EACH * len(fleet.processes) if earlier else max((fault.at for fault in faults), default=0.0)
        disturbing = _replace(fleet, earlier, report) if earlier else _break(fleet, faults, report)
        await _work(fleet, waves, disturbing, span, report)
        ledger = await settle(fleet, INCIDENT, expectation.received, SETTLE_SECONDS)
        report.seconds = time.monotonic() - started
        report.ledger = ledger.totals
        await _judge(fleet, expectation, report)
        wrong = ledger.faults(expectation, report.verdict.spared)
        report.faults = [*wrong, *await rows_that_differ(fleet, INCIDENT)]
    finally:
        await fleet.stop()
    return report


def _faults(fleet: Fleet, arguments: argparse.Namespace) -> list[Fault]:
    processes, with_broker = sorted(fleet.processes), arguments.log == "kafka"
    every = arguments.every
    return plan(arguments.seed, arguments.kills, processes, every=every, pause=PAUSE, with_broker=with_broker)


async def _work(
    fleet: Fleet, waves: list[Wave], disturbing: Coroutine[Any, Any, None], span: float, report: Report
) -> None:
    """Send everything within so many seconds while something disturbs."""
    acknowledged = Acknowledgements(fleet.folder / "acknowledged.ndjson")
    sources = Sources(fleet.urls("intake"), fleet.headers, acknowledged, seconds=span * 0.6)
    await sources.put(f"/v1/incidents/{INCIDENT}", made_up_incident(datetime.now(UTC)))
    async with asyncio.TaskGroup() as group:
        group.create_task(disturbing)
        for at, wave in enumerate(waves):
            group.create_task(_send(sources, wave, delay=at * span * 0.15))
    report.tries = sources.tries


async def _replace(fleet: Fleet, earlier: EarlierCode, report: Report) -> None:
    report.replaced = await earlier.replace(fleet, _say)


async def _send(sources: Sources, wave: Wave, delay: float) -> None:
    await asyncio.sleep(delay)
    cohort = f"/v1/incidents/{INCIDENT}/cohorts/{wave.cohort_id}"
    await sources.put(cohort, wave.document)
    await sources.send(INCIDENT, wave, wave.path, slowly=True)
    if wave.corrections:
        await sources.send(INCIDENT, wave, wave.corrections, slowly=False)
    for ref in wave.withdrawn:
        await sources.post(f"{cohort}/withdrawals", {"memberRef": ref})
    await sources.post(f"{cohort}/seal", {})
    await sources.post(f"{cohort}/release", {"all": True})
    await sources.post(f"{cohort}/pause", {})
    await asyncio.sleep(HELD_BACK)
    await sources.post(f"{cohort}/resume", {})
    for ref in wave.withdrawn_late:
        await sources.post(f"{cohort}/withdrawals", {"memberRef": ref})


async def _break(fleet: Fleet, faults: list[Fault], report: Report) -> None:
    """Commit each fault at its time, beside faults that still go on."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - time.monotonic()))
            _say(f"{fault.at:7.1f} s  {fault.kind.value} {fault.target}")
            group.create_task(_commit(fleet, fault))
            report.kills += fault.kind is Kind.KILL


async def _commit(fleet: Fleet, fault: Fault) -> None:
    match fault.kind:
        case Kind.KILL:
            fleet.processes[fault.target].kill()
        case Kind.PAUSE:
            await fleet.processes[fault.target].pause(fault.seconds)
        case Kind.KILL_DATABASE:
            await fleet.kill_database()
        case Kind.RESTART_BROKER:
            await fleet.restart_broker()


async def _judge(fleet: Fleet, expectation: Expectation, report: Report) -> None:
    """Compare the providers' records with what had to happen."""
    with ProcessPoolExecutor(1) as workers:
        given = list(hand_overs(fleet.records, fleet.print_dir, INCIDENT, expectation.persons, workers))
    references = References(load_keys(fleet.folder / "keys").pepper("reference")[1])
    listed = await listed_unknown(fleet.database_url, references)
    kept, report.listed = drop_listed(given, listed, references)
    report.verdict = check(expectation, kept)


def _say(line: str) -> None:
    print(line, flush=True)


def _show(report: Report, folder: Path) -> None:
    verdict = report.verdict
    figures = {
        "seed": report.seed, "log": report.log, "people": report.people, "records": report.records,
        "kills": report.kills, "replaced": report.replaced,
        "seconds": round(report.seconds, 1), "requests": report.tries, "handOvers": verdict.hand_overs,
        "told": verdict.told, "lost": verdict.lost, "duplicates": verdict.duplicates,
        "somebodyElses": verdict.somebody_elses, "split": verdict.split,
        "spared": verdict.spared,
        "unexpected": verdict.unexpected, "untold": verdict.untold, "repeatsInListedWindows": report.listed,
        "ledgerFaults": report.faults, "holds": report.holds,
    }  # fmt: skip
    _say(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    for example in verdict.examples:
        _say(f"  {example}")
    if not report.holds:
        _say(f"kept for a look: {folder}")


def main() -> int:
    """Run once and print the figures; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.chaos")
    parser.add_argument("--people", type=int, default=30_000, help="different people; about 1.6 records each")
    parser.add_argument("--kills", type=int, default=2 * 2 * len(STAGES))
    parser.add_argument("--every", type=float, default=1.5, help="seconds between two kills, on average")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--log", choices=[*LOGS], default=DEFAULT_LOG)
    parser.add_argument("--dir", type=Path, help="folder to work in; must not be there yet")
    parser.add_argument("--keep", action="store_true", help="leave the folder, also when all held")
    parser.add_argument(
        "--upgrade", metavar="COMMIT", nargs="?", const=UPGRADE_FROM.read_text().strip(),
        help="replace processes of this commit, else of the one in deploy/upgrade-from; nothing is killed",
    )  # fmt: skip
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="heraut-chaos-"))
    _say(f"seed {arguments.seed}, {arguments.log}, {arguments.people} people, {arguments.kills} kills, in {folder}")
    try:
        report = asyncio.run(run(arguments, folder))
    except NotComparable as error:
        _say(f"SKIPPED: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    _show(report, folder)
    if report.holds and not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
