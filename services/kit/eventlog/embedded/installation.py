"""The embedded log as it is configured: what a process, a command and the demo need of it."""

from collections.abc import Iterable, Mapping, Sequence

from services.kit.eventlog.durability import Durability
from services.kit.eventlog.embedded.bell import Bell
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.embedded.replay import EmbeddedDeadLetters
from services.kit.eventlog.rights import Granted
from services.kit.postgres import Connection, Pool

__all__ = ["EmbeddedInstallation"]


class EmbeddedInstallation:
    """The log table of a database: the migrations make it, so there are no servers and no topics to make."""

    outside_database = False

    def __init__(self) -> None:
        self._bells: dict[Pool, Bell] = {}

    def open(self, stage: str, pool: Pool) -> EmbeddedLog:
        """Open the log of one stage of one process, in the database of `pool`; its logs listen on one connection."""
        return EmbeddedLog(pool, stage, self._bells.setdefault(pool, Bell(pool)))

    def dead_letters(self, connection: Connection) -> EmbeddedDeadLetters:
        """Open the dead letters in the database of `connection`."""
        return EmbeddedDeadLetters(connection)

    async def make_topics(self, family_members: Iterable[str]) -> Sequence[str]:  # noqa: ARG002 - the port's: it has none
        """Return no names: a topic is a word in the log table."""
        return ()

    async def grant(self, producers: Mapping[str, str]) -> Granted:  # noqa: ARG002 - the port's: it has no producers
        """Change nothing: the log has no topics that others write, and the database's roles are its wall."""
        return Granted(enforced=True)

    async def grant_rooms(self, users: Mapping[str, str], family_members: Iterable[str]) -> Granted:  # noqa: ARG002 - the port's: it has no users
        """Change nothing: migrations raise the walls between the rooms' roles."""
        return Granted(enforced=True)

    async def topics(self) -> Sequence[str]:
        """Return no names."""
        return ()

    async def delete_topics(self) -> None:
        """Nothing to do: the blocks go with the database."""

    async def compare_partitions(self) -> None:
        """Nothing to do: the number stands in the database, and is compared there."""

    async def durability(self, family_members: Iterable[str]) -> Durability:  # noqa: ARG002 - the port's: it has no topics
        """Say that it is as durable as the database."""
        return Durability("as the database keeps it")

    async def check(self, family_members: Iterable[str]) -> str:  # noqa: ARG002 - the port's: it has none
        """Say where the log is; the database is checked by itself."""
        return "embedded in the database"
