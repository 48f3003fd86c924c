"""Which event logs there are. Everything that depends on the word of HERAUT_LOG is asked of an `Installation`.

An adapter is loaded when it is chosen: a process on the embedded log never loads the client of Kafka.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from services.kit.config import ServiceConfig
from services.kit.eventlog.durability import Durability
from services.kit.eventlog.port import EventLog
from services.kit.eventlog.replay import DeadLetters
from services.kit.eventlog.rights import Granted
from services.kit.postgres import Connection, Pool

__all__ = ["Installation", "installation_of"]


class Installation(Protocol):
    """An event log as it is configured: what a process, a command and the demo need of it."""

    @property
    def outside_database(self) -> bool:
        """Tell whether the log lies outside the database: then it has a place of its own, where topics are made."""
        ...

    def open(self, stage: str, pool: Pool) -> EventLog:
        """Open the log of one stage of one process; `pool` is the stage's own database."""
        ...

    def dead_letters(self, connection: Connection) -> DeadLetters:
        """Open the dead letters; `connection` is the owner's of the database."""
        ...

    async def make_topics(self, family_members: Iterable[str]) -> Sequence[str]:
        """Make the topics that are missing; returns their names. Safe to repeat.

        `family_members` are the topics of upstream systems that this installation has: members of a family, or the
        topic itself that has one. No other one is made. Raises ConfigError where a topic exists with another number
        of partitions, cannot be made, or belongs to no family; RetryableError where the log cannot be reached.
        """
        ...

    async def grant(self, producers: Mapping[str, str]) -> Granted:
        """Let each topic of `producers` be written by the user that it names, and by nobody else. Safe to repeat.

        The topics are family members as `make_topics` takes them; a user is one of the log's servers. Raises
        ConfigError for another topic, for a user that is none, and where we may not change rights; RetryableError
        where the log cannot be reached.
        """
        ...

    async def grant_rooms(self, users: Mapping[str, str], family_members: Iterable[str]) -> Granted:
        """Let the user of each room do what the contracts of the topics give it, and nothing else. Safe to repeat.

        `users` are the log's servers' own, by room. Raises ConfigError for a user that is none, or of two rooms, and
        where we may not change rights; RetryableError where the log cannot be reached.
        """
        ...

    async def topics(self) -> Sequence[str]:
        """Return the names of Heraut's topics in the log. Raises RetryableError."""
        ...

    async def delete_topics(self) -> None:
        """Delete Heraut's topics from the log. Raises RetryableError."""
        ...

    async def compare_partitions(self) -> None:
        """Compare HERAUT_PARTITIONS with the topics that exist; one in the database has its number there.

        Raises ConfigError where a topic has another number, RetryableError where the log cannot be reached.
        """
        ...

    async def durability(self, family_members: Iterable[str]) -> Durability:
        """Say how well the log keeps what it acknowledged, these topics included. Raises RetryableError."""
        ...

    async def check(self, family_members: Iterable[str]) -> str:
        """Say in a few words where the log is, once it answered and has all that it needs, these topics included.

        Raises ConfigError where something is missing or made otherwise, RetryableError where the log cannot be reached.
        """
        ...


def installation_of(config: ServiceConfig, room: str | None = None) -> Installation:
    """Return the event log that HERAUT_LOG names, with its settings: an operator's, or those of a room."""
    return _LOADERS[config.log](config, room)


def _embedded(_: ServiceConfig, _room: str | None) -> Installation:
    from services.kit.eventlog.embedded import EmbeddedInstallation  # noqa: PLC0415 - see the module's docstring

    return EmbeddedInstallation()


def _kafka(config: ServiceConfig, room: str | None) -> Installation:
    from services.kit.eventlog.kafka import KafkaInstallation  # noqa: PLC0415 - see the module's docstring

    return KafkaInstallation(config, room)


# By the word of HERAUT_LOG. `config.LOGS` has the same words, with the setting that each of them needs.
_LOADERS: Mapping[str, Callable[[ServiceConfig, str | None], Installation]] = MappingProxyType(
    {"postgres": _embedded, "kafka": _kafka}
)
