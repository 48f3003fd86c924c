"""The README tells every setting, with the meaning that the code gives it."""

import re
from pathlib import Path

from services.core.environment import ENVIRONMENT

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_every_setting() -> None:
    """Name and meaning of each row are those of `core/environment.py`, in its order."""
    _, _, settings = README.read_text(encoding="utf-8").partition("\n## Settings\n")
    section, _, _ = settings.partition("\n## ")
    rows = re.findall(r"^\| `(HERAUT_\w+)` \| (.+) \|$", section, re.MULTILINE)

    assert rows == list(ENVIRONMENT.items())
