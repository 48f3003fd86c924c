"""What the commands print, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from services.cli import console


def test_a_cell_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with brackets in it is no markup: it neither colours the table nor ends the command."""
    written = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=written, force_terminal=True, width=100, highlight=False))
    console.table("Sources", ("source", "records"), [("Lab [/bold] [red]B.V.", 1200), (None, None)])

    assert "Lab [/bold] [red]B.V." in written.getvalue()
