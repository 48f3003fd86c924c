"""Child processes that are sure to end: the process that started them ends them, or the kernel does when it dies."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["start_child", "stop_child"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


async def start_child(
    argv: Sequence[str], *, environ: Mapping[str, str], log: Path, outlives_us: bool = False
) -> asyncio.subprocess.Process:
    """Start a program in a session of its own (a Ctrl-C is ours to pass on), its output appended to `log`.

    Unless it `outlives_us`, it gets SIGTERM when this process ends, even by kill -9 (on Linux; elsewhere it
    stays). Call this from the main thread, because the kernel sends the signal when the starting *thread* ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=None if outlives_us else _dies_with(os.getpid()),
        )


async def stop_child(process: asyncio.subprocess.Process, patience: float) -> None:
    """Ask a child to end with SIGTERM, and end it by SIGKILL where it has not `patience` seconds later."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _dies_with(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # found before the fork: after it, little is safe

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return tie
