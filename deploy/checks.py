#!/usr/bin/env python3
"""Every check of the project in the order of their cost: style, types, walls, contracts, tests.

    python deploy/checks.py                  all of them, as continuous integration does
    python deploy/checks.py static           those that run no test, as `make check` and pre-commit do
    python deploy/checks.py unit             the quick tests, which need no server
    python deploy/checks.py style types      these two

The quick tests run beside those that need servers, which mostly wait: together they take a tenth less time.

Run by the Python of `.venv`, which has the tools; `deploy/bootstrap.py` sets it up and calls this.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest"]

STATIC: dict[str, list[str]] = {
    "style": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "types": [str(BIN / "mypy")],
    "walls": [str(BIN / "lint-imports")],
    "contracts": [sys.executable, "proto/generate.py", "--check"],
}
TESTS: dict[str, list[str]] = {
    "unit": [*PYTEST, "tests/unit", "tests/contract", "tests/repository"],
    "servers": [*PYTEST, "tests/e2e", "tests/integration"],  # the demo first: it wants a broker without topics
}
CHECKS = STATIC | TESTS
GROUPS: dict[str, list[str]] = {"static": [*STATIC], "all": [*STATIC, *TESTS]}


def main() -> int:
    """Run the checks that are named; the exit status is 1 where one has failed, after all of them ran."""
    try:
        names = named(sys.argv[1:] or ["all"])
    except KeyError as unknown:
        print(f"there is no check {unknown}: {', '.join([*CHECKS, *GROUPS])}")
        return 2
    beside = _begin("unit") if {*TESTS} <= {*names} else None
    failed = [name for name in names if not (name == "unit" and beside) and not _passes(name, CHECKS[name])]
    if beside and not _ended(beside):
        failed.append("unit")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def named(words: Sequence[str]) -> list[str]:
    """Return the checks that these words name, groups taken apart. Raises KeyError for any other word."""
    names = [name for word in words for name in GROUPS.get(word, [word])]
    for name in names:
        CHECKS[name]
    return names


class Beside(NamedTuple):
    """A check that runs beside the others; what it says is printed at its end."""

    name: str
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    started: float


def _begin(name: str) -> Beside:
    output = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the check has ended
    process = subprocess.Popen(CHECKS[name], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    return Beside(name, process, output, time.monotonic())


def _ended(beside: Beside) -> bool:
    """Wait for a check that runs beside the others, and print what it said."""
    status = beside.process.wait()
    beside.output.seek(0)
    print(f"--- {beside.name}", flush=True)
    sys.stdout.buffer.write(beside.output.read())
    return _say(beside.name, status, beside.started)


def _passes(name: str, command: list[str]) -> bool:
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    return _say(name, subprocess.call(command, cwd=ROOT), started)


def _say(name: str, status: int, started: float) -> bool:
    print(f"--- {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
