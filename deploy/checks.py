#!/usr/bin/env python3
"""Every check of the project in the order of their cost: style, types, walls, contracts, tests.

    python deploy/checks.py                  all of them, as continuous integration does
    python deploy/checks.py static           those that run no test, as `make check` and pre-commit do
    python deploy/checks.py unit             the quick tests, which need no server
    python deploy/checks.py style types      these two

The tests run in three rows side by side, as those that need servers mostly wait: the whole takes half the time. Each
row has servers of its own.

Run by the Python of `.venv`, which has the tools; `deploy/bootstrap.py` sets it up and calls this.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest"]

STATIC: dict[str, list[str]] = {
    "style": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "types": [str(BIN / "mypy")],
    "walls": [str(BIN / "lint-imports")],
    "contracts": [sys.executable, "proto/generate.py", "--check"],
    "documents": [sys.executable, "proto/documents.py", "--check"],
    "dashboards": [sys.executable, "deploy/grafana/dashboards.py", "--check"],
    "migrations": [sys.executable, "deploy/migrations.py"],
}
LETTERS: dict[str, list[str]] = {
    "faces": [sys.executable, "deploy/letters/faces.py", "--if-possible"],  # that tests of letters set names with
    "letters": [sys.executable, "deploy/letters/check.py", "--short"],
}
_ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")
TESTS: dict[str, list[str]] = {
    "unit": [*PYTEST, "tests/unit", "tests/contract", "tests/repository"],
    "e2e": [*PYTEST, "tests/e2e"],
    "stage": [*PYTEST, "tests/integration/stage"],
    "rooms": [*PYTEST, *(f"tests/integration/{room}" for room in _ROOMS)],
    "integration": [
        *PYTEST,
        "tests/integration",
        *(f"--ignore=tests/integration/{part}" for part in ("stage", *_ROOMS)),
    ],
}
BESIDE = (("integration",), ("rooms", "stage"))  # each row takes about as long as what is left
CHECKS = STATIC | LETTERS | TESTS
GROUPS: dict[str, list[str]] = {"static": [*STATIC], "all": [*STATIC, *LETTERS, *TESTS]}


def main() -> int:
    """Run the checks that are named; the exit status is 1 where one has failed, after all of them ran."""
    try:
        names = named(sys.argv[1:] or ["all"])
    except KeyError as unknown:
        print(f"there is no check {unknown}: {', '.join([*CHECKS, *GROUPS])}")
        return 2
    beside = BESIDE if {*TESTS} <= {*names} else ()
    apart = {name for row in beside for name in row}
    with ThreadPoolExecutor() as rows:
        ending = [rows.submit(_run, row, loud=False) for row in beside]
        failed = _run([name for name in names if name not in apart])
        failed += [name for row in ending for name in row.result()]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def named(words: Sequence[str]) -> list[str]:
    """Return the checks that these words name, groups taken apart. Raises KeyError for any other word."""
    names = [name for word in words for name in GROUPS.get(word, [word])]
    for name in names:
        CHECKS[name]
    return names


def _run(names: Sequence[str], *, loud: bool = True) -> list[str]:
    """Run checks one after the other; return those that failed. What a silent one says comes at its end."""
    return [name for name in names if not (_passes if loud else _passes_silently)(name, CHECKS[name])]


def _passes(name: str, command: list[str]) -> bool:
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    return _say(name, subprocess.call(command, cwd=ROOT), started)


def _passes_silently(name: str, command: list[str]) -> bool:
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        status = subprocess.call(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        output.seek(0)
        sys.stdout.buffer.write(f"--- {name}\n".encode() + output.read())
    return _say(name, status, started)


def _say(name: str, status: int, started: float) -> bool:
    print(f"--- {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
