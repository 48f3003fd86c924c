#!/usr/bin/env python3
"""See that running services keep to their own descriptions: `python deploy/api/fuzz.py`, or `make deploy-check`.

Schemathesis makes up requests by the thousand, such as fit `/openapi.json` and such as do not, for some minutes. An
answer that the description does not have, a fault of ours, and a request that is refused or taken against its schema
end it with status 1. It comes from the package index into an environment of its own, and is no part of the tests.

Uploads are left out: they are streams, and `tests/unit/malformed` makes up their bodies.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "deploy" / "examples"
SCHEMATHESIS = "schemathesis==4.32.5"
SECONDS: Mapping[str, int] = {"intake": 120, "tracking": 60, "dispatch-letter": 20}
HERAUT = [sys.executable, "-m", "services.cli"]
_START_SECONDS = 180.0


def main() -> int:
    """Ask all services; return 1 where one of them has answered what it should not."""
    program = _program()
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder) / "data") as data:
        _tell(data, "incident", "put", str(EXAMPLES / "lab.json"))
        cohort = ["--incident", "lab", "--cohort", "wave-1", "--source", "Lab B.V."]
        _tell(data, "cohort", "submit", str(EXAMPLES / "people.csv"), *cohort)
        failed = [service for service in SECONDS if _fails(program, data, service)]
    print(f"failed: {', '.join(failed)}" if failed else "every answer was as described")
    return 1 if failed else 0


def _program() -> Path:
    """Return the program, installed once in an environment of its own: its libraries are not ours."""
    folder = ROOT / "var" / "schemathesis"
    program = folder / "bin" / "schemathesis"
    if not program.exists():
        subprocess.check_call([sys.executable, "-m", "venv", str(folder)])
        subprocess.check_call([str(folder / "bin" / "pip"), "install", "--quiet", SCHEMATHESIS])
    return program


@contextmanager
def _running(data: Path) -> Iterator[Path]:
    """Run all services on a data directory that is thrown away."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("HERAUT_")}
    process = subprocess.Popen([*HERAUT, "up", "--data", str(data)], cwd=ROOT, env=settings | {"HERAUT_HTTP_PORT": "0"})
    try:
        until = time.monotonic() + _START_SECONDS
        while not (data / "services.json").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("the services do not start")
            time.sleep(0.2)
        yield data
    finally:
        process.terminate()
        process.wait(60)


def _tell(data: Path, *command: str) -> None:
    subprocess.check_call([*HERAUT, *command, "--data", str(data)], cwd=ROOT)


def _fails(program: Path, data: Path, service: str) -> bool:
    print(f"--- requests by the thousand: {service}", flush=True)
    address = json.loads((data / "services.json").read_bytes())[service]
    token = (data / "operator.token").read_text(encoding="utf-8").strip()
    command = [
        *(str(program), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{address}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--max-time", str(SECONDS[service])),
        *("--phases", "examples,coverage,fuzzing", "--exclude-operation-id", "postMembers"),
        *("--continue-on-failure", "--no-color"),
    ]
    return subprocess.call(command, cwd=data) != 0


if __name__ == "__main__":
    sys.exit(main())
