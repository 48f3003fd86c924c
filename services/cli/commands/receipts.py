"""`heraut receipts`: what was heard of letters after they were handed over."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click

from services.cli.client import open_client
from services.cli.console import Fault, number, print_json, say
from services.cli.options import Commands, data_option, json_option
from services.cli.problem_words import in_words

__all__ = ["receipts"]

# A request takes a megabyte; a list of 100,000 letters that came back has about five.
_PIECE: Final = 512 * 1024


@click.group(cls=Commands)
def receipts() -> None:
    """Load what was heard of letters after they were handed over."""


@receipts.command("load")
@click.argument("file", type=click.File("rb"))
@data_option
@json_option
def load_command(file: IO[bytes], data: Path, *, as_json: bool) -> None:
    """Load a CSV of letters that came back: reference, reason, date. `-` = standard input.

    The same again changes nothing. A reference whose letter is not known yet waits for it.
    """
    found = asyncio.run(_load(file, data))
    if as_json:
        print_json(found)
    else:
        say(f"{number(found['taken'])} of {number(found['received'])} lines taken")
        for one in found["problems"]:
            say(f"line {one['line']}: {in_words(one['field'], one['problem'])}")
    if found["problems"]:
        raise Fault("not every line was taken: correct them, and load the file again")


async def _load(file: IO[bytes], data: Path) -> dict[str, Any]:
    whole: dict[str, Any] = {"received": 0, "taken": 0, "problems": [], "problemsTruncated": False}
    async with open_client(data) as client:
        for before, piece in _pieces(file):
            headers = {"Content-Type": "text/csv"}
            found = await client.call("POST", "tracking", "receipts", data=piece, headers=headers)
            whole["received"] += found["received"]
            whole["taken"] += found["taken"]
            whole["problems"] += [one | {"line": one["line"] + before} for one in found["problems"]]
            whole["problemsTruncated"] |= found["problemsTruncated"]
    return whole


def _pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Cut a file at line ends, each piece with its first line; give how many lines of the file came before, too."""
    header, before = file.readline(), 0
    while lines := file.readlines(_PIECE):
        yield before, header + b"".join(lines)
        before += len(lines)
