#!/usr/bin/env python3
"""See that the interfaces keep the rules of others: `python deploy/api/check.py`, or `make deploy-check`.

Spectral with the API Design Rules (NL GOV) and Redocly's own rules read the documents of all services; both come from
npm, so they are no part of the tests. Exit status 1 where a rule is broken.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from services.core.helpdesk import Helpdesk
from services.dispatch.openapi import OPENAPI as DISPATCH
from services.intake.openapi import OPENAPI as INTAKE
from services.kit.process import described, with_helpdesk
from services.tracking.openapi import OPENAPI as TRACKING

HERE = Path(__file__).resolve().parent
RULES = ("our-rules.yaml", "design-rules.yaml")
SPECTRAL, REDOCLY = "@stoplight/spectral-cli@6.16.3", "@redocly/cli@2.77.0"
DOCUMENTS: Mapping[str, Mapping[str, Any]] = {
    "intake": INTAKE,
    "tracking": TRACKING,
    "dispatch": DISPATCH,
    "other": described("Heraut", "How it is, and its figures.", {}, {}),
}


def main() -> int:
    """Run all checks; return 1 where one of them has failed."""
    if shutil.which("npx") is None:
        print("npx is needed: it comes with Node.js")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        failed = [name for name, command in _commands(Path(folder)) if _fails(name, command)]
    print(f"failed: {', '.join(failed)}" if failed else "all rules are kept")
    return 1 if failed else 0


def _commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for rules in RULES:
        shutil.copy(HERE / rules, folder)  # the rules name the files that are beside them
    for name, document in DOCUMENTS.items():
        file = folder / f"{name}.json"
        # The rules want somebody to ask: it is a setting, and no installation's address stands in the code.
        file.write_bytes(
            orjson.dumps(with_helpdesk(document, Helpdesk("Heraut", "heraut@example.org", "https://example.org")))
        )
        run = ["npx", "--yes", "--package"]
        yield (
            f"design rules: {name}",
            [*run, SPECTRAL, "spectral", "lint", "--ruleset", str(folder / RULES[0]), str(file)],
        )
        yield f"redocly: {name}", [*run, REDOCLY, "redocly", "lint", str(file)]


def _fails(name: str, command: list[str]) -> bool:
    print(f"--- {name}", flush=True)
    return subprocess.call(command) != 0


if __name__ == "__main__":
    sys.exit(main())
