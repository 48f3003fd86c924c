"""Says what the image is made of, and what is known to be wrong with it.

    python -m deploy.supply [--out heraut.cdx.json]         a bill of materials (CycloneDX), and what pip-audit finds
    python -m deploy.supply --otel                          of the image with `--build-arg OTEL=1`

Both read the lock file that the image is installed from. The tools have a lock file and an environment of their own.
Exit status 1 where a part is known to be vulnerable, 2 where nobody could be asked.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = CHECKOUT / "deploy" / "image-requirements.lock"
OTEL_LOCK = CHECKOUT / "deploy" / "otel-requirements.lock"
TOOLS_LOCK = CHECKOUT / "deploy" / "supply-requirements.lock"
TOOLS = CHECKOUT / "var" / "supply"
_VULNERABLE, _NOBODY_ASKED = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bill, ask about each part, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist" / "heraut.cdx.json")
    parser.add_argument("--otel", action="store_true", help="of the image that can send traces")
    given = parser.parse_args(arguments)
    out: Path = given.out
    lock = OTEL_LOCK if given.otel else LOCK
    _install()
    out.parent.mkdir(parents=True, exist_ok=True)
    bill = [_tool("cyclonedx-py"), "requirements", lock, "--pyproject", CHECKOUT / "pyproject.toml"]
    _run([*bill, "--output-format", "JSON", "--output-file", out])
    print(f"{out}: {len(json.loads(out.read_text(encoding='utf-8'))['components'])} parts")
    return _audit(lock)


def _audit(lock: Path) -> int:
    command = [_tool("pip-audit"), "-r", lock, "--require-hashes", "--disable-pip", "--format", "json"]
    done = subprocess.run(
        [str(word) for word in [*command, "--progress-spinner", "off"]], capture_output=True, text=True, check=False
    )
    try:
        parts = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(done.stderr)
        return _NOBODY_ASKED
    bad = [f"{part['name']} {part['version']}: {flaw['id']}" for part in parts for flaw in part.get("vulns", ())]
    # pip-audit ends well where it could ask about nothing at all.
    unasked = [part["name"] for part in parts if "skip_reason" in part]
    print("\n".join(bad) or f"nothing is known against {len(parts) - len(unasked)} parts")
    if unasked:
        print(f"nobody could be asked about {len(unasked)} of {len(parts)} parts")
    return _VULNERABLE if bad else _NOBODY_ASKED if unasked else 0


def _install() -> None:
    uv = [sys.executable, "-m", "uv"]
    if not (TOOLS / "bin" / "python").exists():
        _run([*uv, "venv", "--quiet", TOOLS])
    _run([*uv, "pip", "install", "--quiet", "--python", TOOLS, "--require-hashes", "-r", TOOLS_LOCK])


def _tool(name: str) -> Path:
    return TOOLS / "bin" / name


def _run(command: Sequence[object]) -> None:
    subprocess.run([str(word) for word in command], check=True, env=os.environ)


if __name__ == "__main__":
    sys.exit(main())
