"""Output of the commands: tables and progress on a terminal, plain lines in a pipe, JSON where it is asked for."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Fault", "err", "number", "out", "print_json", "say", "table"]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


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

    The first `left` columns hold words and are aligned left; the others hold numbers. On a terminal columns that are
    empty are left out, and times are those of this place.
    """
    if not out.is_terminal:
        for row in (columns, *rows):
            print("\t".join(_plain(cell) for cell in row))  # noqa: T201 - plain output is meant for pipes
        return
    cells = [[_shown(cell) for cell in row] for row in rows]
    kept = [at for at, _ in enumerate(columns) if not (at and cells) or any(row[at].plain for row in cells)]
    _draw(title, [(columns[at], at < left) for at in kept], [[row[at] for at in kept] for row in cells])


def _draw(title: str | None, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Text]]) -> None:
    """Draw a table in which no word is cut: where it is too wide for that, each row stands by itself."""
    words = [[name, *(row[at].plain for row in rows)] for at, (name, _) in enumerate(columns)]
    widths = [max(cell_len(word) for cell in column for word in cell.split(" ")) for column in words]
    if sum(widths) + 2 * len(widths) - 2 > out.width:
        _draw_each(title, [name for name, _ in columns], rows)
        return
    shown = _grid(title)
    for (name, is_left), column, width in zip(columns, words, widths, strict=True):
        whole = not any(" " in cell for cell in column)
        shown.add_column(Text(name), justify="left" if is_left else "right", no_wrap=whole, min_width=width)
    for row in rows:
        shown.add_row(*row)
    out.print(shown)


def _draw_each(title: str | None, names: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    shown = _grid(title, show_header=False)
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column(overflow="fold")
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            shown.add_row(name, cell)
        shown.add_row("", "")
    out.print(shown)


def _grid(title: str | None, *, show_header: bool = True) -> Table:
    return Table(
        title=title and Text(title),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
        show_header=show_header,
    )


def _shown(cell: Any) -> Text:
    if isinstance(cell, Text):
        return cell
    if isinstance(cell, str):
        return Text(_as_here(cell) if _MOMENT.fullmatch(cell) else cell)
    return Text("-" if cell is None else number(cell))


def _as_here(moment: str) -> str:
    """Return a time as people here write it; the year where it is another one."""
    here = datetime.fromisoformat(moment).astimezone()
    return here.strftime("%d %b %H:%M:%S" if here.year == datetime.now(UTC).year else "%d %b %Y %H:%M:%S")


def _plain(cell: Any) -> str:
    return "" if cell is None else str(cell)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line."""
    print(orjson.dumps(value).decode())  # noqa: T201 - standard output is the result
