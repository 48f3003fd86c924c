"""Whatever comes between what: no permission is ahead of what intake had taken before it was given."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.core.channel import Channel, channel_mask
from services.core.notices import FLAG_RETRACTED
from services.kit.eventlog.port import Record
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import PARTITIONS, Person, Scene, Sent, block, read_back

PLACES = 2  # partitions with people in them
PERSONS = [bytes([place]) + bytes([number]) * 15 for place in range(PLACES) for number in (1, 2)]
MEMBERS = {bytes([number]) * 16: f"c{number % 2}" for number in range(4)}  # with their cohorts

_members = st.sampled_from(sorted(MEMBERS))
BOTH = (Channel.EMAIL, Channel.LETTER)  # that people of c0 have; those of c1 have the first alone
_some_places = st.sets(st.sampled_from(range(PLACES)), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), _members, st.sampled_from(PERSONS)),
        st.tuples(st.just("release"), st.sampled_from(["c0", "c1"]), st.booleans()),
        st.tuples(st.just("open"), st.sets(st.sampled_from(BOTH), min_size=1), st.none()),
        st.tuples(st.just("take"), _some_places, st.integers(1, 4)),
        st.tuples(st.just("lose"), _some_places, st.integers(1, 4)),
        st.tuples(st.just("tick"), _some_places, st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=24,
)


@dataclass
class _Model:
    """What intake acknowledged, and who of it may be told what; deduplication is given the blocks piece by piece."""

    scene: Scene
    logs: dict[int, list[Record]] = field(default_factory=lambda: {place: [] for place in range(PLACES)})
    taken: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PLACES), 0))
    said: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)  # member -> version, person
    released: dict[str, dict[bytes, tuple[int, bytes]]] = field(default_factory=dict)  # what was said before it was
    versions: dict[str, int] = field(default_factory=lambda: {"c0": 1, "c1": 1})
    channels: list[set[Channel]] = field(default_factory=lambda: [{Channel.LETTER}])  # of each version of the document
    # Of each channel that is open: what was said before it was opened.
    opened: dict[Channel, dict[bytes, tuple[int, bytes]]] = field(default_factory=lambda: {Channel.LETTER: {}})

    async def begin(self) -> None:
        """Forget the example before; everybody was heard of once, and nobody may be told."""
        await self.scene.pool.execute("delete from members; delete from notices; delete from input; delete from totals")
        self.restart()
        self.scene.incident(channels=self.channels[0])
        for cohort in self.versions:
            self.scene.cohort(cohort, released=False)
        for member, person in zip(sorted(MEMBERS), PERSONS, strict=True):
            self.say(member, person)
        await self.take(range(PLACES), 1_000)

    def say(self, member: bytes, person: bytes) -> None:
        """Acknowledge a record, or its correction; one that changes the person is taken back where it was."""
        version, before = self.said.get(member, (0, person))
        if before != person:
            self._append(Person(member, before, version + 1, flags=FLAG_RETRACTED))
        has = BOTH if MEMBERS[member] == "c0" else BOTH[:1]
        self._append(Person(member, person, version + 1, channels=int(channel_mask(has))))
        self.said[member] = (version + 1, person)

    def _append(self, row: Person) -> None:
        place = row.person[0]
        seq = len(self.logs[place]) + 1
        self.logs[place].append(block(MEMBERS[row.member], [row], partition=place, at=row.version, seq=seq))

    def release(self, cohort: str, given: bool) -> None:  # noqa: FBT001 - drawn
        """Give a permission, or take it back."""
        if (cohort in self.released) == given:
            return
        self.versions[cohort] += 1
        self.scene.cohort(cohort, released=given, version=self.versions[cohort], after=self._heads())
        if given:
            self.released[cohort] = dict(self.said)
        else:
            del self.released[cohort]

    def open(self, channels: set[Channel]) -> None:
        """Put a version of the document with these channels, and no other."""
        self.channels.append(channels)
        self.scene.incident(version=len(self.channels), channels=sorted(channels), after=self._heads())
        self.opened = {one: self.opened.get(one, dict(self.said)) for one in channels}

    def _heads(self) -> list[int]:
        return [len(self.logs.get(place, ())) for place in range(PARTITIONS)]

    async def take(self, places: Collection[int], count: int, *, lost: bool = False) -> None:
        """Take the next blocks of some partitions in one transaction; a lost one is rolled back, and forgotten."""
        batch = [one for place in sorted(places) for one in self.logs[place][self.taken[place] :][:count]]
        if not batch:
            return
        moved = self.taken | {one.partition: one.seq for one in batch}
        work = [self.scene.handler.decode(one) for one in batch]
        async with self.scene.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await self.scene.took(moved, connection)
            sent = read_back(await self.scene.handler.apply(connection, work))
            if lost:
                await transaction.rollback()
                self.restart()
                return
            await transaction.commit()
        self.taken = moved
        self.check(sent)

    async def tick(self, places: Collection[int]) -> int:
        """Look for people who may be told now; returns how many were."""
        sent = await self.scene.tick(sorted(places))
        self.check(sent)
        return len(sent.ids)

    def restart(self) -> None:
        """Forget all that is in memory."""
        self.scene.handler = self.scene.new_handler()

    def check(self, sent: Sent) -> None:
        """See that each notice is allowed by a release, and says no less than was acknowledged before that.

        It says no less either than was acknowledged before the last of its channels was opened.
        """
        for _, notices in sent.notices:
            usable = channel_mask(self.channels[notices.incident_version - 1])
            for at, about in enumerate(zip(notices.pseudonyms, notices.members, notices.versions, strict=True)):
                assert any(_holds(before, *about) for before in self.released.values())
                routed = [one for one in BOTH if one & usable & notices.channels[at]]
                assert routed
                assert all(one in self.opened and _holds(self.opened[one], *about) for one in routed)

    async def finish(self) -> None:
        """Take all that is left, and see that everybody of a released cohort was told, once all channels are open."""
        self.open(set(BOTH))
        await self.take(range(PLACES), 1_000)
        while await self.tick(range(PLACES)):
            pass
        due = {person for member, (_, person) in self.said.items() if MEMBERS[member] in self.released}
        rows = await self.scene.pool.fetch("select distinct person from told where not void")
        assert due <= {row["person"] for row in rows}


def _holds(before: dict[bytes, tuple[int, bytes]], person: bytes, member: bytes, version: int) -> bool:
    """Tell whether a record is at least what was acknowledged of it before a release."""
    last, of = before.get(member, (0, person))
    return version > last or (version == last and of == person)


@pytest.fixture
async def interleaving_scene(room_pool: RoomPool) -> Scene:
    """Return deduplication on a database that all examples share."""
    return Scene(await room_pool("deduplication"))


FIRST, SECOND = sorted(MEMBERS)[:2]


@given(steps=STEPS)
@example(  # who has no channel but the one that is opened
    steps=[
        ("release", "c1", True),
        ("say", SECOND, PERSONS[1]),
        ("open", set(BOTH), None),
        ("tick", {0}, None),
    ]
)
@example(  # who is told by letter meanwhile is not told by e-mail
    steps=[
        ("release", "c0", True),
        ("say", FIRST, PERSONS[0]),
        ("open", set(BOTH), None),
        ("tick", {0}, None),
    ]
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_interleaving_lets_a_permission_overtake_what_was_taken_before_it(
    interleaving_scene: Scene, steps: Sequence[tuple[str, object, object]]
) -> None:
    """Corrections, moves, releases, channels that open and close, progress, rollbacks, restarts and ticks."""
    model = _Model(interleaving_scene)
    await model.begin()
    for step in steps:
        match step:
            case "say", bytes(member), bytes(person):
                model.say(member, person)
            case "release", str(cohort), bool(given_now):
                model.release(cohort, given_now)
            case "open", set(channels), _:
                model.open(channels)
            case "take" | "lose" as what, set(places), int(count):
                await model.take(places, count, lost=what == "lose")
            case "tick", set(places), _:
                await model.tick(places)
            case _:
                model.restart()
    await model.finish()
