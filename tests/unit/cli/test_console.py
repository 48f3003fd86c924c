"""What the commands print, on a terminal and elsewhere."""

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from services.cli import console


def test_a_cell_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with brackets in it is no markup: it neither colours the table nor ends the command."""
    written = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=written, force_terminal=True, width=100, highlight=False))
    console.table("Sources", ("source", "records"), [("Lab [/bold] [red]B.V.", 1200), (None, None)])

    assert "Lab [/bold] [red]B.V." in written.getvalue()


@pytest.mark.parametrize("text", [r"C:\[/b]", r"\\[/red]", "x\\", "[::1]:8080", "[/]", "[link=x]y"])
def test_a_line_is_shown_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backslashes before a bracket, addresses, and what ends a tag that nobody began."""
    written = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=written, width=100, highlight=False))
    console.say(text)
    console.Fault(text).show()

    assert f"{text}\nheraut: {text}\n" == written.getvalue()


def test_a_table_on_a_terminal_says_yes_and_no_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never in brackets: whatever a cell's colour is, its word is what is printed."""
    written = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=written, force_terminal=True, width=100, highlight=False))
    console.table("[/] totals", ("[b] cohort", "balanced"), [("wave", Text("yes", style="green"))], left=2)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())

    assert ["[/] totals", "[b] cohort  balanced", "wave        yes"] == [line.strip() for line in shown.splitlines()]
    assert "\x1b[32myes" in written.getvalue()
