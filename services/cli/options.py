"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import SUPPLIED, named_profile

__all__ = ["Commands", "data_option", "json_option", "profile_option"]

F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """A group whose help has the first sentence of each command whole, over several lines if it needs them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with what it does."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=200)) for name, one in found if one])


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


def profile_option(command: F) -> F:
    """Return the command with the option --profile."""
    return click.option(
        "--profile",
        envvar="HERAUT_PRINT_PROFILE",
        default="nl-dl-left",
        show_default=True,
        callback=_profile,
        help=f"What letters have to fit: {', '.join(SUPPLIED)}, or a file (or HERAUT_PRINT_PROFILE).",
    )(command)


def _profile(_context: click.Context, _option: click.Parameter, name: str) -> Profile:
    try:
        return named_profile(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
