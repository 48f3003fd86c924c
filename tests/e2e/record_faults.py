"""Records what a real installation shows while faults are made in it, as the series that tests of the rules are fed.

    python -m tests.e2e.record_faults FOLDER [FAULT ...]      25 minutes for all; writes FOLDER/<fault>.yml

People are told by `heraut up` while it is scraped every 15 seconds. Then one thing after the other goes wrong:
providers are away, the database hangs, a room hangs, blocks cannot be understood or are missing, tracking loses a
count. Times since 1970 are given as of the run's beginning, as promtool's clock begins at 0. The faults lie apart by a
while in which all is well, so that each file begins sound.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import psutil

from services.demo.client import open_client
from services.demo.made_up.incident import made_up_incident
from services.demo.progress import Progress
from services.demo.sending import send_waves
from services.demo.stack import Stack, open_stack
from services.kit.postgres.embedded import EmbeddedPostgres
from tests.e2e.made_up_load import Load, make_load, stack_wish

EVERY = 15.0  # seconds between two scrapes, as in most installations
BEFORE = 5  # sound scrapes that a file has before its fault
# Figures of the process and of the library, and buckets of times: no rule that is tested so asks for them.
_LEFT_OUT = re.compile(r"^(?:process_|python_|heraut_build)|_(?:bucket|sum|count)$")
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_OFTEN_NOUGHT = re.compile(r"reason=|status=\"[45]|rule=")
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules"


@dataclass
class Recording:
    """Samples by series: one for each scrape, None where there was none."""

    began: float = 0.0
    scrapes: int = 0
    series: dict[str, list[float | None]] = field(default_factory=dict)
    faults: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> its first and last scrape

    def add(self, name: str, value: float) -> None:
        """Add a sample of the scrape that is being made."""
        values = self.series.setdefault(name, [])
        values += [None] * (self.scrapes - len(values))
        values.append(value)

    def window(self, fault: str) -> dict[str, list[float | None]]:
        """Return what was scraped around a fault; series that had no sample there are left out."""
        first, last = self.faults[fault]
        first = max(0, first - BEFORE)
        rows = {name: (values + [None] * self.scrapes)[first : last + 1] for name, values in self.series.items()}
        shift = first * EVERY
        return {
            name: [_rebased(name, value, shift) for value in values]
            for name, values in sorted(rows.items())
            if any(value is not None for value in values)
        }


def _rebased(name: str, value: float | None, shift: float) -> float | None:
    """Return a sample as of the window's beginning, where it is a time."""
    if value is None or "_timestamp_seconds" not in name:
        return None if value is None else round(value, 1)
    return round(value - shift, 1)


async def scrape(http: aiohttp.ClientSession, stack: Stack, token: str, recording: Recording) -> None:
    """Scrape every process once, as Prometheus would, and note whether it answered."""

    async def one(service: str, url: str) -> tuple[str, str | None]:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with http.get(f"{url}/metrics", headers=headers, timeout=aiohttp.ClientTimeout(5)) as answer:
                return service, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return service, None

    for service, text in await asyncio.gather(*(one(*address) for address in stack.addresses.items())):
        target = f'instance="{service}",job="{service.split("-")[0]}"'
        recording.add(f"up{{{target}}}", 0.0 if text is None else 1.0)
        for line in (text or "").splitlines():
            if (sample := _SAMPLE.match(line)) and not _LEFT_OUT.search(sample[1]):
                value = float(sample[3])
                if sample[1].endswith("_timestamp_seconds") and value:
                    value -= recording.began
                labels = ",".join(filter(None, (sample[2], target)))
                recording.add(f"{sample[1]}{{{labels}}}", value)
    recording.scrapes += 1


@asynccontextmanager
async def scraping(stack: Stack, recording: Recording) -> AsyncIterator[None]:
    """Scrape again and again while the context lasts."""
    token = (stack.data / "scrape.token").read_text(encoding="utf-8").strip()

    async def forever(http: aiohttp.ClientSession) -> None:
        recording.began = time.time()
        while True:
            await scrape(http, stack, token, recording)
            await asyncio.sleep(recording.began + recording.scrapes * EVERY - time.time())

    async with aiohttp.ClientSession() as http:
        task = asyncio.create_task(forever(http))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@contextmanager
def frozen(processes: list[int]) -> Iterator[None]:
    """Let processes stand still, as on a machine that hangs."""
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    return [pid, *(child.pid for child in psutil.Process(pid).children())]


def service_pid(stack: Stack, words: str) -> int:
    """Return the process of a service, a grandchild of ours, by words of its command line."""
    ours = psutil.Process().children(recursive=True)
    (found,) = [one.pid for one in ours if words in " ".join(one.cmdline()) and str(stack.data) not in words]
    return found


@dataclass
class Faults:
    """Makes one fault after the other, and notes when."""

    stack: Stack
    load: list[Load]
    recording: Recording
    standins: subprocess.Popen[bytes] | None = None

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Note the scrapes between which a fault lies."""
        first = self.recording.scrapes
        yield
        self.recording.faults[name] = (first, self.recording.scrapes - 1)
        print(name, self.recording.faults[name], flush=True)  # noqa: T201 - who waits sees how far it is

    async def send(self, number: int) -> None:
        """Send the waves of a load, and do not wait until all are told."""
        load = self.load[number]
        async with open_client(self.stack.addresses, self.stack.token, load.incident_id) as client:
            # Three days are nearly over: who is not told within half an hour is told late.
            await client.put_incident(made_up_incident(datetime.now(UTC) - timedelta(hours=71, minutes=30)))
            await send_waves(client, load.waves, Progress())

    async def calm(self) -> None:
        """Tell people, and let nothing go wrong."""
        with self.noted("calm"):
            await self.send(0)
            await asyncio.sleep(120)

    async def providers_away(self) -> None:
        """Let the providers hang in the middle of mails, kill who hands over, and take the providers away."""
        standins = int(self.stack.how_to_stop[1].split()[1])
        ports = {name: url.rpartition(":")[2] for name, url in self._standins().items()}
        with self.noted("providers"):
            with frozen([standins]):
                await self.send(1)
                await asyncio.sleep(5)
                os.kill(service_pid(self.stack, "--channel email"), signal.SIGKILL)
                await asyncio.sleep(20)
                os.kill(standins, signal.SIGKILL)
            await asyncio.sleep(420)
        argv = [sys.executable, "-m", "services.demo.standins", "--records", str(self.stack.records)]
        argv += ["--smtp-port", ports["HERAUT_SMTP_URL"], "--portal-port", ports["HERAUT_PORTAL_URL"]]
        self.standins = subprocess.Popen(argv, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603 - our own interpreter
        await asyncio.sleep(90)

    def _standins(self) -> Mapping[str, str]:
        ready: dict[str, str] = json.loads((self.stack.data / "run" / "standins.json").read_bytes())
        return ready

    async def database_hangs(self) -> None:
        """Let the database server stand still."""
        server = EmbeddedPostgres(self.stack.data).server_pid
        assert server is not None
        with self.noted("database"), frozen(family(server)):
            await asyncio.sleep(180)
        await asyncio.sleep(75)

    async def room_hangs(self) -> None:
        """Let a room stand still."""
        with self.noted("room"), frozen([service_pid(self.stack, "services.routing")]):
            await asyncio.sleep(180)
        await asyncio.sleep(75)

    async def blocks_go_wrong(self) -> None:
        """Write a block that nobody understands, and one with others missing before it."""
        with self.noted("blocks"):
            await self._execute(
                """with head as (
                     update log.head set last_seq = last_seq + 1
                     where source = 'deduplication' and topic = 'heraut.notices.released.v1' and partition = 0
                     returning last_seq
                   ), bad as (
                     insert into log.log (topic, partition, source, seq, block)
                     select 'heraut.notices.released.v1', 0, 'deduplication', last_seq, '\\xff' from head
                   ), further as (
                     update log.head set last_seq = last_seq + 2
                     where source = 'deduplication' and topic = 'heraut.notices.released.v1' and partition = 1
                     returning last_seq
                   )
                   insert into log.log (topic, partition, source, seq, block)
                   select 'heraut.notices.released.v1', 1, 'deduplication', last_seq, '\\xff' from further"""
            )
            await asyncio.sleep(150)

    async def count_is_lost(self) -> None:
        """Take some of intake's counts away from tracking."""
        with self.noted("ledger"):
            await self._execute(
                """update tracking.stage_totals set counts = jsonb_set(counts, '{accepted}', '1')
                   where stage = 'intake' and counts ? 'accepted'"""
            )
            await asyncio.sleep(150)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(EmbeddedPostgres(self.stack.data).url)
        try:
            print(await connection.execute(statement), flush=True)  # noqa: T201
        finally:
            await connection.close()


async def record(folder: Path, wanted: list[str]) -> None:
    """Make the wanted faults on an installation in a folder, each of which gets its file."""
    data, recording = folder / "data", Recording()
    loads = [make_load(folder / f"cohorts-{seed}", people=people, seed=seed) for seed, people in ((1, 300), (2, 1500))]
    try:
        async with open_stack(stack_wish(data), loads[0].incident_id) as stack, scraping(stack, recording):
            faults = Faults(stack, loads, recording)
            steps: dict[str, Callable[[], Awaitable[None]]] = {
                "calm": faults.calm,
                "providers": faults.providers_away,
                "database": faults.database_hangs,
                "room": faults.room_hangs,
                "blocks": faults.blocks_go_wrong,
                "ledger": faults.count_is_lost,
            }
            try:
                for name, step in steps.items():
                    if name in ("calm", *wanted):  # people are told before anything goes wrong
                        await step()
                        write(folder / f"{name}.yml", recording.window(name))
            finally:
                if faults.standins:
                    faults.standins.terminate()
    finally:
        await EmbeddedPostgres(data).destroy()


def write(path: Path, series: Mapping[str, list[float | None]]) -> None:
    """Write series as promtool takes them: those that a rule asks for, and of reasons those that were given."""
    asked = "\n".join(rules.read_text(encoding="utf-8") for rules in RULES.glob("*.yml"))
    lines = []
    for name, values in series.items():
        metric = name.partition("{")[0]
        _, _, rest = metric.partition("_")
        if (metric in asked or f"_{rest}" in asked) and not (_OFTEN_NOUGHT.search(name) and not any(values)):
            lines.append(f"- {{series: {json.dumps(name)}, values: {json.dumps(notation(values))}}}\n")
    path.write_text("".join(lines), encoding="utf-8")


def notation(values: list[float | None]) -> str:
    """Return samples in promtool's notation, repeated ones as one word; what comes after them is as the last."""
    words = []
    for value, group in itertools.groupby(values):
        count = len(list(group))
        word = "_" if value is None else str(int(value)) if value == int(value) else repr(value)
        words.append(word if count == 1 else f"{word}x{count - (value is not None)}")
    return " ".join(words)


def main() -> None:
    """Record into a folder; see the module."""
    folder, *wanted = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    asyncio.run(record(Path(folder).resolve(), wanted or ["providers", "database", "room", "blocks", "ledger"]))


if __name__ == "__main__":
    main()
