"""A database that was set back to a backup: what providers were handed since then, it does not know.

So nothing begins until an operator has looked, and what may have gone out is listed as unknown, where no provider can
be asked and none takes the same once only: e-mail over SMTP. The other channels' providers know our keys and files.
"""

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from services.core.access import Act
from services.core.channel import CHANNELS, MAY_END_UNKNOWN, Channel
from services.kit.postgres import Connection, Queries

__all__ = ["RESTORED", "Doubt", "doubt_all"]

RESTORED: Final = "restored"  # who paused the channels: no account, but the command that an operator ran
_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class Doubt(NamedTuple):
    """What became of a channel."""

    channel: Channel
    paused: bool  # by this call; it was paused before otherwise
    unknown: int  # attempts that were queued or begun, and are listed now


async def doubt_all(connection: Connection, request_id: str, now: datetime) -> list[Doubt]:
    """Pause every channel, and list as unknown what waits where nobody can tell; repeated, it lists what came since.

    `connection` is in the schema of dispatch, as its owner, in a transaction.
    """
    return [await _doubt(connection, channel, request_id, now) for channel in CHANNELS]


async def _doubt(connection: Connection, channel: Channel, request_id: str, now: datetime) -> Doubt:
    await connection.execute(_QUERIES["lock_channel"], int(channel))
    row = await connection.fetchrow(_QUERIES["channel_stands"], int(channel))
    goes_on = row is None or row["act"] != Act.CHANNEL_PAUSED
    if goes_on:
        about = int(channel), Act.CHANNEL_PAUSED.value, RESTORED, request_id
        await connection.execute(_QUERIES["record_act"], *about)
    unknown = 0
    if channel & MAY_END_UNKNOWN:
        unknown = int(await connection.fetchval(_QUERIES["doubt"], int(channel), now))
    return Doubt(channel, goes_on, unknown)
