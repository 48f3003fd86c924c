"""Output of the commands: tables and progress on a terminal, plain lines in a pipe, JSON where it is asked for."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Fault", "err", "number", "out", "print_json", "say", "table"]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Fault(click.ClickException):
    """An error that ends a command; each line of `message` tells one fault.

    `status` is the exit status: 1 = it could not be done, or a check did not hold; 2 = bad usage, input or
    configuration.
    """

    exit_code: int  # type: ignore[misc] # click has one status for the class, and each fault has its own

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.exit_code = status

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the faults, one line each."""
        for line in self.message.splitlines():
            err.print(Text.assemble(("heraut:", "bold red"), " ", line))


def say(text: str) -> None:
    """Print a line for the user on standard error, where it stays out of the result."""
    err.print(Text(text))  # what is no Text would be read for markup


def number(value: float) -> str:
    """Return a count: on a terminal with spaces between the thousands (20 000), elsewhere with digits alone."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if out.is_terminal else f"{value:.0f}"


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int = 1) -> None:
    """Print rows as a table on a terminal, else as tab-separated lines for other programs.

    The first `left` columns hold words and are aligned left; the others hold numbers.
    """
    if not out.is_terminal:
        for row in (columns, *rows):
            print("\t".join(_plain(cell) for cell in row))  # noqa: T201 - plain output is meant for pipes
        return
    shown = Table(
        title=title and Text(title),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for at, column in enumerate(columns):
        shown.add_column(Text(column), justify="left" if at < left else "right")
    for row in rows:
        shown.add_row(*map(_shown, row))
    out.print(shown)


def _shown(cell: Any) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text(cell if isinstance(cell, str) else "-" if cell is None else number(cell))


def _plain(cell: Any) -> str:
    return "" if cell is None else str(cell)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line."""
    print(orjson.dumps(value).decode())  # noqa: T201 - standard output is the result
