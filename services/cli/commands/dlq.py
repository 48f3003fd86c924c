"""`heraut dlq`: the records that a service could not read, shown and sent back once the reason is mended."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import asyncpg
import click

from services.cli.console import Fault, number, print_json, say, table
from services.cli.options import Commands, data_option, json_option
from services.cli.prepare import database_for_now
from services.cli.replaying import Replayed, delete_up_to, doomed_by, places_of, position, send_back
from services.cli.target import permitted_caller, read_settings
from services.core.access import Act
from services.kit.eventlog import (
    DeadLetter,
    DeadLetters,
    Place,
    TopicPartition,
    contract_of,
    dead_letter_topic,
    dead_letter_topics,
    installation_of,
    original_of,
    position_of,
)

__all__ = ["dlq"]

_COLUMNS = ("position", "when", "reason", "bytes")


@click.group(cls=Commands)
def dlq() -> None:
    """Look at dead letters, and send them back."""


@dlq.command("list")
@click.option("--topic", metavar="T", help="Of this dead-letter topic alone.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@data_option
@json_option
def list_command(topic: str | None, limit: int, data: Path, *, as_json: bool) -> None:
    """List dead letters: where they are and why, never what they hold."""
    if topic is not None:
        _check_topic(topic)

    async def fetch() -> Sequence[DeadLetter]:
        async with _open(data) as letters:
            return await letters.entries(limit, topic)

    described = [letter.described() for letter in asyncio.run(fetch())]
    if as_json:
        print_json(described)
    elif not described:
        say("there are no dead letters")
    else:
        table("Dead letters", _COLUMNS, [_row(one) for one in described], left=3)


def _check_topic(topic: str) -> None:
    """Raise Fault where nothing is ever set aside in a topic of this name, with those that are likely to be meant."""
    among = dead_letter_topics()
    with contextlib.suppress(ValueError):
        original, stage = original_of(topic)
        if dead_letter_topic(contract_of(original) or "", stage) in among:
            return
    meant = [one for one in among if one.startswith(f"{topic}.")] or get_close_matches(topic, among, n=3, cutoff=0.75)
    hint = f"did you mean {' or '.join(meant)}?" if meant else "there are " + ", ".join(among)
    raise Fault(f"{topic} is no topic of dead letters: {hint}", 2)


def _row(one: dict[str, str | int]) -> tuple[Any, ...]:
    when = datetime.fromtimestamp(int(one["at"]) / 1000, UTC).isoformat(timespec="seconds")
    return one["position"], when, one.get("reason", ""), one["bytes"]


@dlq.command()
@click.argument("position")
@data_option
@json_option
def show(position: str, data: Path, *, as_json: bool) -> None:
    """Show what is known of the dead letter at POSITION (as `list` gives it), without its content."""
    at, offset = _position(position)

    async def fetch() -> DeadLetter | None:
        async with _open(data) as letters:
            return await letters.entry(at, offset)

    letter = asyncio.run(fetch())
    if letter is None:
        raise Fault(f"there is no dead letter at {position}", 2)
    if as_json:
        print_json(letter.described())
    else:
        table(None, ("", ""), list(letter.described().items()), left=1)


@dlq.command()
@click.argument("positions", nargs=-1, metavar="[POSITION]...")
@click.option("--all", "everything", is_flag=True, help="All of them, or all of --topic.")
@click.option("--reason", metavar="R", help="Those that were set aside for this reason alone.")
@click.option("--topic", metavar="T", help="Those of this dead-letter topic alone.")
@click.option("--again", is_flag=True, help="Those too that were sent back before and are still there (Kafka).")
@data_option
@json_option
def replay(positions: tuple[str, ...], data: Path, *, as_json: bool, **wanted: Any) -> None:
    """Send dead letters back to their topics: those at POSITION, or many.

    It is written down who did: whoever HERAUT_TOKEN belongs to, or the operator of the data directory. Ctrl-C stops
    between two letters, and the same command goes on. Exit status 1 where one is not there (any more) or cannot be
    sent back.
    """
    many = _many(positions, wanted)
    caller = permitted_caller(data, Act.DEAD_LETTER_REPLAYED)

    async def send() -> Replayed:
        async with _open(data) as letters:
            if many:
                places = await places_of(letters, wanted["topic"], wanted["reason"])
            else:
                places = list(map(_position, positions))
            return await send_back(letters, places, caller, again=wanted["again"] or not many)

    done = asyncio.run(send())
    if as_json:
        print_json(done.as_json())
    else:
        say("\n".join(done.lines(each_told=not many)))
    if done.missing or done.refused or done.stopped:
        sys.exit(1)


def _many(positions: Sequence[str], wanted: dict[str, Any]) -> bool:
    """Tell whether letters are chosen by what they are. Raises click.UsageError where it is not clear which ones."""
    many = bool(wanted["everything"] or wanted.get("reason"))
    if many == bool(positions):
        raise click.UsageError("give positions, or --all or --reason")
    if wanted["topic"] is not None:
        _check_topic(wanted["topic"])
    return many


@dlq.command()
@click.argument("positions", nargs=-1, metavar="[POSITION]...")
@click.option("--all", "everything", is_flag=True, help="All of them, or all of --topic.")
@click.option("--topic", metavar="T", help="With --all: those of this dead-letter topic alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def purge(positions: tuple[str, ...], data: Path, *, yes: bool, as_json: bool, **wanted: Any) -> None:
    """Delete dead letters for good: the one at POSITION with all before it in its partition, or all.

    It is written down who did. Whoever is in a letter that was never sent back is told of nothing by it.
    """
    many = _many(positions, wanted)
    caller = permitted_caller(data, Act.DEAD_LETTERS_PURGED)

    async def delete() -> list[Place]:
        async with _open(data) as letters:
            if many:
                doomed = await places_of(letters, wanted["topic"])
            else:
                doomed = await doomed_by(letters, list(map(_position, positions)))
            never = len(set(doomed) - await letters.sent_back())
            if doomed and not yes and not click.confirm(_question(len(doomed), never), err=True):
                raise click.Abort
            await delete_up_to(letters, doomed, caller)
            return doomed

    gone = asyncio.run(delete())
    if as_json:
        print_json({"purged": list(map(position, gone))})
    else:
        say(f"{number(len(gone))} deleted")


def _question(count: int, never: int) -> str:
    return f"delete {count} dead letters for good, {never} of them never sent back?"


def _position(text: str) -> tuple[TopicPartition, int]:
    """Return partition and offset of a position. Raises Fault where the text is none."""
    try:
        return position_of(text)
    except ValueError:
        raise Fault(f"{text} is not a position: topic/partition/offset, as `heraut dlq list` gives it", 2) from None


@contextlib.asynccontextmanager
async def _open(data: Path) -> AsyncIterator[DeadLetters]:
    """Open the dead letters of the configured log."""
    settings = read_settings(data)
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: dead letters belong to no single room", 2)
        connection = await asyncpg.connect(owner)
        letters = installation_of(settings).dead_letters(connection)
        try:
            yield letters
        finally:
            await letters.close()
            await connection.close()
