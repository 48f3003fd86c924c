"""The commands of pages that people follow: found in them, and read as the command line would."""

import re
import shlex

import click

from services.cli.__main__ import heraut

__all__ = ["commands_of", "fenced", "parse"]

_SETTING = re.compile(r"HERAUT_[A-Z_]+=\S+")


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    return [found.strip() for found in re.findall(rf"```{language}\n(.+?)```", text, re.DOTALL)]


def commands_of(text: str) -> list[str]:
    """Return the `heraut` commands of a page, a line each, those within a sentence too."""
    lines = [line for block in fenced(text, "sh") for line in block.splitlines()]
    return [*lines, *re.findall(r"`(heraut [^`]+)`", text)]


def parse(line: str) -> None:
    """Read a command as the command line would, and run nothing. A group alone is a command that is named."""
    words = [word for word in shlex.split(line.partition(" > ")[0]) if not _SETTING.fullmatch(word)]
    assert words.pop(0) == "heraut", line
    command: click.Command = heraut
    context = click.Context(heraut, info_name="heraut")
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{line}: there is no {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    if words:
        command.make_parser(context).parse_args(args=words)
