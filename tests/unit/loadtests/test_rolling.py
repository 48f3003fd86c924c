"""A rolling upgrade begins with code of an earlier commit, and says where there is none to begin with."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.chaos.rolling import ROOT, UPGRADE_FROM, EarlierCode, NotComparable, rewritten


def _is_checkout() -> bool:
    asked = ["git", "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
    return subprocess.run(asked, cwd=ROOT, check=False, capture_output=True).returncode == 0  # noqa: S603 - git


@pytest.mark.skipif(not _is_checkout(), reason="this is no checkout of git")
def test_processes_run_the_code_of_that_commit(tmp_path: Path) -> None:
    """Whatever this environment has installed, and wherever they are started."""
    earlier = EarlierCode(tmp_path / "before", "HEAD")
    code = "import services.core, notification; print(services.core.__file__, notification.__file__)"
    said = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **earlier.environ}, check=True,
        capture_output=True, text=True,
    ).stdout.split()  # fmt: skip

    before = tmp_path / "before"
    assert [f"{before}/services/core/__init__.py", f"{before}/proto/notification/__init__.py"] == said


def test_a_commit_that_is_not_here_is_told(tmp_path: Path) -> None:
    """A shallow clone has no history; nothing is checked then, and nobody takes it for checked."""
    with pytest.raises(NotComparable, match="is not in this repository"):
        EarlierCode(tmp_path / "before", "0" * 40)


def test_migrations_that_were_rewritten_are_found(tmp_path: Path) -> None:
    """From the named commit on they are only added: one that was rewritten, or is gone, belongs to another database."""
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, names in ((before, "abc"), (now, "abd")):
        (folder / "services" / "intake" / "migrations").mkdir(parents=True)
        for name in names:
            (folder / "services" / "intake" / "migrations" / f"{name}.sql").write_text(name)
    (now / "services" / "intake" / "migrations" / "b.sql").write_text("other")

    assert ["services/intake/migrations/b.sql", "services/intake/migrations/c.sql"] == rewritten(before, now)
    assert [] == rewritten(before, before)


def test_one_commit_is_named() -> None:
    """It is what `make upgrade-check` begins with."""
    assert re.fullmatch(r"[0-9a-f]{40}\n", UPGRADE_FROM.read_text(encoding="utf-8"))
