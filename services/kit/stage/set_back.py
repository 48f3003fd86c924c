"""A log outside the database that is ahead of it, as the database was set back to a backup: how to go on with both.

The rooms' positions, sequences and effects are of one moment, as they lie in one database. Up to that moment the log
has the same blocks, so each room reads on where it stood. What was published later is nobody's, and its sequences are
given again: a timeline begins (`eventlog/timelines.py`), in which they count anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from notification.topics import TOPICS

from services.core.rooms import ROOMS, STAGES
from services.kit.errors import ConfigError
from services.kit.eventlog import EventLog, TopicPartition, begin_timeline
from services.kit.postgres import Connection, Queries
from services.kit.stage.takeover import last_sequences, output_places

__all__ = ["Ahead", "go_on_behind"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class Ahead(NamedTuple):
    """Blocks of a source that the log has and the database knows nothing of."""

    source: str
    at: TopicPartition
    first: int
    last: int | None  # None: of a timeline that is not known here


async def go_on_behind(
    connection: Connection, open_log: Callable[[str], EventLog], partitions: int, number: int
) -> list[Ahead]:
    """Begin a timeline of this number where the log is ahead; returns where it is. Nothing changes where it is not.

    `connection` is the owner's; `open_log` opens the log of a stage, which is closed again. Raises ConfigError while a
    service holds a lease, and where one took blocks that this database never gave: these would be lost. Raises
    RetryableError where the log cannot be reached.
    """
    ahead = [one for stage in STAGES for one in await _ahead(connection, open_log(stage), stage, partitions)]
    if ahead:
        await _check_nobody_went_on(connection)
        await begin_timeline(connection, number)
    return ahead


async def _ahead(connection: Connection, log: EventLog, stage: str, partitions: int) -> list[Ahead]:
    """Return where the log has blocks of a stage that the database did not give. Closes the log."""
    try:
        read = [spec.name for spec in TOPICS if stage in spec.consumers and spec.read == "stage"]
        every = range(partitions)
        last, faults = await last_sequences(log, stage, output_places(stage, read, every, partitions))
    finally:
        await log.close()
    rows = await connection.fetch(_QUERIES["read_heads"], stage, list(every))
    heads = {TopicPartition(topic, partition): given for topic, partition, given in rows}
    found = [
        Ahead(stage, at, heads.get(at, 0) + 1, sequence)
        for at, sequence in sorted(last.items())
        if sequence > heads.get(at, 0)
    ]
    unknown = [Ahead(stage, TopicPartition("", partition), 0, None) for partition in sorted(faults)]
    return found + unknown


async def _check_nobody_went_on(connection: Connection) -> None:
    for room in ROOMS:
        await connection.execute("select set_config('search_path', $1, false)", room)
        if await connection.fetchval(_QUERIES["is_held"]):
            raise ConfigError(f"the log is ahead of the database, and {room} runs: stop all services, and repeat this")
        if row := await connection.fetchrow(_QUERIES["taken_beyond"]):
            raise ConfigError(
                f"{row['stage']} took {row['taken']} blocks of {row['source']} in {row['topic']}/{row['partition']},"
                f" and the database gave {row['given']}: restore it again, and run this before any service starts"
            )
