"""One list of checks: what a developer, a commit and continuous integration run is the same."""

import re
from pathlib import Path

import pytest

from deploy.checks import CHECKS, STATIC, TESTS, named

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", ["Makefile", ".pre-commit-config.yaml"])
def test_checks_are_run_by_their_name(file: str) -> None:
    """No other file repeats how a check is run, and each names checks that there are."""
    text = (ROOT / file).read_text(encoding="utf-8")
    calls = re.findall(r"deploy/checks\.py (.+)", text)

    assert [named(call.split()) for call in calls] == [[*STATIC]]
    assert re.findall(r"\b(ruff|mypy|lint-imports|pytest)\b", text) == []


def test_all_is_every_check_once() -> None:
    """Continuous integration leaves none out, and no folder of tests."""
    arguments = [argument for command in TESTS.values() for argument in command]
    folders = {argument for argument in arguments if argument.startswith("tests/")}
    # What one check leaves out is another one's.
    parts = {argument.removeprefix("--ignore=") for argument in arguments if argument.startswith("--ignore=")}

    assert sorted(CHECKS) == sorted(named(["all"]))
    assert parts < folders
    assert all((ROOT / part).is_dir() for part in parts)
    every = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert every == folders - parts


def test_an_unknown_check_is_told() -> None:
    """A check that was misspelt is not taken for one that passed."""
    with pytest.raises(KeyError):
        named(["style", "tipes"])


def test_nothing_is_installed_unlocked() -> None:
    """Whatever a bare checkout or an image is set up with has its hash in a lock file, the tools that set it up too."""
    bootstrap = (ROOT / "deploy" / "bootstrap.py").read_text(encoding="utf-8")
    installs = re.findall(r'"install", .*|\*uv, .*', bootstrap)
    images = re.findall(r"pip install .*", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))
    ours = {line for line in (*installs, *images) if "--no-deps" in line}  # from this checkout, by what is installed
    begun = '"install", "--quiet", "--python", PYTHON]'  # the beginning of the two lines that begin with *uv
    locks = [ROOT / "deploy" / f"{tool}-requirements.lock" for tool in ("uv", "virtualenv")]

    assert [begun] == [line for line in (*installs, *images) if "--require-hashes" not in line and line not in ours]
    assert [] == [lock.name for lock in locks if "--hash=sha256:" not in lock.read_text(encoding="utf-8")]
