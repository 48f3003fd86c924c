#!/usr/bin/env python3
"""See that letters keep to the standards that they claim: `python deploy/letters/check.py`, or `make letters-check`.

veraPDF, which is not ours, judges every variant of the demo's letters in each print profile: print files by PDF/A-2b,
copies for screens by PDF/A-2a and PDF/UA-1. `--short` takes one person and the usual profile, without and with marks of
sheets, in seconds.
It needs Java, and Maven once, to fetch veraPDF. Exit status 1 where a file does not pass.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from services.core.channel import Channel
from services.demo.made_up.incident import made_up_incident
from services.rendering.letters.profile import Box, Profile
from services.rendering.letters.profile_file import SUPPLIED, USUAL_PROFILE, named_profile
from services.rendering.preview import PEOPLE, previews
from services.rendering.samples import USUAL
from services.wire.incident_document import parse_incident

ROOT = Path(__file__).resolve().parents[2]
JAR = ROOT / "var" / "verapdf" / "greenfield-apps-1.28.2.jar"
ARTIFACT = "org.verapdf.apps:greenfield-apps:1.28.2"
SHA256 = "687d4d8bcfec48c9f7e931cf78ed061f1eeccfba55d4cdc000ba9b4d8aa46ce6"
STANDARDS: Mapping[bool, Sequence[str]] = {False: ("2b",), True: ("2a", "ua1")}  # print files, and copies
MARKED = replace(USUAL_PROFILE, name="marked", sheet_mark=Box(8, 120, 10, 10))
AT = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> int:
    """Make the letters and have them judged; return 1 where one does not pass, 2 where nobody can judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    short = parser.parse_args().short
    java, mvn = shutil.which("java"), shutil.which("mvn")
    if java is None or (mvn is None and not JAR.exists()):
        print("Java and Maven are needed")
        return 0 if short else 2
    if not _fetched(mvn):
        return 2
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _pass(java, _make(Path(folder), short=short)) else 1


def _fetched(mvn: str | None) -> bool:
    if not JAR.exists() and mvn:
        JAR.parent.mkdir(parents=True, exist_ok=True)
        copy = [mvn, "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={JAR.parent}"]
        subprocess.run(copy, check=False)
    if not JAR.exists() or hashlib.sha256(JAR.read_bytes()).hexdigest() != SHA256:
        print("veraPDF could not be fetched, or is another one than expected")
        return False
    return True


def _make(folder: Path, *, short: bool) -> Mapping[Path, Sequence[str]]:
    """Return the letters, each with the standards that it has to keep to."""
    incident = parse_incident("proof", 1, made_up_incident(AT))
    people = {"usual": USUAL} if short else PEOPLE
    made: dict[Path, Sequence[str]] = {}
    for profile in [USUAL_PROFILE, MARKED] if short else [*_profiles(), MARKED]:
        for copies, standards in STANDARDS.items():
            for one in previews(incident, Channel.LETTER, AT, profile, copies=copies, people=people):
                file = folder / f"{profile.name}-{profile.colour}-{one.name}{'-copy' if copies else ''}.pdf"
                file.write_bytes(one.pages[0])
                made[file] = standards
    return made


def _profiles() -> Iterator[Profile]:
    """Return the supplied profiles, each in the colours in which print files claim a standard."""
    for name in SUPPLIED:
        for colour in ("rgb", "black"):
            yield replace(named_profile(name), colour=colour)


def _pass(java: str, made: Mapping[Path, Sequence[str]]) -> bool:
    """Have files judged by what they claim; what does not pass is printed, with the rules that it breaks."""
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # most of its time veraPDF starts
    command = [java, *quick, "-cp", str(JAR), "org.verapdf.apps.GreenfieldCliWrapper", "-f", "0", "--format", "text"]
    done = subprocess.run([*command, "-v", *map(str, made)], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    passed = {line for line in lines if line.startswith("PASS ")}
    wanted = [f"PASS {file} {standard}" for file, standards in made.items() for standard in standards]
    failed = [line.removeprefix("PASS ") for line in wanted if line not in passed]
    for standard in sorted({line.rpartition(" ")[2] for line in wanted}):
        of_it = [line for line in wanted if line.endswith(f" {standard}")]
        print(f"{standard}: {sum(line in passed for line in of_it)} of {len(of_it)} letters pass", flush=True)
    if failed:
        print("\n".join([*failed, *(line for line in lines if line not in passed)]), done.stderr)
    return not failed


if __name__ == "__main__":
    sys.exit(main())
