"""Everybody is told once while processes are killed: the short form of `python -m loadtests.chaos`."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EACH_LOG, TESTED_LOGS

# Each of the fourteen processes is killed once; 6,000 people are about 9,600 records in three waves.
_ARGUMENTS = ("--people", "6000", "--kills", "14", "--every", "1.5")
# Seconds. A run takes half a minute without faults; a machine that others use as well takes longer.
_TIMEOUT = 420


@pytest.mark.timeout(_TIMEOUT + 30)
@pytest.mark.parametrize("log", EACH_LOG)
def test_nobody_is_lost_or_told_twice_under_kill_9(log: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever is killed, paused or restarted, each person gets their own news once and the ledger says so."""
    if fixture := TESTED_LOGS[log]:
        request.getfixturevalue(fixture)  # skips with the reason where the log cannot be had
    seed = secrets.randbelow(10**6)
    command = [sys.executable, "-m", "loadtests.chaos", *_ARGUMENTS, "--seed", str(seed), "--log", log]

    done = subprocess.run(  # noqa: S603 - our own command line
        [*command, "--dir", str(tmp_path / "run")], capture_output=True, text=True, check=False, timeout=_TIMEOUT
    )

    assert done.returncode == 0, f"seed {seed}: {done.stdout[-3000:]}{done.stderr[-2000:]}"
