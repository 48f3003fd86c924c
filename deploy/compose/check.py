"""Reads docker-compose.yml as `docker compose` does: by its own library, a Go module, without an engine.

    python -m deploy.compose.check          needs Go; half a minute the first time, part of deploy-check

Exit status 1 where the library finds a fault, or leaves out or adds what we read in the file ourselves; 2 without Go.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from deploy.compose.secret_files import mounted

__all__ = ["main"]

CHECKOUT = Path(__file__).resolve().parents[2]
_MODULE, _VERSION = (
    "github.com/compose-spec/compose-go/v2/cmd",
    "v2.16.2",
)  # Go's checksum database holds it to its hash
_PROGRAMS = CHECKOUT / "var" / "go" / _VERSION


def main() -> int:
    """Read it, and say what is wrong."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        print("Go is needed")
        return 2
    program = _PROGRAMS / "cmd"
    if not program.exists():
        environ = os.environ | {"GOBIN": str(_PROGRAMS), "GOFLAGS": "-mod=mod"}
        subprocess.run([go, "install", f"{_MODULE}@{_VERSION}"], check=True, env=environ)
    # Without variables: so it starts where nobody set any.
    bare = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}
    read = subprocess.run(
        [program, "-format", "json", "docker-compose.yml"], cwd=CHECKOUT, env=bare, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    faults = [read.stderr.strip()] if read.returncode or read.stderr else list(_differing(json.loads(read.stdout)))
    print("\n".join(faults) or "docker-compose.yml is read as it is meant")
    return 1 if faults else 0


def _differing(model: dict[str, Any]) -> list[str]:
    """Return the services that the library understands otherwise than our own tests of the file do."""
    ours: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    if set(ours) != set(model["services"]):
        return [f"services: {set(ours) ^ set(model['services'])}"]
    return [name for name, service in ours.items() if _read(service) != _read(model["services"][name])]


def _read(service: dict[str, Any]) -> tuple[object, ...]:
    networks = set(service.get("networks") or ())
    words = [str(word).replace("$$", "$") for word in service.get("command") or ()]  # a sign that is not for compose
    return set(mounted(service)), networks, words, service.get("user"), service.get("restart"), service.get("mem_limit")


if __name__ == "__main__":
    sys.exit(main())
