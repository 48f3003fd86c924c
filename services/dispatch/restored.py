"""A database that was set back to a backup: what providers were handed since then, it does not know.

So nothing begins until an operator has looked. What becomes of attempts that may have gone out depends on what their
provider can tell: a blind one nothing, so they are listed as unknown; one that can be asked is asked for each before
anything is sent; the files of a print house say themselves whose letters they have; and one that honours our key takes
the same once only.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from services.core.access import Act
from services.core.channel import CHANNELS, Channel
from services.kit.postgres import Connection, Queries

__all__ = ["AFTERWARDS", "RESTORED", "Afterwards", "Doubt", "Found", "afterwards", "doubt_all", "read_found"]

RESTORED: Final = "restored"  # who paused the channels: no account, but the command that an operator ran
_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class Afterwards(StrEnum):
    """What is done about attempts that may have been handed over since the backup."""

    LISTED = "listed"  # they are unknown
    ASKED = "asked"  # they are taken for begun, so that the provider is asked first
    READ = "read"  # the provider's files are read before anything begins
    REPEATED = "repeated"  # nothing: the provider honours our key


# Of each provider, by the name that the database keeps of it (`providers`). A test holds it to the adapters' traits.
AFTERWARDS: Final[Mapping[str, Afterwards]] = MappingProxyType(
    {
        "smtp": Afterwards.LISTED,
        "mail-api": Afterwards.ASKED,
        "notify": Afterwards.ASKED,
        "portal": Afterwards.REPEATED,
        "fbs": Afterwards.LISTED,
        "print": Afterwards.READ,
    }
)


class Doubt(NamedTuple):
    """What became of a channel. All are attempts that were queued, or begun, or refused and not told."""

    channel: Channel
    paused: bool  # by this call; it was paused before otherwise
    providers: Sequence[str]  # whom it may have handed over to since the backup
    afterwards: Afterwards | None  # None: it never handed over to anybody
    unknown: int  # listed now
    asked: int  # their provider is asked first
    set_aside: int  # held back by a pause: in doubt once that ends
    unnamed: int  # finished print files of which nothing says whose letters they have


class Found(NamedTuple):
    """Letters of finished print files that the database knew nothing of."""

    letters: int
    settled: int  # an attempt came for them, and is settled as its file says
    strangers: int  # of notices that the database does not know to this day


def afterwards(providers: Collection[str]) -> Afterwards | None:
    """Return what is done about attempts of these; of several nobody alone can tell, so they are listed."""
    ways = {AFTERWARDS.get(provider, Afterwards.LISTED) for provider in providers}
    if len(providers) > 1 and ways != {Afterwards.REPEATED}:
        return Afterwards.LISTED
    return next(iter(ways), None)


async def doubt_all(connection: Connection, request_id: str, now: datetime) -> list[Doubt]:
    """Pause every channel, and see to what waits there; repeated, it sees to what came since.

    `connection` is in the schema of dispatch, as its owner, in a transaction.
    """
    noted = {channel: await connection.fetchrow(_QUERIES["set_back"], int(channel), now) for channel in CHANNELS}
    found = []
    for channel, row in noted.items():
        paused = await _pause(connection, channel, request_id)
        providers: list[str] = row["providers"] if row else []
        way = afterwards(providers)
        unknown = asked = 0
        if way is Afterwards.LISTED:
            unknown = int(await connection.fetchval(_QUERIES["doubt"], int(channel), now))
        elif way is Afterwards.ASKED and row:
            asked = int(await connection.fetchval(_QUERIES["ask_first"], int(channel), now, row["since"]))
        await connection.execute(_QUERIES["read_files_first"], int(channel), way is Afterwards.READ)
        set_aside = int(await connection.fetchval(_QUERIES["set_aside"], int(channel)))
        unnamed = row["unnamed"] if row else 0
        found.append(Doubt(channel, paused, providers, way, unknown, asked, set_aside, unnamed))
    return found


async def read_found(connection: Connection) -> Found:
    """Return what print files said that were read back."""
    row = await connection.fetchrow(_QUERIES["found"])
    return Found(row["letters"], row["settled"], row["strangers"]) if row else Found(0, 0, 0)


async def _pause(connection: Connection, channel: Channel, request_id: str) -> bool:
    """Pause a channel; tells whether it went on."""
    await connection.execute(_QUERIES["lock_channel"], int(channel))
    row = await connection.fetchrow(_QUERIES["channel_stands"], int(channel))
    if row is not None and row["act"] == Act.CHANNEL_PAUSED:
        return False
    await connection.execute(_QUERIES["record_act"], int(channel), Act.CHANNEL_PAUSED.value, RESTORED, request_id)
    return True
