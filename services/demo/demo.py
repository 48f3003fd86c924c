"""The main job in one go: people made up, sent in waves, told over three channels, and counted afterwards."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from services.demo.api import Api, open_api
from services.demo.check import Verdict, check
from services.demo.cohorts import Wave, make_waves
from services.demo.errors import DemoError
from services.demo.expectation import Expectation
from services.demo.incident import made_up_incident
from services.demo.people import make_people
from services.demo.providers import AddressBook, emails, letters, portal_messages
from services.demo.stack import Stack, StackWish, open_stack

__all__ = ["STALLED_AFTER", "DemoWish", "LedgerSource", "Progress", "Result", "Watch", "run_demo"]

# interfaces: `heraut demo`. A single slow batch of letters takes seconds, a take-over of a lease some more.
STALLED_AFTER = 120.0
# With the ledger settled but not as the generator expects it, how long to wait for what may still be on its way.
_SETTLED_FOR = 10.0
_POLL = 0.5
# The next wave begins when so much of the one before was sent: they overlap, as they did in the case.
_NEXT_WAVE_AT = 0.5
# A batch of some hundreds of letters is read in half a second; a process is there in two.
_BATCHES_WORTH_PROCESSES = 20


@dataclass(frozen=True, slots=True)
class DemoWish:
    """What is asked of the demo."""

    people: int
    waves: int
    supplements: bool
    log: str
    seed: int
    data: Path | None
    keep: bool


@dataclass(slots=True)
class Progress:
    """How far it is; read by whoever shows it, at any time."""

    phase: str = "starting"
    expected: int = 0  # records
    to_send: dict[str, int] = field(default_factory=dict)  # bytes by cohort
    sent: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)  # of the ledger
    began: float | None = None  # first upload, on the monotonic clock


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `seconds` runs from the first upload to the last hand-over."""

    wish: DemoWish
    ledger: dict[str, Any]
    expectation: Expectation
    verdict: Verdict
    seconds: float
    data: Path
    print_dir: Path
    console: str
    metrics: str
    how_to_stop: Sequence[str]

    @property
    def members(self) -> int:
        """Records sent: the sum of `received`."""
        return int(self.ledger["totals"]["received"])

    @property
    def throughput(self) -> float:
        """Members a second."""
        return self.members / self.seconds if self.seconds else 0.0

    @property
    def holds(self) -> bool:
        """Tell whether the ledger balances, and everybody was told once and their own news."""
        return bool(self.ledger["balanced"]) and self.verdict.holds

    def as_json(self) -> dict[str, Any]:
        """Return the figures (interfaces: `heraut demo --json`)."""
        verdict = self.verdict
        return {
            "people": self.wish.people,
            "members": self.members,
            "notices": self.ledger["totals"]["notified"],
            "seconds": round(self.seconds, 3),
            "throughputPerSecond": round(self.throughput, 1),
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "mixUps": verdict.mix_ups,
            "unexpected": verdict.unexpected,
            "untold": verdict.untold,
            "handOvers": verdict.hand_overs,
            "channels": verdict.channels,
            "balanced": self.ledger["balanced"],
            "totals": self.ledger["totals"],
            "log": self.wish.log,
            "seed": self.wish.seed,
            "printDir": str(self.print_dir),
            "console": self.console,
            "metrics": self.metrics,
            "examples": verdict.examples,
        }


async def run_demo(wish: DemoWish, progress: Progress, environ: Mapping[str, str] = os.environ) -> Result:
    """Do it all. Raises DemoError where it cannot be finished."""
    incident_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{wish.seed}"
    async with open_stack(StackWish(wish.log, wish.data, wish.keep, environ), incident_id) as stack:
        progress.phase = "making people up"
        waves, expectation = await asyncio.to_thread(_make, wish, stack.data / "cohorts" / incident_id)
        progress.expected = expectation.received
        async with open_api(stack.addresses, stack.token, incident_id) as api:
            started = time.time()
            ledger = await _tell(wish, api, waves, expectation, progress)
        progress.phase = "checking what the providers were handed"
        verdict = await asyncio.to_thread(_check, stack, incident_id, expectation)
        seconds = max(verdict.last_at / 1000 - started, 0.001) if verdict.last_at else 0.0
        tracking = stack.addresses["tracking"]
        return Result(
            wish, ledger, expectation, verdict, seconds, stack.data, stack.print_dir,
            f"{tracking}/", f"{tracking}/metrics", stack.how_to_stop,
        )  # fmt: skip


def _make(wish: DemoWish, folder: Path) -> tuple[list[Wave], Expectation]:
    folder.mkdir(parents=True)
    people = make_people(wish.people, wish.seed)
    return make_waves(people, wish.waves, wish.seed, folder, supplements=wish.supplements)


async def _tell(
    wish: DemoWish, api: Api, waves: list[Wave], expectation: Expectation, progress: Progress
) -> dict[str, Any]:
    """Send everything and wait until all is told; returns the ledger."""
    watch = Watch(api, progress)
    progress.phase, progress.began = "sending and telling", time.monotonic()
    await api.put_incident(made_up_incident(datetime.now(UTC)))
    first, last = (waves[:-1], waves[-1:]) if wish.supplements else (waves, [])
    await watch.alongside(_send_all(api, first, progress))
    if last:
        # What it adds is only a supplement if the rest was told before.
        await watch.until_settled(None)
        await watch.alongside(_send_all(api, last, progress))
    progress.phase = "telling"
    return await watch.until_settled(expectation)


async def _send_all(api: Api, waves: list[Wave], progress: Progress) -> None:
    """Send the waves, each beginning when the one before is half through."""
    for wave in waves:
        progress.to_send[wave.cohort_id] = wave.path.stat().st_size
        progress.sent[wave.cohort_id] = 0
        document = {"source": wave.source, "declaredCount": wave.declared, "autoRelease": True}
        await api.put_cohort(wave.cohort_id, document)
    try:
        async with asyncio.TaskGroup() as group:
            for wave in waves:
                halfway = asyncio.Event()
                group.create_task(_send(api, wave, progress, halfway))
                await halfway.wait()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first fault is the one to tell


async def _send(api: Api, wave: Wave, progress: Progress, halfway: asyncio.Event) -> None:
    def sent(count: int) -> None:
        progress.sent[wave.cohort_id] += count
        if progress.sent[wave.cohort_id] >= progress.to_send[wave.cohort_id] * _NEXT_WAVE_AT:
            halfway.set()

    try:
        await api.upload(wave.cohort_id, wave.path, wave.form, sent)
    finally:
        halfway.set()
    if wave.corrections:
        await api.upload(wave.cohort_id, wave.corrections, wave.form, lambda _: None)
    await api.seal(wave.cohort_id)


class LedgerSource(Protocol):
    """Where the ledger is read from."""

    async def ledger(self) -> dict[str, Any] | None:
        """Return the ledger, None where it cannot be had now."""
        ...


class Watch:
    """Looks at the ledger and notices when it stands still."""

    def __init__(
        self, api: LedgerSource, progress: Progress, clock: Callable[[], float] = time.monotonic, poll: float = _POLL
    ) -> None:
        self._api, self._progress, self._clock, self._poll = api, progress, clock, poll
        self._seen: object = None
        self._changed_at = clock()

    async def alongside(self, work: Any) -> None:
        """Await `work` while looking on."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._poll)
                await self._look()
            await task
        finally:
            task.cancel()

    async def until_settled(self, expectation: Expectation | None) -> dict[str, Any]:
        """Wait until nothing is missing or in flight, and give the ledger.

        A correction may be on its way although all is settled, so what is expected of the totals is
        waited for as well, but not for long: the check will say what is wrong.
        """
        while True:
            ledger = await self._look()
            if ledger is not None and _is_settled(ledger["totals"]):
                quiet = self._clock() - self._changed_at
                if expectation is None or _as_expected(ledger["totals"], expectation) or quiet > _SETTLED_FOR:
                    return ledger
            await asyncio.sleep(self._poll)

    async def _look(self) -> dict[str, Any] | None:
        ledger = await self._api.ledger()
        if ledger is not None:
            self._progress.totals = ledger["totals"]
        seen = (self._progress.totals, dict(self._progress.sent))
        now = self._clock()
        if seen != self._seen:
            self._seen, self._changed_at = seen, now
        elif now - self._changed_at > STALLED_AFTER:
            raise DemoError(_what_stands_still(self._progress))
        return ledger


def _is_settled(totals: Mapping[str, int]) -> bool:
    return totals["missing"] == 0 and totals["inFlight"] == 0 and totals["received"] > 0


def _as_expected(totals: Mapping[str, int], expectation: Expectation) -> bool:
    names = ("received", "rejected", "suppressed", "held", "exhausted")
    return all(totals[name] == getattr(expectation, name) for name in names)


def _what_stands_still(progress: Progress) -> str:
    totals = progress.totals
    lines = [f"nothing moved for {STALLED_AFTER:.0f} seconds"]
    lines += [
        f"cohort {cohort}: {progress.sent[cohort]} of {size} bytes sent"
        for cohort, size in progress.to_send.items()
        if progress.sent[cohort] < size
    ]
    if not totals:
        return "\n".join([*lines, "the ledger cannot be read, or has nothing in it"])
    return "\n".join([*lines, f"{totals['missing']} records missing, {totals['inFlight']} notices in flight"])


def _check(stack: Stack, incident_id: str, expectation: Expectation) -> Verdict:
    book = AddressBook(expectation.people)
    with _readers(stack.print_dir) as workers:
        return check(
            expectation,
            chain(
                portal_messages(stack.records, book),
                emails(stack.records, book),
                letters(stack.print_dir, incident_id, book, workers),
            ),
        )


def _readers(print_dir: Path) -> Executor:
    """Return whom to read print files with: processes, where reading takes longer than starting them."""
    if sum(1 for _ in print_dir.glob("*.done")) < _BATCHES_WORTH_PROCESSES:
        return ThreadPoolExecutor(1)  # one: the PDF library may be used by one thread at a time
    # Started afresh, not forked: this process has threads.
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
