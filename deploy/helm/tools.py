"""Fetches what the Helm chart is looked at with, once: Helm, and the schemas of what it makes. All of it is locked.

Helm is a Go module, which Go's checksum database holds to its hash; the schemas of Kubernetes are a Python package.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.catalogue import CHART

__all__ = ["KUBERNETES", "SETS", "ToolMissing", "find_helm", "helm", "ran", "rendered", "sets", "validator"]

CHECKOUT = Path(__file__).resolve().parents[2]
SETS = CHECKOUT / "deploy" / "helm" / "sets"
KUBERNETES = "1.37.0"
_MODULE, _VERSION = "helm.sh/helm/v3/cmd/helm", "v3.22.0"
_HELM = CHECKOUT / "var" / "go" / f"helm-{_VERSION}" / "helm"
_LOCK = CHECKOUT / "deploy" / "helm-requirements.lock"
_TOOLS = CHECKOUT / "var" / "helm"


class ToolMissing(Exception):  # noqa: N818 - a state of the machine, no error of the caller
    """A tool cannot be had here; the message says which."""


def find_helm() -> Path | None:
    """Return Helm where it has been fetched."""
    return _HELM if _HELM.exists() else None


def helm() -> Path:
    """Return Helm; it takes some minutes the first time. Raises ToolMissing without Go."""
    if not _HELM.exists():
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            raise ToolMissing("Go is needed: Helm is a Go module")
        environ = os.environ | {"GOBIN": str(_HELM.parent), "GOFLAGS": "-mod=mod"}
        subprocess.run([go, "install", f"{_MODULE}@{_VERSION}"], check=True, env=environ)
    return _HELM


def validator() -> Path:
    """Return kubernetes-validate, in an environment of its own."""
    uv = [sys.executable, "-m", "uv"]
    if not (_TOOLS / "bin" / "python").exists():
        subprocess.run([*uv, "venv", "--quiet", str(_TOOLS)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(_TOOLS), "--require-hashes", "-r", str(_LOCK)]
    subprocess.run(install, check=True)
    return _TOOLS / "bin" / "kubernetes-validate"


def sets() -> dict[str, Path]:
    """Return the sets of values that are tried, by name."""
    return {path.stem: path for path in sorted(SETS.glob("*.yaml"))}


def rendered(values: Path, more: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what the chart makes of values, as it would come to a cluster. Raises ValueError with Helm's reason."""
    done = ran("template", "heraut", CHART, "--namespace", "told", "--values", values, *more)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def ran(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run Helm, without a cluster; what it says of the links to rules and dashboards is left out."""
    version = ["--kube-version", KUBERNETES]
    done = subprocess.run(
        [str(word) for word in (helm(), *words, *version)], capture_output=True, text=True, check=False
    )
    kept = [line for line in done.stderr.splitlines() if "found symbolic link in path" not in line]
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "\n".join(kept))
