"""Runs the pods that the Helm chart makes as processes of this machine, and sends a cohort through them.

    python -m deploy.helm.run          about a minute; part of chart-check

Arguments, environments, files and jobs are those of the rendered pods; brokers, database and stand-ins are those of
`deploy/compose/stack.py`. Files lie as a cluster lays them: links in a folder of somebody else's, for the group to
read. When all are ready, each probe of the pods is asked as a cluster would; and once everybody is told, what
deploy/README.md has an operator say to the services is said, line by line.
"""

import os
import re
import shlex
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.compose import stack
from deploy.helm.tools import SETS, rendered

__all__ = ["main", "pods", "service_of"]

VALUES = SETS / "compose.yaml"
_SOMEBODY_ELSE = 65534  # as the kubelet is: root there, and not us
_PAGE = Path(__file__).resolve().parents[1] / "README.md"
# What is asked of services alone, and changes nothing that could not be said of a cohort which is told already.
_TO_SERVICES = re.compile(
    r"heraut (cohort (problems|seal|status|pause)|incident (pause|closures|acts)|channel|ledger --incident)"
)
_LETS_GO = re.compile(r"heraut (incident|cohort|channel) resume")
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def main() -> int:
    """Run in a fresh folder, which is removed."""
    found = {name: service_of(pod) for name, pod in pods(rendered(VALUES)).items()}
    with tempfile.TemporaryDirectory(prefix="heraut-pods-") as folder:
        stack.run(Path(folder), found, _Pods, _ask_probes, _do_as_the_page_says)
    print("the pods work as the chart makes them")
    return 0


def pods(documents: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return what is to run in the pods of these resources, by the names of the services and jobs."""
    return {
        one["metadata"]["name"].removeprefix("heraut-"): one["spec"]["template"]["spec"]
        for one in documents
        if one["kind"] in {"Deployment", "Job"}
    }


def service_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod as docker-compose.yml would have it."""
    (container,) = pod["containers"]
    paths = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    return {
        "command": container["args"],
        "environment": {one["name"]: one["value"] for one in container["env"]},
        "secrets": [
            {"source": item["key"], "target": f"{paths[volume]}/{item['path']}"} for volume, item in _items(pod)
        ],
        "volumes": [f"{one['name']}:{paths[one['name']]}" for one in pod["volumes"] if "persistentVolumeClaim" in one],
    }


def _items(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            for item in source["secret"]["items"]:
                yield volume["name"], item


class _Pods(stack.Place):
    """Where the files of pods lie."""

    def lay(self, path: Path, text: str) -> None:
        """Put a secret as the kubelet does: a link to a file in a folder that is changed as a whole."""
        data = path.parent / "..2026_11_27"
        data.mkdir(parents=True, exist_ok=True)
        (data / path.name).write_text(text, encoding="utf-8")
        (data / path.name).chmod(0o440)
        current = path.parent / "..data"
        if not current.is_symlink():
            current.symlink_to(data.name)
        path.symlink_to(f"..data/{path.name}")
        path.parent.chmod(0o1777)
        if os.geteuid() == 0:
            for one in (path.parent, data, data / path.name, path, current):
                os.chown(one, _SOMEBODY_ELSE, 0, follow_symlinks=False)


def _ask_probes(ports: Mapping[str, int]) -> None:
    """Ask what a cluster asks. Raises SystemExit where the answer is not 200."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a cluster does not look at it either
    for name, pod in pods(rendered(VALUES)).items():
        for probe in (pod["containers"][0][one] for one in _PROBES if name in ports):
            path, scheme = probe["httpGet"]["path"], probe["httpGet"]["scheme"].lower()
            with urllib.request.urlopen(f"{scheme}://127.0.0.1:{ports[name]}{path}", context=context) as answer:  # noqa: S310
                if answer.status != 200:
                    raise SystemExit(f"{name}: {path} says {answer.status}")
    print(f"probes answer: {', '.join(_PROBES)}")


def _do_as_the_page_says(operator: stack.Operator) -> None:
    """Say to the services what the page says, in its order. Raises SystemExit where one of it is refused."""
    text = _PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.+?)```", text, re.DOTALL) for line in block.splitlines()]
    said = [line for line in lines if _TO_SERVICES.match(line)]
    let_go = [line for line in re.findall(r"`(heraut [^`]+)`", text) if _LETS_GO.match(line)]
    for line in [*said, *let_go]:
        operator.says(*shlex.split(line)[1:])
    print(f"{len(said) + len(let_go)} lines of the page are done")


if __name__ == "__main__":
    sys.exit(main())
