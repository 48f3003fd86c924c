"""How many people a second, and what a person costs: upload to hand-over, letters as data files.

    python -m loadtests.throughput [--people 1000000] [--log postgres|kafka] [--uploads 4] [--seed 1]
    python -m loadtests.throughput --people 1000000 --uploads 4 --overlap 0.43
    python -m loadtests.throughput --people 1000000 --rounds 5
    python -m loadtests.throughput --people 200000 --rates 0.5 0.25 --rest 20
    python -m loadtests.throughput --people 100000 --letters pdf [--marked] [--letter-processes 2]

One process of each service. Everybody gets a letter as data, so that rendering is not measured; with `--letters pdf`
it is, and with `--marked` each sheet has a DataMatrix. CPU is that of all
processes, PostgreSQL and the broker included; the driver's CPU is a figure of its own. Transactions are counted too:
what else the machine does changes CPU, and never their number. With `--rates` more runs follow
at these shares of the first one's rate: what a person costs then, and the time from acceptance to hand-over. With
`--rest` the processes are looked at for so many seconds once all is handed over. With `--overlap` the cohorts are
waves, one after the other, and so many of all records are about somebody of an earlier wave. With `--rounds` as many
people come again and again, others each time, into the same tables: does the speed fall?
"""

import argparse
import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import aiohttp
import asyncpg
import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.cohort_files import Load, warm_up, write_cohorts, write_waves
from loadtests.floor import floor
from loadtests.marked import marked_profile
from loadtests.processes import Cost, cost_between, costs_of, pid_of
from loadtests.python_build import python_build
from loadtests.yardstick import times_frozen_floor, yardstick
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import each_person
from services.kit.config import DEFAULT_LOG, LOGS

INCIDENT = "load"
_PATIENCE = 120.0  # seconds without any progress
_SETTLED = 10.0  # seconds after which checkpoints and counts of the run are over, and looks are as rare as they get


@dataclass(slots=True)
class Result:
    """The figures of one run."""

    people: int  # records sent
    told: int  # notices handed over: one for each person
    seconds: float = 0.0
    uploaded: float = 0.0  # seconds until the last acknowledgement
    costs: dict[str, Cost] = field(default_factory=dict)
    driver_cpu: float = 0.0
    latency: dict[str, float] = field(default_factory=dict)
    floor: dict[str, object] = field(default_factory=dict)
    transactions: int = 0
    rest: dict[str, float] = field(default_factory=dict)  # percent of a core, where nothing is to be done
    printed: int = 0  # bytes of print files
    rest_transactions: float = 0.0  # a second

    @property
    def rate(self) -> float:
        """Records per second, from the first upload to the last hand-over."""
        return self.people / self.seconds

    @property
    def cost(self) -> float:
        """CPU of all processes, in microseconds per person."""
        return sum(cost.cpu for cost in self.costs.values()) / self.people * 1e6

    def as_json(self) -> dict[str, object]:
        """Return the figures, with CPU in microseconds per person and memory in MB."""
        cpu = {name: round(cost.cpu / self.people * 1e6, 2) for name, cost in self.costs.items()}
        return {
            "people": self.people, "told": self.told, "seconds": round(self.seconds, 1),
            "peoplePerSecond": round(self.rate), "uploadSeconds": round(self.uploaded, 1),
            "cpuMicrosecondsPerPerson": round(self.cost, 1), "cpu": cpu,
            "printedBytesPerPerson": round(self.printed / self.people),
            "transactionsPerSecond": round(self.transactions / self.seconds),
            "driverCpu": round(self.driver_cpu / self.people * 1e6, 2),
            "residentMegabytes": {name: round(cost.resident / 1e6) for name, cost in self.costs.items()},
            **({"acceptedToHandedOverSeconds": self.latency} if self.latency else {}),
            **({"floor": self.floor} if self.floor else {}),
            **({"atRestPercentOfACore": self.rest} if self.rest else {}),
            **({"atRestTransactionsPerSecond": self.rest_transactions} if self.rest else {}),
        }  # fmt: skip


async def measure(fleet: Fleet, incident_id: str, load: Load, rate: float | None) -> Result:
    """Send the cohorts, wait for the last hand-over, and return the figures.

    `rate` is in records per second; None = as fast as intake takes them.
    """
    result = Result(load.records, load.persons)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    async with aiohttp.ClientSession(fleet.urls("intake")[0], headers=fleet.headers, timeout=timeout) as http:
        await _put(http, f"/v1/incidents/{incident_id}", _incident())
        for path in load.paths:
            await _put(http, _cohort(incident_id, path), {"source": "load", "declaredCount": None, "autoRelease": True})
        letters = _letters(fleet, {})
        people = sum(letters.values()) + load.persons
        printed = sum(path.stat().st_size for path in fleet.print_dir.iterdir())
        transactions, before, own = await _transactions(fleet), costs_of(_pids(fleet)), time.process_time()
        started = time.monotonic()
        await _send(http, incident_id, load, rate)
        result.uploaded = time.monotonic() - started
        result.seconds = await _until_handed_over(fleet, letters, people) - started
    result.costs = cost_between(before, costs_of(_pids(fleet)))
    result.printed = sum(path.stat().st_size for path in fleet.print_dir.iterdir()) - printed
    result.driver_cpu = time.process_time() - own
    result.transactions = await _transactions(fleet) - transactions
    return result


async def _send(http: aiohttp.ClientSession, incident_id: str, load: Load, rate: float | None) -> None:
    """Send cohorts side by side, or waves one after the other; returns when all are acknowledged."""
    seconds = load.records / rate if rate else 0.0
    if load.waves:
        for path in load.paths:
            await _upload(http, incident_id, path, seconds / len(load.paths))
        return
    async with asyncio.TaskGroup() as group:
        for path in load.paths:
            group.create_task(_upload(http, incident_id, path, seconds))


@cache
def _incident() -> dict[str, object]:
    """Return the document, the same for all rounds: put again it is no new version."""
    document = made_up_incident(datetime.now(UTC))
    return document | {"channels": ["letter"]}


def _cohort(incident_id: str, path: Path) -> str:
    return f"/v1/incidents/{incident_id}/cohorts/{path.stem}"


async def _put(http: aiohttp.ClientSession, path: str, document: dict[str, object]) -> None:
    body = orjson.dumps({key: value for key, value in document.items() if value is not None})
    async with http.put(path, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status < 300, await answer.text()


async def _upload(http: aiohttp.ClientSession, incident_id: str, path: Path, seconds: float) -> None:
    url = f"{_cohort(incident_id, path)}/members"
    async with http.post(url, data=_paced(path.read_bytes(), seconds), headers={"Content-Type": "text/csv"}) as answer:
        text = await answer.read()
        assert answer.status == 202, text[:500]
        assert orjson.loads(text)["rejected"] == 0, text[:500]


async def _paced(content: bytes, seconds: float) -> AsyncIterator[bytes]:
    """Return a body in pieces, evenly over `seconds`. A late piece does not delay the next one (open loop)."""
    started, step = time.monotonic(), 256 * 1024
    for at in range(0, len(content), step):
        if seconds:
            await asyncio.sleep(started + seconds * at / len(content) - time.monotonic())
        yield content[at : at + step]


async def _until_handed_over(fleet: Fleet, letters: dict[str, int], people: int) -> float:
    """Wait until the print folder has everybody, and return when its last batch was finished (monotonic).

    `letters`: how many each finished file has, of those that were there before.
    """
    moved = time.monotonic()
    while sum(letters.values()) < people:
        fresh = _letters(fleet, letters)
        letters |= fresh
        if fresh:
            moved = time.monotonic()
        assert time.monotonic() - moved < _PATIENCE, f"{sum(letters.values())} of {people} and no progress"
        await asyncio.sleep(0.25)  # precise enough for a run of many seconds
    last = max(path.stat().st_mtime for path in fleet.print_dir.glob("*.done"))
    return time.monotonic() - (time.time() - last)


def _letters(fleet: Fleet, known: Mapping[str, int]) -> dict[str, int]:
    """Return how many letters each finished print file has that is not known yet.

    By the marks, not the manifests: at ten millions those are gigabytes, and reading them takes a core from the rest.
    """
    return {
        path.name: int(orjson.loads(path.read_bytes())["letters"])
        for path in fleet.print_dir.glob("*.done")
        if path.name not in known
    }


def _pids(fleet: Fleet) -> dict[str, int]:
    pids = {name: replica.process.pid for name, replica in fleet.processes.items() if replica.process}
    if postgres := fleet.postgres.server_pid:
        pids["postgres"] = postgres
    if fleet.log == "kafka":
        pids["kafka"] = pid_of("kafka.Kafka", str(fleet.folder / "kafka"))
    return pids


async def _latency(fleet: Fleet) -> dict[str, float]:
    """Return p50 and p99 of the seconds from acceptance to hand-over: upper bounds in dispatch's histogram."""
    url = f"{fleet.urls('dispatch-letter')[0]}/metrics"
    async with aiohttp.ClientSession(headers=fleet.headers) as http, http.get(url) as answer:
        text = await answer.text()
    pattern = r'dispatch_notice_seconds_bucket\{channel="letter",le="([^"]+)"\} ([0-9.e+]+)'
    buckets = [(float(bound), float(count)) for bound, count in re.findall(pattern, text)]
    total = buckets[-1][1]
    return {f"p{q}": next(bound for bound, count in buckets if count >= total * q / 100) for q in (50, 99)}


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Measure at full speed, and then at each share of it, each on a fleet of its own."""
    loads = _loads(arguments, folder / "cohorts")
    measure_of_machine = yardstick()
    rounds = await _on_a_fleet(folder / "full", arguments, loads, None)
    figures = {
        "log": arguments.log, "cores": os.cpu_count(), "python": python_build(), "yardstick": measure_of_machine,
        "timesFrozenFloor": times_frozen_floor(rounds[0].cost, measure_of_machine),
    }  # fmt: skip
    if arguments.rounds > 1:
        return figures | {"rounds": [result.as_json() for result in rounds]}
    figures["full"] = rounds[0].as_json()
    for share in arguments.rates:
        slower = await _on_a_fleet(folder / f"at-{share}", arguments, loads, rounds[0].rate * share)
        figures[f"at{share}"] = slower[0].as_json()
    return figures


def _loads(arguments: argparse.Namespace, folder: Path) -> list[Load]:
    """Write what each round sends."""
    people = each_person(arguments.seed, kinds={})
    if arguments.overlap is not None:
        return [write_waves(folder, people, arguments.people, arguments.uploads, arguments.overlap)]
    return [
        write_cohorts(folder / f"round-{number}", people, arguments.people, arguments.uploads)
        for number in range(arguments.rounds)
    ]


async def _on_a_fleet(
    folder: Path, arguments: argparse.Namespace, loads: Sequence[Load], rate: float | None
) -> list[Result]:
    folder.mkdir()
    settings = {"HERAUT_LETTER_FORMAT": arguments.letters}
    if arguments.marked:
        settings["HERAUT_PRINT_PROFILE"] = str(marked_profile(folder))
    fleet = Fleet(folder, arguments.log, settings, 1, {"dispatch-letter": arguments.letter_processes})
    results = []
    try:
        await fleet.start()
        # A small cohort first: the first blocks run on cold code, empty caches and a cold JVM.
        await measure(fleet, "warm", warm_up(folder, loads[0], 20_000), None)
        for load in loads:
            results.append(await measure(fleet, INCIDENT, load, rate))
            results[-1].latency = await _latency(fleet)
        if rate is None:
            await _rest(fleet, arguments.rest, results[-1])
            await fleet.stop_services()
            if len(loads) == 1:  # what many rounds filled says nothing about the floor
                results[-1].floor = await floor(fleet, loads[0].persons)
    finally:
        await fleet.stop()
    return results


async def _rest(fleet: Fleet, seconds: float, result: Result) -> None:
    """Note what the processes use of a core where nothing is to be done, and together; nothing for no seconds."""
    if not seconds:
        return
    await asyncio.sleep(_SETTLED)
    transactions, before = await _transactions(fleet), costs_of(_pids(fleet))
    await asyncio.sleep(seconds)
    used = cost_between(before, costs_of(_pids(fleet)))
    found = {name: round(cost.cpu / seconds * 100, 2) for name, cost in used.items()}
    result.rest = found | {"all": round(sum(found.values()), 1)}
    result.rest_transactions = round((await _transactions(fleet) - transactions) / seconds, 1)


async def _transactions(fleet: Fleet) -> int:
    """Return how many transactions the database has ended, those included that only looked; a second late at most."""
    connection = await asyncpg.connect(fleet.database_url)
    try:
        ended = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        return int(await connection.fetchval(ended))
    finally:
        await connection.close()


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.throughput")
    parser.add_argument("--people", type=int, default=1_000_000, help="records of a round")
    parser.add_argument("--log", choices=[*LOGS], default=DEFAULT_LOG)
    parser.add_argument("--uploads", type=int, default=4)
    parser.add_argument("--overlap", type=float, help="share of all records that are about people of an earlier wave")
    parser.add_argument("--letters", choices=["ndjson", "pdf"], default="ndjson")
    parser.add_argument("--marked", action="store_true", help="with a DataMatrix on each sheet")
    parser.add_argument("--letter-processes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rates", type=float, nargs="*", default=[], help="shares of the rate of the first run")
    parser.add_argument("--rest", type=float, default=0.0, help="seconds to look at idle processes")
    parser.add_argument("--dir", type=Path)
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="heraut-load-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    figures = asyncio.run(run(arguments, folder))
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    if not arguments.dir:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
