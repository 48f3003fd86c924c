#!/usr/bin/env python3
"""Drills a restore: a database is set back to a backup by PostgreSQL's own programs, beside a mail server that went on.

    python deploy/restoring.py

What is done by hand in `deploy/restore.md` is done here by a test: whoever was mailed since the backup is listed as
unknown, and gets no second mail.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRILL = ROOT / "tests" / "integration" / "dispatch" / "test_restored.py"

if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", str(DRILL)], cwd=ROOT))
