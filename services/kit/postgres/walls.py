"""Which rows of the log a room may see and write: row level security, made from the contracts of the topics.

A room writes blocks of the topics that it produces, under its own sources alone, and reads those that it consumes,
beside what it wrote itself; of some more it sees how many there are. So a room that is taken over forges no other's
block. The owner of the tables, who migrates and replays dead letters, is under no such rule; nobody else may write as
the source of replays.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from notification.topics import TOPICS, TopicSpec

from services.core.rooms import ROOMS, STAGES
from services.kit.postgres.logins import role_of
from services.kit.postgres.pool import Connection

__all__ = ["Policy", "policies", "raise_walls"]

_REPLAYED = "dlq"  # the source of replayed dead letters, which their readers may prune
_GUARDED = ("log", "head", "reader")


@dataclass(frozen=True, slots=True, order=True)
class Policy:
    """One rule: what a role may do with which rows of a table of the schema `log`."""

    table: str
    role: str
    command: str  # select, insert, update or delete
    condition: str

    @property
    def name(self) -> str:
        """The rule's name in the database: another for each rule, so that an earlier one may stand beside it."""
        told_apart = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{self.role}_{self.command}_{told_apart}"

    @property
    def statement(self) -> str:
        """Return what makes the rule."""
        test = f"with check ({self.condition})" if self.command == "insert" else f"using ({self.condition})"
        return f'create policy "{self.name}" on log.{self.table} for {self.command} to "{self.role}" {test}'


def policies(topics: Iterable[TopicSpec] = TOPICS) -> list[Policy]:
    """Return every rule that the contracts of these topics come to."""
    known = tuple(topics)
    return sorted(policy for room in ROOMS for policy in _of_room(room, known))


def _of_room(room: str, topics: tuple[TopicSpec, ...]) -> Iterable[Policy]:
    role, stages = role_of(room), [stage for stage, of in STAGES.items() if of == room]
    consumed = [spec.name for spec in topics if {room, *stages}.intersection(spec.consumers)]
    counted = [spec.name for spec in topics if {room, *stages}.intersection(spec.heads)]
    own = _among("source", stages)
    written = " or ".join(_written_by(stage, topics) for stage in stages)
    seen = f"{own} or {_among('topic', consumed)}"
    yield Policy("log", role, "select", seen)
    yield Policy("log", role, "insert", written)
    yield Policy("log", role, "delete", f"{own} or (source = '{_REPLAYED}' and {_among('topic', consumed)})")
    yield Policy("head", role, "select", f"{seen} or {_among('topic', counted)}" if counted else seen)
    yield Policy("head", role, "insert", written)
    yield Policy("head", role, "update", written)
    # How far each stage has read is no secret: whoever wrote a block prunes it once all have read it.
    yield Policy("reader", role, "select", "true")
    yield Policy("reader", role, "insert", _among("stage", stages))
    yield Policy("reader", role, "update", _among("stage", stages))


def _written_by(stage: str, topics: Iterable[TopicSpec]) -> str:
    """Return what holds for the blocks that a stage may write: those of its topics, and its dead letters."""
    produced = _among("topic", [spec.name for spec in topics if stage in spec.producers])
    return f"(source = '{stage}' and ({produced} or topic like '%.{stage}.dlq'))"


def _among(column: str, words: Iterable[str]) -> str:
    """Return what holds for rows with one of these words; names of topics and stages need no quoting."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"{column} = any (array[{listed}]::text[])"


async def raise_walls(connection: Connection, *, drop: bool) -> None:
    """Bring the rules in the database to what the contracts say; part of the caller's transaction.

    Without `drop`, rules of other contracts stay beside them: what one rule permits is permitted. Rules that stand
    already are left alone: to change one waits for whoever uses its table.
    """
    open_tables = await connection.fetch(
        "select relname from pg_class where relnamespace = 'log'::regnamespace and relname = any($1)"
        " and not relrowsecurity",
        _GUARDED,
    )
    for row in open_tables:
        await connection.execute(f"alter table log.{row['relname']} enable row level security")
    rows = await connection.fetch(
        "select relname, polname from pg_policy join pg_class on pg_class.oid = polrelid"
        " where relnamespace = 'log'::regnamespace"
    )
    there = {(table, name) for table, name in rows}
    wanted = {(policy.table, policy.name): policy for policy in policies()}
    for table, name in sorted(there - wanted.keys()) if drop else ():
        await connection.execute(f'drop policy "{name}" on log.{table}')
    for place in sorted(wanted.keys() - there):
        await connection.execute(wanted[place].statement)
