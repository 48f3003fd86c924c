"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["data_option", "json_option"]

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    """Return the command with the option --data."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HERAUT_DATA_DIR",
        default=Path("var/heraut"),
        show_default=True,
        help="Data directory (or HERAUT_DATA_DIR).",
    )(command)


def json_option(command: F) -> F:
    """Return the command with the option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, on one line.")(command)
