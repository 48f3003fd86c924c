#!/usr/bin/env python3
"""Install the faces of other scripts, for names and addresses on letters: `python deploy/letters/faces.py [--cjk]`.

They are Noto's (SIL Open Font License), from Debian's packages. `faces.json` names each with its SHA-256, so that all
who install them print the same, on any release of Debian: where its own packages are others, those of the release that
is locked are fetched. `--cjk` adds Chinese, Japanese and Korean: 56 MB to fetch, 19 MB to keep. It needs apt-get and
dpkg-deb, and no rights. Elsewhere the same files can be put in the folder by hand. Standard library only.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

LOCK = Path(__file__).with_name("faces.json")
RELEASE = "bookworm"  # whose packages are locked
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FOLDER = Path(__file__).resolve().parents[2] / "services" / "rendering" / "letters" / "fonts" / "more"


def main() -> int:
    """Put the faces in their folder; return 1 where one is not to be had, or is another one than is locked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cjk", action="store_true", help="Chinese, Japanese and Korean too")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="another folder, as of an image")
    parser.add_argument("--if-possible", action="store_true", help="it is no failure where they cannot be had")
    asked = parser.parse_args()
    locked: Mapping[str, Mapping[str, str]] = json.loads(LOCK.read_text(encoding="utf-8"))
    for package, files in locked.items():
        if package.endswith("-cjk") and not asked.cjk:
            continue
        there = all(_is_locked(asked.to / name, digest) for name, digest in files.items())
        if problem := "" if there else _install(package, files, asked.to):
            print(problem)
            return 0 if asked.if_possible else 1
        print(f"{len(files)} faces of {package} are in {asked.to}")
    return 0


def _install(package: str, files: Mapping[str, str], folder: Path) -> str:
    """Fetch a package of this machine's release, or of the one that is locked, and take the faces out of it.

    Returns what is wrong.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return f"apt-get and dpkg-deb are missing: put {', '.join(files)} in {folder}"
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as locked:
        if not _fetch(package, files, folder, Path(own), []):
            return ""
        return _fetch(package, files, folder, Path(locked), _of_release(Path(locked)))


def _fetch(package: str, files: Mapping[str, str], folder: Path, here: Path, options: Sequence[str]) -> str:
    command = ["apt-get", *options, "download", package]
    fetched = subprocess.run(command, cwd=here, capture_output=True, check=False)
    archives = list(here.glob("*.deb"))
    if fetched.returncode or not archives:
        return f"{package} could not be fetched: is there a way to Debian's packages?"
    subprocess.run(["dpkg-deb", "-x", archives[0], here], check=True)
    return _take(here, files, folder)


def _of_release(here: Path) -> list[str]:
    """Return options by which apt-get sees the release that is locked, and nothing of this machine is changed."""
    asked = ["apt-get", "update", "--print-uris"]  # where this machine's packages come from; nothing is fetched
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    places = [line.strip("'").partition("/dists/")[0] for line in said.splitlines()]
    sources = {f"deb {signed}{place} {RELEASE} main\n" for place in places if place.endswith("/debian")}
    (here / "sources.list").write_text("".join(sorted(sources)), encoding="utf-8")
    (here / "lists" / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": here / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": here / "lists",
        "Dir::Cache": here,
        "APT::Sandbox::User": "root",  # who alone may write here, where root asks
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *options, "update"], capture_output=True, check=False)
    return options


def _take(unpacked: Path, files: Mapping[str, str], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in files.items():
        found = next(unpacked.rglob(name), None)
        if found is None or not _is_locked(found, digest):
            return f"{name} is missing, or another one than is locked"
        draft = folder / f".{name}"
        shutil.copyfile(found, draft)
        draft.replace(folder / name)
    return ""


def _is_locked(path: Path, digest: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


if __name__ == "__main__":
    sys.exit(main())
