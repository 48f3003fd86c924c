#!/usr/bin/env python3
"""Every check of the project in the order of their cost: style, types, walls, contracts, tests.

Run by `deploy/bootstrap.py test`; further arguments go to pytest, and then only the tests run.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest"]

CHECKS: dict[str, list[str]] = {
    "style": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "types": [str(BIN / "mypy")],
    "walls": [str(BIN / "lint-imports")],
    "contracts": [sys.executable, "proto/generate.py", "--check"],
    "tests": PYTEST,
}


def main() -> int:
    """Run the checks; the exit status is 1 as soon as one has failed, after all of them ran."""
    if len(sys.argv) > 1:
        return subprocess.call([*PYTEST, *sys.argv[1:]], cwd=ROOT)
    failed = [name for name, command in CHECKS.items() if not _passes(name, command)]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _passes(name: str, command: list[str]) -> bool:
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    status = subprocess.call(command, cwd=ROOT)
    print(f"--- {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
