"""The pages of CONTRIBUTING.md stay short, and every file that they name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    title: body.strip().splitlines()
    for title, body in re.findall(
        r"^## (To add [^\n]+)\n(.*?)(?=^## |\Z)",
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
LINES = 10  # what can be kept in mind while it is done
_PATH = re.compile(r"`((?:services|tests|proto|deploy)/[\w./-]*|docker-compose\.yml)`")


def test_each_change_that_comes_often_has_its_page() -> None:
    """Whoever adds one of these is told where, and by which test each place is held."""
    wanted = ["a channel", "a field of a member record", "a reason to hold somebody", "a language", "an event log"]

    assert [f"To add {what}" for what in wanted] == list(PAGES)


@pytest.mark.parametrize("title", PAGES)
def test_page_is_short_and_names_its_test(title: str) -> None:
    """A page is read at a glance, and what it says is held by a test that it names."""
    assert len(PAGES[title]) <= LINES
    assert any("`tests/" in line for line in PAGES[title])


@pytest.mark.parametrize("title", PAGES)
def test_page_names_files_that_are_there(title: str) -> None:
    """Nobody follows a page to a file that has moved."""
    named = _PATH.findall("\n".join(PAGES[title]))

    assert named
    assert [] == [name for name in named if not (ROOT / name).exists()]
