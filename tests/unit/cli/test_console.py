"""What the commands print, on a terminal and elsewhere."""

import io
import re
from datetime import UTC, datetime

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


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int, *rows: tuple[str, ...]) -> list[str]:
    """Return what a terminal of that width shows of jobs, line by line."""
    written = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=written, force_terminal=True, width=width, highlight=False))
    console.table("Jobs", ("job", "waiting since", "paused by", "letters"), rows, left=3)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue()).splitlines()]


def test_no_word_is_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's name is typed again: where the columns do not fit, each row stands by itself."""
    row = ("20261127-0-normal-1", "today", "operator", "12")

    assert 3 == len(_on_a_terminal(monkeypatch, 80, row))
    assert ["Jobs", "job            20261127-0-normal-1", "waiting since  today", "paused by      operator"] == (
        _on_a_terminal(monkeypatch, 40, row, row)[:4]
    )


def test_a_column_with_nothing_in_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly never is anything paused."""
    shown = _on_a_terminal(monkeypatch, 80, ("one", "today", "", "12"), ("two", "", "", "3"))

    assert ["job", "waiting", "since", "letters"] == shown[1].split()


def test_a_time_is_that_of_this_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the clock of whoever reads it, to the second."""
    shown = _on_a_terminal(monkeypatch, 80, ("one", "2001-02-03T04:05:06.789000+00:00", "", "12"))
    here = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).astimezone()

    assert f"{here:%d %b %Y %H:%M:%S}" in shown[2]
