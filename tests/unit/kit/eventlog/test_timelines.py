"""Timelines: whatever is backed up, set back and published late, a reader takes the database's own history."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from services.kit.eventlog.port import Cursor, Record, TopicPartition
from services.kit.eventlog.timelines import Timeline, Timelines
from services.kit.stage.plan import Read, plan_batch

AT = TopicPartition("heraut.notices.released.v1", 3)


@dataclass(frozen=True)
class Database:
    """What lies in one database: blocks that a source committed, and how far they are published, and taken."""

    blocks: tuple[bytes, ...] = ()
    published: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    effects: tuple[bytes, ...] = ()  # of the reader, in the transaction that moved the cursor
    timelines: Timelines = field(default_factory=Timelines)


class World:
    """A database with its backups, and a log that is never set back."""

    def __init__(self) -> None:
        self.database = Database()
        self.backups = [self.database]
        self.log: list[Record] = []
        self.given = 0
        self.restores = 0

    def commit(self) -> None:
        """Let the source commit another block."""
        self.given += 1
        blocks = (*self.database.blocks, str(self.given).encode())
        self.database = replace(self.database, blocks=blocks)

    def publish(self, count: int, *, marked: bool) -> None:
        """Publish the next blocks; where the process dies before it marks them, the same come again."""
        now, first = self.database.timelines.current, self.database.published
        for seq, block in enumerate(self.database.blocks[first : first + count], first + 1):
            self.log.append(Record(*AT, len(self.log), "a", seq, 0, block, timeline=now))
        if marked:
            self.database = replace(self.database, published=min(first + count, len(self.database.blocks)))

    def read(self, count: int) -> None:
        """Let the reader take the next records, in one transaction."""
        offset = self.database.cursor.next_offset
        seen = [one for one in self.log[offset : offset + count] if self.database.timelines.holds(one)]
        plan = plan_batch(map(Read, seen), {AT: self.database.cursor}, offsets=True)
        assert {} == plan.gaps
        effects = (*self.database.effects, *(read.record.value or b"" for read in plan.taken))
        cursor = plan.moves[0].after if plan.moves else self.database.cursor
        self.database = replace(self.database, cursor=cursor, effects=effects)

    def back_up(self) -> None:
        """Keep the database as it is."""
        self.backups.append(self.database)

    def restore(self, number: int) -> None:
        """Set the database back to a backup, an older one than the last perhaps, and begin a timeline."""
        self.restores += 1
        back = self.backups[number % len(self.backups)]
        begun = Timeline(self.restores, {("a", AT): len(back.blocks)})
        self.database = replace(back, timelines=Timelines((*back.timelines.begun, begun)))

    def publish_late(self, number: int) -> None:
        """Let a process that nobody stopped publish what it committed before the database was set back."""
        before = self.backups[number % len(self.backups)]
        if before.timelines != self.database.timelines:
            present, self.database = self.database, before
            self.publish(3, marked=False)
            self.database = present


_NUMBERS = st.integers(0, 5)
_STEPS = st.one_of(
    st.just(("commit",)),
    st.tuples(st.just("publish"), _NUMBERS, st.booleans()),
    st.tuples(st.just("read"), _NUMBERS),
    st.just(("back_up",)),
    st.tuples(st.just("restore"), _NUMBERS),
    st.tuples(st.just("publish_late"), _NUMBERS),
)


@given(st.lists(_STEPS, max_size=60))
def test_a_reader_takes_what_its_database_has_and_nothing_else(steps: list[tuple[object, ...]]) -> None:
    """Nothing is lost, nothing comes twice, and nothing of a history that was given up has an effect."""
    world = World()
    for name, *arguments in steps:
        match name, arguments:
            case "publish", [int(count), bool(marked)]:
                world.publish(count, marked=marked)
            case _:
                getattr(world, str(name))(*arguments)
    world.publish(len(world.database.blocks), marked=True)
    world.read(len(world.log))

    assert world.database.blocks == world.database.effects


def test_what_began_later_than_is_known_is_seen() -> None:
    """The database was set back behind a restore: nobody may go on before it is said."""
    record = Record(*AT, 0, "a", 1, 0, b"", timeline=7)
    known = Timelines((Timeline(7, {}),))

    assert (True, False) == (Timelines().is_behind(record), known.is_behind(record))
    assert (False, True) == (Timelines().holds(record), known.holds(record))


def test_what_others_write_has_no_timeline() -> None:
    """It has no sequence that could be given twice."""
    assert Timelines((Timeline(7, {}),)).holds(Record(*AT, 0, "", 0, 0, b""))
