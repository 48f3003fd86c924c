"""How a process lives: jobs side by side, one stop for all, drained in order."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping

from services.kit.process.health import Health

__all__ = ["Job", "run_jobs", "stop_on_signals"]

logger = logging.getLogger(__name__)

Job = Callable[[asyncio.Event], Awaitable[None]]


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stop, number)


def _ask_to_stop(stop: asyncio.Event, number: signal.Signals) -> None:
    logger.info("asked to stop", extra={"signal": signal.Signals(number).name})
    stop.set()


async def run_jobs(jobs: Mapping[str, Job], *, stop: asyncio.Event, health: Health, drain_timeout: float) -> None:
    """Run the jobs until `stop` is set or one of them ends.

    Each job gets the event and returns by itself soon after it is set, its work whole. One that is still
    busy `drain_timeout` seconds later is cancelled. What a job raises is raised again, after the others ended.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run_job(job, stop), name=name) for name, job in jobs.items()]
        await stop.wait()
        health.drain()
        _, late = await asyncio.wait(tasks, timeout=drain_timeout)
        for task in late:
            logger.warning("did not drain in time", extra={"part": task.get_name()})
            task.cancel()


async def _run_job(job: Job, stop: asyncio.Event) -> None:
    try:
        await job(stop)
    finally:
        stop.set()
