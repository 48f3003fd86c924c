"""Intake as its users and operators know it: a process with an address, and a log on its standard error."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from services.kit.vault.key_files import create_keys
from tests.logins import login_settings
from tests.principals import bearer

PARTITIONS = 8
_READY_SECONDS = 60.0  # a busy machine is slow, not wrong


@dataclass(frozen=True, slots=True)
class Intake:
    """The process and where it keeps things."""

    url: str
    database_url: str
    log: Path
    pid: int
    headers: dict[str, str]  # by which an operator is known

    def session(self) -> ClientSession:
        """Return a client that may ask."""
        return ClientSession(self.url, headers=self.headers)

    def logged(self) -> str:
        """Return what it logged so far."""
        return self.log.read_text(encoding="utf-8")


@contextmanager
def intake_process(database_url: str, folder: Path, **settings: str) -> Iterator[Intake]:
    """Run `python -m services.intake` until the end of the context, where it must stop by itself and in good order."""
    create_keys(folder / "keys")
    headers = bearer(folder / "principals.json")
    ready, log = folder / "ready", folder / "intake.log"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HERAUT_")} | {
        **login_settings(database_url),
        "HERAUT_KEYS_DIR": str(folder / "keys"),
        "HERAUT_PRINCIPALS_FILE": str(folder / "principals.json"),
        "HERAUT_HTTP_HOST": "127.0.0.1",
        "HERAUT_HTTP_PORT": "0",
        "HERAUT_PARTITIONS": str(PARTITIONS),
        "HERAUT_LOG_LEVEL": "debug",
        **settings,
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "services.intake", "--ready-file", str(ready)], env=environ, stderr=stderr
        )
    try:
        _wait_until_ready(process, ready, log)
        yield Intake(ready.read_text(encoding="utf-8"), database_url, log, process.pid, headers)
        assert process.poll() is None, log.read_text(encoding="utf-8")
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text(encoding="utf-8")


def _wait_until_ready(process: "subprocess.Popen[bytes]", ready: Path, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not ready.exists():
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.02)  # another process sets no event of ours


async def a_cohort(session: ClientSession, cohort_id: str) -> str:
    """Open a cohort of the incident; returns its path."""
    path = f"/v1/incidents/lab/cohorts/{cohort_id}"
    async with session.put(path, json={"source": "lab"}) as response:
        assert response.status in {200, 201}
    return path


async def counts(session: ClientSession, cohort: str) -> tuple[int, int, int]:
    """Return received, rejected, accepted of a cohort; nothing was received by one that is not there."""
    async with session.get(cohort) as response:
        shown: dict[str, Any] = await response.json()
    return shown.get("received", 0), shown.get("rejected", 0), shown.get("accepted", 0)
