"""What two branches said is brought together before it is committed."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_file_has_both_sides_of_a_conflict() -> None:
    """Files that no check reads, such as the Makefile, would break for whoever uses them first."""
    marks = "^(<<<<<<<|>>>>>>>) "
    found = subprocess.run(  # noqa: S603 - our own search
        ["git", "grep", "--line-number", "--extended-regexp", marks],  # noqa: S607 - git is found on the path
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert "" == found.stdout
