#!/usr/bin/env python3
"""From a bare checkout to a running Heraut: sets up `.venv` from the lock files, then runs what was asked.

    python3 deploy/bootstrap.py setup            .venv with `heraut` in it
    python3 deploy/bootstrap.py demo [...]       setup, then `heraut demo [...]`
    python3 deploy/bootstrap.py test [...]       setup with the tools of development, then all checks and tests;
                                                 with arguments pytest alone, which gets them
    python3 deploy/bootstrap.py unit             the same setup, then the quick tests, which need no server

Needs Python 3.11 or newer with venv or pip, and the package index that pip is set up for; standard library only. Of
several Pythons the newest is taken, whichever runs this; BOOTSTRAP_PYTHON=python3.12 asks for another. A `.venv` that
is there keeps its own.
"""

import ast
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
UV_LOCK = ROOT / "deploy" / "uv-requirements.lock"
VIRTUALENV_LOCK = ROOT / "deploy" / "virtualenv-requirements.lock"
OLDEST = (3, 11)
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")  # a newer one needs up to a fifth less CPU
ASKED = "BOOTSTRAP_PYTHON"
# What pip calls them (lines of its files, and PIP_* in the environment), and uv.
_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}  # fmt: skip
_SAY_WHERE = f"import sys; sys.exit(1) if sys.version_info < {OLDEST} else print(sys.executable)"


def main() -> int:
    """Do what the first argument says."""
    command, *rest = sys.argv[1:] or ["help"]
    if command not in {"setup", "demo", "test", "unit"}:
        print(__doc__)
        return 0 if command in {"help", "-h", "--help"} else 2
    _use_the_right_python()
    started = time.monotonic()
    set_up("dev" if command in {"test", "unit"} else "run")
    if command == "setup":
        print(f"ready in {time.monotonic() - started:.0f} s: {VENV / 'bin' / 'heraut'}")
        return 0
    environ = with_kept_bytecode(os.environ)
    if command == "demo":  # it takes our place
        os.execve(PYTHON, [str(PYTHON), "-m", "services.cli", "demo", *rest], environ)  # noqa: S606
    checks = [ROOT / "deploy" / "checks.py", "unit" if command == "unit" else "all"]
    return subprocess.call([PYTHON, *(["-m", "pytest", *rest] if rest else checks)], cwd=ROOT, env=environ)


def with_kept_bytecode(environ: "Mapping[str, str]") -> "dict[str, str]":
    """Return an environment in which Python keeps what it compiled.

    We start hundreds of processes of the same code, and to compile it takes each of them three times what it takes to
    start. Where nothing may be written beside the sources, it goes to a folder of its own.
    """
    kept = dict(environ)
    if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
        kept.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "var" / "bytecode"))
    return kept


def set_up(kind: str) -> None:
    """Make `.venv` hold exactly what the lock file of this kind says, and Heraut itself, editable."""
    stamp = VENV / f"heraut-{kind}.stamp"
    wanted = _fingerprint(kind)
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted and _is_asked_for():
        return
    _ensure_venv()
    _ensure_uv()
    uv = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    environ = _environ_of_uv()
    # The lock file is whole, and leaves out what pyproject.toml overrides, which uv would only know in this folder.
    _run([*uv, "--require-hashes", "--no-deps", "-r", LOCKS[kind]], f"installing {LOCKS[kind].name}", environ)
    # hatchling comes from the lock as well, so nothing unlocked is fetched to build with.
    _run([*uv, "--no-deps", "--no-build-isolation", "-e", ROOT], "installing heraut", environ)
    stamp.write_text(wanted)


def _fingerprint(kind: str) -> str:
    parts = [LOCKS[kind].read_bytes(), (ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _use_the_right_python() -> None:
    """Go on by the Python that was asked for, or else by the newest, unless `.venv` has its own already."""
    if asked := os.environ.get(ASKED):
        _go_on_by(_able([asked]) or sys.exit(f"{ASKED}: {asked} is missing, older than 3.11, or without venv or pip"))
    elif not PYTHON.exists() or sys.version_info < OLDEST:
        if found := _able(PYTHONS):
            _go_on_by(found)
        elif sys.version_info < OLDEST:
            sys.exit(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {sys.version.split()[0]}")


def _able(names: "Sequence[str]") -> "str | None":
    """Return the path of the first of these Pythons that can make an environment.

    A shim may be there and start nothing, and Debian's packages leave venv or pip to others: so each is tried.
    """
    for name in names:
        if path := shutil.which(name):
            done = subprocess.run([path, "-c", _SAY_WHERE], capture_output=True, text=True, check=False)
            found = done.stdout.strip()
            if done.returncode == 0 and (_works([found, "-m", "pip", "--version"]) or _makes_one_with_pip(found)):
                return found
    return None


def _makes_one_with_pip(python: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return _works([python, "-m", "venv", folder]) and _works([f"{folder}/bin/python", "-m", "pip", "--version"])


def _go_on_by(path: str) -> None:
    if os.path.realpath(path) != os.path.realpath(sys.executable):
        os.execv(path, [path, *sys.argv])  # noqa: S606 - the same script by another Python


def _is_asked_for() -> bool:
    """Return whether `.venv` is of the Python that runs this, where one was asked for."""
    if not os.environ.get(ASKED):
        return True
    lines = (VENV / "pyvenv.cfg").read_text(encoding="utf-8") if PYTHON.exists() else ""
    found = re.search(r"^version(?:_info)? = (\d+)\.(\d+)", lines, flags=re.MULTILINE)
    return found is not None and sys.version_info[:2] == (int(found[1]), int(found[2]))


def _ensure_venv() -> None:
    new_enough = [PYTHON, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})"]
    if PYTHON.exists() and _is_asked_for() and _works(new_enough):
        return
    print(f"making {VENV.name}", flush=True)
    # Debian's python3 has venv but may lack ensurepip; uv needs no pip inside.
    if _works([sys.executable, "-m", "venv", "--clear", VENV]) and PYTHON.exists():
        return
    if _works([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV]) and PYTHON.exists():
        return
    tools = ROOT / "var" / "bootstrap"
    install = ["install", "--quiet", "--require-hashes", "--target", tools, "-r", VIRTUALENV_LOCK]
    _run([sys.executable, "-m", "pip", *install], "fetching virtualenv")
    environ = os.environ | {"PYTHONPATH": str(tools)}
    _run([sys.executable, "-m", "virtualenv", "--quiet", VENV], "making .venv by virtualenv", environ)


def _ensure_uv() -> None:
    """Put uv into `.venv`: by its own pip, else by the pip of the Python that runs this script."""
    if _works([PYTHON, "-m", "uv", "--version"]):
        return
    install = ["install", "--quiet", "--require-hashes", "-r", UV_LOCK]
    if _works([PYTHON, "-m", "pip", "--version"]):
        _run([PYTHON, "-m", "pip", *install], "installing uv")
    elif _works([sys.executable, "-m", "pip", "--version"]):
        _run([sys.executable, "-m", "pip", "--python", PYTHON, *install], "installing uv")
    else:
        sys.exit("neither this Python nor a new virtual environment has pip: install python3-venv or python3-pip")


def _works(command: "Sequence[object]") -> bool:
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    return done.returncode == 0


def _environ_of_uv() -> "dict[str, str]":
    """Return the environment in which uv finds what pip finds: the package index, and who signed its certificate."""
    pythons = [python for python in (PYTHON, sys.executable) if _works([python, "-m", "pip", "--version"])]
    listed = [subprocess.run([str(one), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
              for one in pythons[:1]]  # fmt: skip
    found = as_pip_is_set_up("".join(one.stdout for one in listed))
    system = ssl.get_default_verify_paths()
    if system.cafile or (system.capath and any(Path(system.capath).iterdir())):
        found["UV_SYSTEM_CERTS"] = "1"  # as pip does: a proxy's authority is among them, and not among uv's own
    return found | os.environ


def as_pip_is_set_up(listed: str) -> "dict[str, str]":
    """Return in uv's variables what `pip config list` says: uv reads none of pip's files and variables."""
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        if variable := _FOR_UV.get(name.rpartition(".")[2]):
            found[variable] = " ".join(ast.literal_eval(value).split())
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip looks; what comes is known by its hash
    return found


def _run(command: "Sequence[object]", doing: str, environ: "dict[str, str] | None" = None) -> None:
    print(doing, flush=True)
    done = subprocess.run([str(part) for part in command], check=False, env=environ)
    if done.returncode:
        sys.exit(f"{doing}: failed with exit status {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
