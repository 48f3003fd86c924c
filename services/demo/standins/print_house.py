"""The print house's stand-in: it picks up what is marked as done, prints what agrees, and says so.

It reads a folder: the print folder itself, or the one behind its SFTP server (`sftp.py`). Of each job it notes whose
letters it printed, and puts an answer into `answers` there: `<job>.answer.json`, `{job, state, reason, at}`.
"""

import asyncio
import contextlib
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from services.demo.provider_records import ProviderRecords
from services.demo.standins.faults import Fault, Faults
from services.kit.files import write_atomically

__all__ = ["PrintHouse"]

_LOOK_EVERY = 0.2  # seconds


class PrintHouse:
    """Prints what lies in a folder."""

    def __init__(self, folder: Path, records: ProviderRecords, seen: set[str] | None = None) -> None:
        """`seen` are the jobs that it printed, or refused, in an earlier life."""
        self._folder, self._answers, self._records = folder, folder / "answers", records
        self._answers.mkdir(mode=0o770, parents=True, exist_ok=True)
        self._seen = seen or set()
        self.door = None  # nobody hands anything to it
        self.faults = Faults()
        self.figures: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Look for jobs until `stop`, and once more then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Print each job whose mark is there and that was not printed."""
        for mark in sorted(self._folder.glob("*.done")):
            if mark.stem not in self._seen and not self._waits(mark):
                self._seen.add(mark.stem)
                self._print(mark)

    def _waits(self, mark: Path) -> bool:
        """Tell whether a job is left for later: where it is late, it lies there for a while."""
        late = self.faults.hits(Fault.LATENCY, mark.stem)
        return late and time.time() - mark.stat().st_mtime < self.faults.latency

    def _print(self, mark: Path) -> None:
        self.figures["requests"] += 1
        reason = self._fault(mark)
        if not reason:
            letters = orjson.loads(mark.with_suffix(".manifest.json").read_bytes())["letters"]
            told = [{"noticeId": one["noticeId"], "attempt": one["attempt"]} for one in letters]
            self.figures["taken"] += len(told)
            self._records.append({"at": _now(), "job": mark.stem, "letters": told})
        answer = {"job": mark.stem, "state": "rejected" if reason else "acknowledged", "reason": reason, "at": _now()}
        self._answer(mark.stem, answer)

    def _fault(self, mark: Path) -> str:
        """Return why a job is not printed; empty where it is."""
        if self.faults.hits(Fault.REFUSED, mark.stem):
            return "refused"
        said = orjson.loads(mark.read_bytes())
        manifest = mark.with_suffix(".manifest.json")
        printed = next((file for suffix in (".pdf", ".ndjson") if (file := mark.with_suffix(suffix)).exists()), None)
        if printed is None or not manifest.exists():
            return "incomplete"
        found = (_digest(printed), _digest(manifest))
        return "" if found == (said["sha256"], said["manifestSha256"]) else "digest"

    def _answer(self, job: str, answer: dict[str, Any]) -> None:
        if self.faults.hits(Fault.RECEIPT_LOST, job):
            return
        self.figures[str(answer["state"])] += 1
        names = [f"{job}.answer.json"]
        if self.faults.hits(Fault.RECEIPT_DOUBLE, job):
            names.append(f"{job}.answer-2.json")
        for name in names:
            write_atomically(self._answers / name, orjson.dumps(answer).decode())


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
