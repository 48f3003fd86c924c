"""People of several identities, whatever comes between what: no permission is ahead of what came before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.core.cohort import Cohort
from services.core.ids import partitions_of
from services.kit.eventlog.port import Record
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, PARTITIONS, Person, Scene, Sent, block, moves

PLACES = range(3)
IDENTITIES = [bytes([0]) * 3 + bytes([place]) + bytes(12) for place in PLACES]
_identities, _places = st.sampled_from(IDENTITIES), st.sampled_from(PLACES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("correct"), _identities),
        st.tuples(st.just("tie"), _identities, _identities),
        st.tuples(st.sampled_from(["release", "take_back", "pause", "resume", "restart"])),
        st.tuples(st.just("take"), _places, st.integers(1, 3)),
        st.tuples(st.just("tick"), _places),
    ),
    max_size=25,
)


@dataclass
class _World:
    """What intake acknowledged, and what deduplication gave out; it is given the blocks piece by piece."""

    scene: Scene
    logs: dict[int, list[Record]] = field(default_factory=lambda: {place: [] for place in range(PARTITIONS)})
    taken: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    homes: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    said: dict[bytes, int] = field(default_factory=dict)  # identity -> the version of its one record
    allowed: Mapping[bytes, int] | None = None  # what was said before the release, while there is one
    resumed: Mapping[bytes, int] = field(default_factory=dict)  # what was said before the last pause ended
    out: dict[bytes, tuple[int, bytes, int]] = field(default_factory=dict)  # notice -> partition, identity, version
    recalled: set[tuple[bytes, int]] = field(default_factory=set)  # notices, each with the partition
    cohort: Cohort = field(
        default_factory=lambda: Cohort(
            INCIDENT, "c1", 1, "source", None, auto_release=False, sealed=False, released=False
        )
    )

    async def begin(self) -> None:
        """Forget the example before; everybody was heard of once."""
        tables = ("members", "notices", "totals", "homes", "input", "announced")
        await self.scene.pool.execute("".join(f"delete from {table};" for table in tables))
        self.restart()
        self.scene.incidents.put(self.cohort)
        for identity in IDENTITIES:
            self.correct(identity)
        for place in PLACES:
            await self.take(place, 1)

    def correct(self, identity: bytes) -> None:
        """Acknowledge the next version of an identity's record."""
        version = self.said[identity] = self.said.get(identity, 0) + 1
        place = self._place(self._home(identity))
        rows, seq = [Person(identity[::-1], identity, version)], len(self.logs[place]) + 1
        self.logs[place].append(block("c1", rows, partition=place, at=version, seq=seq, homes=self.homes))

    def tie(self, one: bytes, home: bytes) -> None:
        """Bring an identity home to another one with all that are at home with it, or back to itself."""
        target = self._home(home) if one != home else one
        together = [one] if one == home else [each for each in IDENTITIES if self._home(each) == self._home(one)]
        moved = {
            each: (target, self.homes.get(each, (each, 0))[1] + 1) for each in together if self._home(each) != target
        }
        if moved:
            place = self._place(target)
            self.logs[place].append(moves(moved, partition=place, seq=len(self.logs[place]) + 1))
            self.homes |= moved

    def _home(self, identity: bytes) -> bytes:
        return self.homes.get(identity, (identity, 0))[0]

    def _place(self, home: bytes) -> int:
        return partitions_of([home], PARTITIONS)[0]

    def release(self) -> None:
        """Let everybody go."""
        if self.allowed is None:
            self._turn(released=True, release_after=self._heads(), tied=bool(self.homes))
            self.allowed = dict(self.said)

    def take_back(self) -> None:
        """Take the permission back."""
        self._turn(released=False, release_after=())
        self.allowed = None

    def pause(self) -> None:
        """Begin a pause, if there is none."""
        if not self.cohort.paused:
            self._turn(paused_since=self.cohort.version + 1, resumed_after=())

    def resume(self) -> None:
        """End the pause."""
        if self.cohort.paused:
            self._turn(paused_since=0, resumed_after=self._heads(), tied=bool(self.homes))
            self.resumed = dict(self.said)

    def _turn(self, **changed: object) -> None:
        now = {name: getattr(self.cohort, name) for name in self.cohort.__dataclass_fields__}
        self.cohort = Cohort(**{**now, "version": self.cohort.version + 1, **changed})
        self.scene.incidents.put(self.cohort)

    def _heads(self) -> tuple[int, ...]:
        return tuple(len(self.logs[place]) for place in range(PARTITIONS))

    async def take(self, place: int, count: int) -> None:
        """Take blocks of one partition."""
        records = self.logs[place][self.taken[place] :][:count]
        if records:
            self.taken[place] += len(records)
            sent = await self.scene.take(*records)
            await self.scene.took({place: self.taken[place]})
            self._check(sent)

    async def tick(self, *places: int) -> int:
        """Look for people who may be told now, and say how far it has come; returns how many were."""
        sent = await self.scene.tick(places or range(PARTITIONS))
        self._check(sent)
        return len(sent.ids)

    def restart(self) -> None:
        """Forget all that is in memory."""
        self.scene.handler = self.scene.new_handler()

    def _check(self, sent: Sent) -> None:
        """See that each notice says no less than was acknowledged before what let it go.

        Where dispatch would let go what was paused, all others have been called back in the partition that they went
        through.
        """
        for partition, notices in sent.notices:
            for notice, identity, version in zip(notices.ids, notices.pseudonyms, notices.versions, strict=True):
                self.out[notice] = partition, identity, version
                assert self.allowed is not None
                assert version >= self.allowed[identity]
                assert version >= self.resumed.get(identity, 0)
        self.recalled.update((notice, sent.places[notice]) for notice in sent.recalled)
        for place, known in sent.marked.items():
            if not self.cohort.is_paused_in(place, known):
                stale = {
                    (notice, partition)
                    for notice, (partition, identity, version) in self.out.items()
                    if partition == place and version < self.resumed.get(identity, 0)
                }
                assert stale <= self.recalled


@pytest.fixture
async def tied_scene(room_pool: RoomPool) -> Scene:
    """Return deduplication on a database that all examples share."""
    return Scene(await room_pool("deduplication"))


ONE, OTHER = IDENTITIES[1:]


@given(steps=STEPS)
@example(  # the correction is on its way in the old home
    steps=[("correct", ONE), ("tie", ONE, OTHER), ("release",), ("take", 2, 3), ("tick", 2)]
)
@example(  # the tie comes after the release, and overtakes the correction before it
    steps=[("correct", ONE), ("release",), ("tie", ONE, OTHER), ("take", 2, 3), ("tick", 2)]
)
@example(  # the correction is on its way behind the tie
    steps=[("tie", ONE, OTHER), ("correct", ONE), ("release",), ("tick", 1)]
)
@example(  # the notice went through the old home, and is called back from the new one
    steps=[
        *[("release",), ("tick", 1), ("pause",), ("tie", ONE, OTHER), ("correct", ONE), ("resume",)],
        *[("tick", 1), ("take", 2, 3), ("tick", 1)],
    ]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_interleaving_lets_a_permission_overtake_what_is_known_of_tied_people(
    tied_scene: Scene, steps: Sequence[tuple[str, bytes | int, bytes | int]]
) -> None:
    """Corrections, ties made and undone, releases, pauses, progress, restarts and ticks; in the end all are told."""
    world = _World(tied_scene)
    await world.begin()
    for name, *arguments in steps:
        if name in {"take", "tick"}:
            await getattr(world, name)(*arguments)
        else:
            getattr(world, name)(*arguments)
    for place in PLACES:
        await world.take(place, 1_000)
    world.resume()
    world.release()
    while await world.tick():
        pass

    untold = "select count(*) from members where outcome = 3"
    assert 0 == await tied_scene.pool.fetchval(untold)
