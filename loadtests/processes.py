"""The cost of processes: CPU seconds and resident memory, with all child processes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

__all__ = ["Cost", "cost_between", "costs_of", "pid_of"]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds used so far, and bytes resident now."""

    cpu: float
    resident: int


def costs_of(pids: Mapping[str, int]) -> dict[str, Cost]:
    """Return the cost of each named process with its children, also of those that have ended."""
    found = {}
    for name, pid in pids.items():
        with suppress(psutil.NoSuchProcess):
            found[name] = _tree(psutil.Process(pid))
    return found


def _tree(process: psutil.Process) -> Cost:
    cpu, resident = _one(process)
    times = process.cpu_times()
    cpu += times.children_user + times.children_system  # of children that ended and were waited for
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child_cpu, child_resident = _one(child)
            cpu, resident = cpu + child_cpu, resident + child_resident
    return Cost(cpu, resident)


def _one(process: psutil.Process) -> tuple[float, int]:
    times = process.cpu_times()
    memory = process.memory_info()
    # Without shared memory, which would be counted once for each of PostgreSQL's processes.
    return times.user + times.system, memory.rss - getattr(memory, "shared", 0)


def cost_between(before: Mapping[str, Cost], after: Mapping[str, Cost]) -> dict[str, Cost]:
    """Return the CPU seconds used between two measurements, and the memory at the second."""
    return {name: Cost(cost.cpu - before[name].cpu if name in before else cost.cpu, cost.resident)
            for name, cost in after.items()}  # fmt: skip


def pid_of(*words: str) -> int:
    """Return the process whose command line has all these words. Raises StopIteration where there is none."""
    return next(
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if all(any(word in part for part in process.info["cmdline"] or []) for word in words)
    )
