"""`heraut` as a process, for the tests that run it as its users do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from services.demo.stack import without_settings
from services.kit.postgres.embedded import EmbeddedPostgres

HERAUT = [sys.executable, "-m", "services.cli"]
# A busy machine with two cores starts seven services and a database in twenty seconds.
READY_SECONDS = 120.0


def environ(**changes: str) -> dict[str, str]:
    """Return the environment of a process: this one's without settings of Heraut, any free ports, and `changes`.

    Refusals wait shortly, as the stand-ins are never ill.
    """
    return without_settings(os.environ) | {"HERAUT_HTTP_PORT": "0", "HERAUT_REFUSED_AFTER": "1s"} | changes


def heraut(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed and its exit status."""
    return subprocess.run(  # noqa: S603 - our own command
        [*HERAUT, *arguments], capture_output=True, text=True, timeout=900, check=False, env=environ(**changes)
    )


def heraut_json(*arguments: str, **changes: str) -> Any:
    """Run a command with --json, which must succeed, and return the value that it printed."""
    done = heraut(*arguments, "--json", **changes)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def running_up(data: Path, settings: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `heraut up` until the end of the context, which begins once services.json is written."""
    (data / "services.json").unlink(missing_ok=True)
    with (data / "up.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*HERAUT, "up", "--data", str(data)], env=environ(**settings), stdout=log, stderr=log
        )
    try:
        _wait_until_ready(process, data)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", data: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not (data / "services.json").exists():
        assert process.poll() is None, (data / "up.log").read_text()
        assert time.monotonic() < deadline, (data / "up.log").read_text()
        time.sleep(0.1)  # another process sets no event of ours


def kill_everything(process: "subprocess.Popen[bytes]", data: Path) -> None:
    """Kill with SIGKILL the supervisor, every service that it started, and the database with its backends."""
    children = _children(process.pid)
    postgres = EmbeddedPostgres(data).server_pid
    victims = [process.pid, *children, *([postgres, *_children(postgres)] if postgres else [])]
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.wait(30)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in listed.split()]
