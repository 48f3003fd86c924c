"""Which Heraut this is: the version of the distribution, and the commit that it was made from."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

__all__ = ["COMMIT_FILE", "commit_in", "this_commit", "this_version"]

_ROOT: Final = Path(__file__).resolve().parents[2]
# An image has no repository: whoever builds it writes the commit there (`deploy/Dockerfile`).
COMMIT_FILE: Final = Path("services") / "commit.txt"
_SHOWN = 12  # digits: no other commit of a repository of this size begins so


@cache
def this_version() -> str:
    """Return the version of the distribution; `unknown` where it is run from a tree that is not installed."""
    try:
        return version("heraut")
    except PackageNotFoundError:
        return "unknown"


@cache
def this_commit() -> str:
    """Return the commit of the code that runs, as far as it is known; else `unknown`."""
    return commit_in(_ROOT)


def commit_in(root: Path) -> str:
    """Return the commit of the tree at `root`: of a checkout what is checked out, of an image what it was made from.

    A checkout may have changes on top of it; that is not looked for.
    """
    try:
        named = root / COMMIT_FILE
        found = named.read_text(encoding="ascii").strip() if named.exists() else _checked_out(root)
    except (OSError, ValueError):
        found = ""
    return found[:_SHOWN] or "unknown"


def _checked_out(root: Path) -> str:
    """Return the commit that HEAD names (gitrepository-layout(5)). Raises OSError where there is no repository."""
    git = root / ".git"
    if git.is_file():  # a further working tree: it names its own folder
        git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text(encoding="ascii").strip()
    if not head.startswith("ref: "):
        return head
    name, shared = head.removeprefix("ref: "), git / "commondir"
    common = git / shared.read_text(encoding="utf-8").strip() if shared.exists() else git
    loose = common / name
    if loose.exists():
        return loose.read_text(encoding="ascii").strip()
    packed = (common / "packed-refs").read_text(encoding="ascii").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
