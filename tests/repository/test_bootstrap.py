"""Which Python a bare checkout is set up with."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.bootstrap import PYTHONS, as_pip_is_set_up, with_kept_bytecode

BOOTSTRAP = Path(__file__).parents[2] / "deploy" / "bootstrap.py"
_WORKS = '#!/bin/sh\ncase "$1" in -c) echo "$0";; *) echo "went on by $(basename "$0")";; esac\n'
_CANNOT = '#!/bin/sh\ncase "$1" in -c) echo "$0";; -m) exit 1;; *) echo "went on by $(basename "$0")";; esac\n'
_BROKEN = "#!/bin/sh\nexit 127\n"  # a shim of a version manager, for a version that is not chosen


def _checkout(folder: Path, pythons: dict[str, str], venv: str | None = None) -> Path:
    """Make a folder with the script, some programs beside it, and maybe an environment of a version."""
    (folder / "deploy").mkdir()
    shutil.copy(BOOTSTRAP, folder / "deploy")
    for name, text in pythons.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    if venv:
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
        (folder / ".venv" / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {venv}.7\n", encoding="utf-8")
    return folder


def _said(folder: Path, asked: str = "") -> str:
    """Set the checkout up, and return all that is said."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, folder / "deploy" / "bootstrap.py", "setup"],
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "BOOTSTRAP_PYTHON": asked},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3.14": _WORKS, "python3.13": _WORKS}, "python3.14"),
        ({"python3.14": _BROKEN, "python3.13": _WORKS}, "python3.13"),
        ({"python3.14": _CANNOT, "python3.13": _WORKS}, "python3.13"),
    ],
)
def test_the_newest_python_that_works_is_taken(tmp_path: Path, pythons: dict[str, str], chosen: str) -> None:
    """A newer Python is a fifth faster; one that is only there by name is passed over."""
    assert f"went on by {chosen}" == _said(_checkout(tmp_path, pythons))


def test_whoever_asks_for_a_python_gets_it(tmp_path: Path) -> None:
    """Also where a newer one is there."""
    pythons = {"python3.14": _WORKS, "python3.12": _WORKS}

    assert "went on by python3.12" == _said(_checkout(tmp_path, pythons), "python3.12")


def test_a_python_that_was_asked_for_and_does_not_work_is_told(tmp_path: Path) -> None:
    """Nothing is set up by another one in silence."""
    said = _said(_checkout(tmp_path, {"python3.14": _WORKS, "python3.12": _BROKEN}), "python3.12")

    assert "BOOTSTRAP_PYTHON: python3.12 is missing, older than 3.11, or without venv or pip" == said


@pytest.mark.parametrize(("asked", "looks"), [("", False), ("python3.14", True)])
def test_an_environment_keeps_its_python_until_another_is_asked_for(tmp_path: Path, asked: str, *, looks: bool) -> None:
    """Installing a newer Python does not change under somebody what they work with."""
    said = _said(_checkout(tmp_path, {"python3.14": _WORKS}, venv="3.11"), asked)

    assert looks == ("went on by python3.14" in said)


def test_the_same_pythons_are_named_everywhere() -> None:
    """What is looked for is what the package says that it runs on; the image has the newest."""
    project = tomllib.loads((BOOTSTRAP.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [word.rpartition(":: ")[2] for word in project["classifiers"] if ":: Python ::" in word]
    image = re.search(r"^ARG BASE=python:([0-9.]+)-", (BOOTSTRAP.parent / "Dockerfile").read_text(), re.MULTILINE)
    locked = re.findall(r"--python-version ([0-9.]+)", (BOOTSTRAP.parent / "lock.sh").read_text(encoding="utf-8"))

    assert PYTHONS == tuple(f"python{version}" for version in reversed(declared))
    assert image
    assert (declared[-1], {declared[0]}) == (image[1], set(locked))
    assert f">={declared[0]}" == project["requires-python"]


def test_uv_finds_what_pip_finds() -> None:
    """Index and certificates of a network of its own are said once, to pip; a later line holds over one before."""
    listed = """global.cert='/etc/ssl/own.pem'
global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'
global.index-url='https://global.example/simple'
global.timeout='60'
:env:.index-url='https://mirror.example/simple'
"""

    assert {
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    } == as_pip_is_set_up(listed)
    assert {} == as_pip_is_set_up("")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"PYTHONDONTWRITEBYTECODE": ""}, {}),
        ({"PYTHONDONTWRITEBYTECODE": "1"}, {"PYTHONPYCACHEPREFIX": str(BOOTSTRAP.parents[1] / "var" / "bytecode")}),
        ({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "mine"}, {"PYTHONPYCACHEPREFIX": "mine"}),
    ],
)
def test_hundreds_of_processes_compile_once(given: dict[str, str], kept: dict[str, str]) -> None:
    """Also where nothing may be written beside the sources, as containers of Python are often set up."""
    assert kept == with_kept_bytecode(given)
