"""A peer that is programs of its own environment, with servers beside them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import asyncpg

from loadtests.cohort_files import Load
from loadtests.peers import setting_up
from loadtests.peers.peer import Figures, PeerFailed, Promise, Task, by_part
from loadtests.peers.servers import Servers
from loadtests.peers.told import LineCount, check_told
from loadtests.processes import cost_between, costs_of
from services.kit.process.children import start_child, stop_child

__all__ = ["ProgramPeer"]

_PATIENCE = 60.0  # seconds without any progress
_AT_MOST = 300.0  # seconds for one load
_LOOK_EVERY = 0.05
_INSIDE = "loadtests.peers.inside"


@dataclass(frozen=True, slots=True)
class ProgramPeer:
    """A peer as data: its programs, each the arguments of `python -m`, and what they need."""

    word: str
    title: str
    people: int
    servers: Servers
    programs: Mapping[str, Sequence[str]]
    keeps: Sequence[Promise] = ()
    uses: Sequence[str] = ()  # of Redis and broker; all have PostgreSQL
    prepares: Sequence[str] = ()  # a program that is run to its end before the others start
    postgres: Mapping[str, str] = field(default_factory=dict)  # settings that the peer likes

    async def measured(self, task: Task) -> Figures:
        """Start the programs, give them both loads, and return what the second one cost."""
        environ = await self._environ(task)
        letters, database = LineCount(task.folder / "letters"), environ["PEERS_DATABASE"]
        async with self._running(task.folder, environ) as (loads, processes):
            told = _Told(letters, database, processes)
            _send(loads, task.warm)
            await told.wait_for(task.warm.persons)
            servers = {name: pid for name, pid in self.servers.pids.items() if name in {"PostgreSQL", *self.uses}}
            pids = servers | {name: process.pid for name, process in processes.items()}
            before, started = costs_of(pids), time.monotonic()
            _send(loads, task.load)
            await told.wait_for(task.warm.persons + task.load.persons)
            seconds = time.monotonic() - started
            used = cost_between(before, costs_of(pids))
        check_told((task.warm, task.load), task.folder / "letters", await _recorded(database))
        return Figures(task.load.records, seconds, by_part(used, {name: name for name in servers}))

    async def _environ(self, task: Task) -> dict[str, str]:
        (task.folder / "letters").mkdir()
        os.mkfifo(task.folder / "loads")
        name = f"{self.word.replace('-', '_')}_{task.folder.name.replace('-', '_')}"
        environ = {
            "PEERS_DATABASE": await self.servers.database(name, self.postgres),
            "PEERS_LETTERS": str(task.folder / "letters"),
            "PEERS_LOADS": str(task.folder / "loads"),
            "PEERS_TOPICS": name,
        }
        if "Redis" in self.uses:
            environ["PEERS_REDIS"] = await self.servers.redis()
        if "broker" in self.uses:
            environ["PEERS_KAFKA"] = await self.servers.kafka(name)
        return {**os.environ, **environ}

    @asynccontextmanager
    async def _running(
        self, folder: Path, environ: Mapping[str, str]
    ) -> AsyncIterator[tuple[TextIO, dict[str, asyncio.subprocess.Process]]]:
        """Start the programs; they end with this context."""
        processes: dict[str, asyncio.subprocess.Process] = {}
        # Open for both, as a pipe that is open for writing alone waits for its reader.
        with os.fdopen(os.open(folder / "loads", os.O_RDWR), "w", encoding="utf-8") as loads:
            try:
                if self.prepares and await (await _started("prepares", self.prepares, folder, environ)).wait():
                    raise PeerFailed(f"it could not be prepared; see {folder / 'prepares.log'}")
                for name, words in self.programs.items():
                    processes[name] = await _started(name, words, folder, environ)
                yield loads, processes
            finally:
                await asyncio.gather(*(stop_child(process, 10.0) for process in processes.values()))


async def _started(
    name: str, words: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> asyncio.subprocess.Process:
    argv = [str(setting_up.PYTHON), "-m", *(word.replace("INSIDE", _INSIDE) for word in words)]
    return await start_child(argv, environ=environ, log=folder / f"{name}.log")


def _send(loads: TextIO, load: Load) -> None:
    loads.write("\t".join(map(str, load.paths)) + "\n")
    loads.flush()


@dataclass(slots=True)
class _Told:
    """How many were told, by the letters first: they cost the servers nothing to look at."""

    letters: LineCount
    database: str
    processes: Mapping[str, asyncio.subprocess.Process]

    async def wait_for(self, people: int) -> None:
        """Return when so many were told and recorded. Raises PeerFailed where nothing moves, or a program ended."""
        seen, started = -1, time.monotonic()
        moved = started
        while seen < people or await _recorded(self.database) < people:
            ended = [name for name, process in self.processes.items() if process.returncode is not None]
            if ended:
                raise PeerFailed(f"{', '.join(ended)} ended; see its log")
            if (lines := self.letters.now()) != seen:
                seen, moved = lines, time.monotonic()
            if time.monotonic() > min(moved + _PATIENCE, started + _AT_MOST):
                raise PeerFailed(f"{seen} letters of {people}, {await _recorded(self.database)} recorded, and no more")
            await asyncio.sleep(_LOOK_EVERY)


async def _recorded(database: str) -> int:
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("select count(*) from deliveries"))
    finally:
        await connection.close()
