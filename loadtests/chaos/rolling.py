"""A rolling upgrade: code of an earlier commit runs, and is replaced by this one's, one process after the other."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from loadtests.chaos.fleet import Fleet
from services.demo.stack import without_settings
from services.kit.postgres import Side, migrate

__all__ = ["SECONDS_EACH", "UPGRADE_FROM", "EarlierCode", "NotComparable", "rewritten"]

ROOT = Path(__file__).parents[2]
UPGRADE_FROM = ROOT / "deploy" / "upgrade-from"
SECONDS_EACH = 6.0  # that one process takes to end, and its successor to start, on two cores
_SCHEMAS = ("services/*/migrations/*.sql", "services/kit/stage/schema.sql")


class NotComparable(Exception):  # noqa: N818 - says what it is
    """The commit cannot be upgraded from here, and why."""


class EarlierCode:
    """A checkout of an earlier commit, beside this one, run by the same Python with the same libraries."""

    def __init__(self, folder: Path, commit: str) -> None:
        """Check the commit out to the folder. Raises NotComparable."""
        self._folder = folder
        known = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        if known is None:
            raise NotComparable(f"commit {commit} is not in this repository: fetch its history")
        folder.mkdir(parents=True)
        _git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder))
        if _git("-C", str(folder), "checkout", "--quiet", "--detach", known) is None:
            raise NotComparable(f"commit {commit} cannot be checked out")
        if wrong := rewritten(folder, ROOT):
            raise NotComparable(f"{wrong[0]} was rewritten since {commit}: a database of then is none of now")

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes a process run this code."""
        return {"PYTHONPATH": os.pathsep.join([str(self._folder), str(self._folder / "proto")]), "PYTHONSAFEPATH": "1"}

    def prepare(self, environ: Mapping[str, str], *commands: str) -> None:
        """Run commands of `heraut` as they were then, with these settings beside the machine's own."""
        for command in commands:
            argv = [sys.executable, "-m", "services.cli", command]
            subprocess.run(argv, env={**environ, **self.environ}, check=True)  # noqa: S603 - our own commands

    async def replace(self, fleet: Fleet, say: Callable[[str], None]) -> int:
        """Replace every process by this commit's; return how many. The database is migrated before and after."""
        await migrate(fleet.database_url, room_urls=fleet.logins, side=Side.PRE)
        for name, replica in sorted(fleet.processes.items()):
            say(f"replaces {name}")
            for setting in self.environ:
                replica.environ.pop(setting)
            await fleet.restart(name)
        await migrate(fleet.database_url, room_urls=fleet.logins, side=Side.POST)
        return len(fleet.processes)


def rewritten(before: Path, now: Path) -> list[str]:
    """Return the migrations of before that are gone, or others than they were."""
    there = [path for pattern in _SCHEMAS for path in sorted(before.glob(pattern))]
    named = [path.relative_to(before) for path in there]
    return [
        str(name)
        for name, path in zip(named, there, strict=True)
        if not (now / name).exists() or (now / name).read_bytes() != path.read_bytes()
    ]


def _git(*arguments: str) -> str | None:
    """Return what git says, None where it fails."""
    command = ["git", *arguments]
    done = subprocess.run(  # noqa: S603 - git, with names of ours
        command, cwd=ROOT, env=without_settings(os.environ), capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
