"""Makes the Secrets that a rendered chart mounts, of a folder of files: each process gets its own alone.

    helm template heraut deploy/helm/heraut --values values.yaml | python -m deploy.helm.secret_manifests FOLDER

It reads the chart's resources and writes Secrets, to be encrypted or handed to `kubectl apply --filename -`; keep them
out of a repository. In the folder, each file has the name of its key (`database_url_intake`, `smtp_url`), but for keys,
which are in `keys/<purpose>.json` as `heraut keys init` makes them, and `principals.json`. Secrets that others make are
left out: those of cert-manager and Strimzi. Exit status 1 where a file is missing, before anything is written.
"""

import base64
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["main", "manifests", "wanted"]

_WITH_PODS = {"Deployment", "Job"}
_OURS = "-files"
_SCRAPE = ("scrape_token", "authority")


def main(arguments: Sequence[str]) -> int:
    """Read resources from standard input, and write Secrets to standard output."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    needed = wanted([document for document in yaml.safe_load_all(sys.stdin) if document])
    missing = sorted({key for keys in needed.values() for key in keys if not _file(folder, key).exists()})
    if missing:
        print(f"missing in {folder}: {', '.join(missing)}", file=sys.stderr)
        return 1
    print(yaml.safe_dump_all(manifests(needed, folder), sort_keys=False), end="")
    return 0


def wanted(documents: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the keys of each Secret that is nobody else's to make."""
    found: dict[str, list[str]] = {}
    for document in documents:
        if document["kind"] in _WITH_PODS:
            for volume in document["spec"]["template"]["spec"]["volumes"]:
                for source in volume.get("projected", {}).get("sources", ()):
                    if source["secret"]["name"].endswith(_OURS):
                        keys = found.setdefault(source["secret"]["name"], [])
                        keys += [item["key"] for item in source["secret"]["items"]]
        elif document["kind"] == "ServiceMonitor":
            (end,) = document["spec"]["endpoints"]
            found[end["authorization"]["credentials"]["name"]] = [*_SCRAPE]
    return found


def manifests(needed: Mapping[str, Sequence[str]], folder: Path) -> Iterable[dict[str, Any]]:
    """Give the Secrets."""
    for name, keys in needed.items():
        data = {key: base64.b64encode(_file(folder, key).read_bytes()).decode() for key in keys}
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data}


def _file(folder: Path, key: str) -> Path:
    if key.startswith("key_"):
        return folder / "keys" / f"{key.removeprefix('key_')}.json"
    return folder / ("principals.json" if key == "principals" else key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
