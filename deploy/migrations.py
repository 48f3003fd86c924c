#!/usr/bin/env python3
"""Checks migrations with squawk: what one would lock, or take from code that still runs.

    python deploy/migrations.py             all but the first of each folder, which make what nobody uses yet
    python deploy/migrations.py FILE...     these

Services of two releases run side by side during an upgrade, so a `pre` migration takes nothing away; a `post` one may,
as nothing that needs it runs any more. A finding that is meant so has `-- squawk-ignore RULE` and a reason above it.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SQUAWK = Path(sys.executable).parent / "squawk"
NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql")
# What `heraut migrate` sees to for all of them (time-outs, one transaction each), and what is taste.
SEEN_TO = (
    "require-lock-timeout",
    "require-statement-timeout",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-text-field",
)
TAKES_AWAY = ("ban-drop-column", "ban-drop-table")
EXCLUDED = {"pre": SEEN_TO, "post": (*SEEN_TO, *TAKES_AWAY)}


def main(arguments: Sequence[str]) -> int:
    """Check each file; the exit status is 1 where one has a finding."""
    files = [Path(one) for one in arguments] or later_migrations()
    if not files:
        print("there are no migrations yet but the first ones")
        return 0
    return max(status_of(path) for path in files)


def later_migrations() -> list[Path]:
    """Return all migrations but the first of each folder."""
    return sorted(path for path in (ROOT / "services").glob("*/migrations/*.sql") if path.name[:4] > "0001")


def status_of(path: Path) -> int:
    """Have squawk look at one file; returns 1 where it found something."""
    side = NAME.fullmatch(path.name)
    if side is None:
        print(f"{path}: a migration is named NNNN_pre_name.sql or NNNN_post_name.sql")
        return 1
    excluded = ",".join(EXCLUDED[side[1]])
    command = [str(SQUAWK), "--assume-in-transaction", "--pg-version", "15.0", "--exclude", excluded, str(path)]
    return int(subprocess.run(command, check=False).returncode != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
