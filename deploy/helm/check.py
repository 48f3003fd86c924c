"""Looks at the Helm chart as a cluster would, without one, and runs what it says.

    python -m deploy.helm.check [--without-run]      needs Go, Node.js, Maven and Java; minutes, part of deploy-check

Every set of values in deploy/helm/sets is linted and rendered; all that comes out is held to the schemas of Kubernetes
and of the operators it is for, strictly; tests/repository says what else it promises. Then the pods of a set of its own
are run as processes of this machine (`deploy/helm/run.py`). Exit status 1 where something is wrong, 2 without a tool.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.helm import catalogue, run, schemas
from deploy.helm.tools import KUBERNETES, ToolMissing, ran, rendered, sets, validator

__all__ = ["main"]

CHECKOUT = Path(__file__).resolve().parents[2]
# What Kubernetes itself does not know: `schemas.py` does.
_OF_OPERATORS = "Couldn't find schema for kind"


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at all of it, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-run", action="store_true", help="look at the chart, and start nothing")
    options = parser.parse_args(arguments)
    try:
        faults = list(_faults())
    except ToolMissing as missing:
        print(missing)
        return 2
    well = f"{len(sets())} sets of values, all as Kubernetes {KUBERNETES} and the operators want it"
    print("\n".join(faults) or well)
    failed = bool(faults) or catalogue.main(["--check"]) or _test()
    return 1 if failed else 0 if options.without_run else run.main()


def _faults() -> Iterator[str]:
    validate = validator()
    for name, values in sets().items():
        linted = ran("lint", catalogue.CHART, "--strict", "--values", values)
        if linted.returncode:
            yield f"{name}: {linted.stdout}{linted.stderr}"
            continue
        documents = rendered(values)
        print(f"{name}: {len(documents)} resources", flush=True)
        yield from (f"{name}: {fault}" for fault in _not_of_kubernetes(validate, values))
        yield from (f"{name}: {fault}" for fault in schemas.broken(documents))


def _not_of_kubernetes(validate: Path, values: Path) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(ran("template", "heraut", catalogue.CHART, "--values", values).stdout)
        file.flush()
        command = [str(validate), "--strict", "--quiet", "--kubernetes-version", KUBERNETES, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in f"{done.stdout}{done.stderr}".splitlines():
        if _OF_OPERATORS not in line and line.strip():
            yield line


def _test() -> int:
    return subprocess.call(
        [sys.executable, "-m", "pytest", "-q", "tests/repository/test_rendered_chart.py"], cwd=CHECKOUT
    )


if __name__ == "__main__":
    sys.exit(main())
