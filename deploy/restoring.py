#!/usr/bin/env python3
"""Drills a restore: a database is set back to a backup by PostgreSQL's own programs, and all else went on.

    python deploy/restoring.py

What is done by hand in `deploy/restore.md` is done here by tests: whoever was told since the backup is listed as
unknown, found in a print file, or asked for at the provider, and is told nothing again.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "integration"
DRILLS = [
    TESTS / "dispatch" / "test_restored.py",
    TESTS / "dispatch" / "test_restored_letters.py",
    TESTS / "stage" / "test_set_back.py",
]

if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", *map(str, DRILLS)], cwd=ROOT))
