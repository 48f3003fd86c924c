"""How much of a cohort may go: as options of a command, and in words."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from services.cli.console import number

__all__ = ["grant_of", "grants", "how_much"]

F = TypeVar("F", bound=Callable[..., Any])


def _a_day(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Read so many a day: `50000/day`."""
    count, _, per = (value or "").partition("/")
    if value and not (count.isascii() and count.isdecimal() and int(count) > 0 and per in {"", "day"}):
        raise click.BadParameter("give a number a day, such as 50000/day")
    return int(count) if value else None


def grants(command: F) -> F:
    """Return the command with the options that say how much of a cohort may go."""
    command = click.option("--pace", "perDay", callback=_a_day, metavar="N/day", help="So many a day.")(command)
    command = click.option("--canary", type=click.IntRange(min=1), metavar="N", help="So many in all.")(command)
    return click.option("--all", "all", is_flag=True, help="All its notices.")(command)


def grant_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say, as intake takes it: one of them, or nothing."""
    given = {key: value for key, value in options.items() if value}
    if len(given) > 1:
        raise click.UsageError("give one of --all, --canary and --pace")
    return given


def how_much(answer: Mapping[str, Any]) -> str:
    """Return how much of a released cohort may go, in words; nothing where that is everything."""
    if answer.get("canary") is not None:
        return f": a canary of {number(answer['canary'])}"
    return "" if answer.get("perDay") is None else f": {number(answer['perDay'])} a day"
