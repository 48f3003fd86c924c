"""Rule 9: migrations are named and ordered, and say whether they run before or after the code."""

import re
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "services"
NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


def test_migrations_are_named_and_numbered_without_gaps() -> None:
    """A migration's place in the order, and its side of the deployment, can be read from its name."""
    for folder in sorted(SERVICES.glob("*/migrations")):
        names = sorted(path.name for path in folder.glob("*.sql"))
        matches = [NAME.fullmatch(name) for name in names]
        assert all(matches), folder
        assert [int(match[1]) for match in matches if match] == list(range(1, len(names) + 1)), folder
