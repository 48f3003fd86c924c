"""People under two identities, on a real database: their rows meet, whichever partition hears of what, and when."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.core.ids import partitions_of
from services.kit.eventlog.port import Record
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import PARTITIONS, Person, Scene, Sent, block, moves

ONE, OTHER = bytes([0]) * 3 + bytes([1]) * 13, bytes([0]) * 3 + bytes([2]) * 13  # in partitions 1 and 2
BY_ONE, BY_OTHER = Person(b"m" * 16, ONE), Person(b"n" * 16, OTHER)
TIED = {ONE: (OTHER, 1)}


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with a released cohort."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("c1", released=True)
    return made


async def test_who_was_told_under_both_identities_is_told_no_more(scene: Scene) -> None:
    """Two notices stand; a third record of either identity is merged, and only what neither was told is news."""
    await scene.take(block("c1", [BY_ONE], partition=1))
    await scene.take(block("c1", [BY_OTHER], partition=2))
    tied = await scene.take(moves(TIED, partition=2))
    again = await scene.take(block("c1", [Person(b"o" * 16, ONE)], partition=2, homes=TIED))
    more = await scene.take(block("c1", [Person(b"p" * 16, ONE, exposed=3)], partition=2, homes=TIED))

    assert ([], [], 1) == (tied.ids, again.ids, len(more.ids))
    assert {"released": 3, "merged": 1} == await scene.counts()
    ((partition, notices),) = more.notices
    assert (2, [ONE], [b"p" * 16]) == (partition, notices.pseudonyms, notices.members)


async def test_facts_told_before_the_tie_are_no_news_after_it(scene: Scene) -> None:
    """One identity was told the first category, the other the second: both together are nothing new to one person."""
    await scene.take(block("c1", [BY_ONE], partition=1))
    await scene.take(block("c1", [Person(b"n" * 16, OTHER, exposed=2)], partition=2))
    await scene.take(moves(TIED, partition=2))
    sent = await scene.take(block("c1", [Person(b"o" * 16, OTHER, exposed=3)], partition=2))

    assert ([], {"released": 2, "merged": 1}) == (sent.ids, await scene.counts())


async def test_a_record_under_the_other_identity_is_merged_from_the_tie_on(scene: Scene) -> None:
    """The data of a notice opens with the bearer's own pseudonym; the notice goes where the home is."""
    await scene.take(block("c1", [BY_ONE], partition=1))
    sent = await scene.take(moves({OTHER: (ONE, 1)}, partition=1), block("c1", [BY_OTHER], homes={OTHER: (ONE, 1)}))

    assert ([], {"released": 1, "merged": 1}) == (sent.ids, await scene.counts())


async def test_a_late_block_for_the_old_home_is_brought_home(scene: Scene) -> None:
    """It was on its way when the tie was made; counts and notices are those of the new home's partition."""
    await scene.take(block("c1", [BY_OTHER], partition=2))
    await scene.take(moves(TIED, partition=2))
    late = await scene.take(block("c1", [BY_ONE], partition=1))

    assert ([], {"released": 1, "merged": 1}) == (late.ids, await scene.counts())
    assert [2, 2] == [row["partition"] for row in await scene.pool.fetch("select partition from members")]
    assert {"2"} == {row["source"] for row in await scene.pool.fetch("select source from totals")}


async def test_untied_people_are_two_again(scene: Scene) -> None:
    """Each keeps what was told to it; who was merged with the other is told now, under an id of its own."""
    await scene.take(block("c1", [BY_OTHER], partition=2))
    tied = moves(TIED, partition=2)
    await scene.take(tied, block("c1", [BY_ONE], partition=2, homes=TIED))
    untied = await scene.take(moves({ONE: (ONE, 2)}, partition=1))
    repeated = await scene.take(tied, moves({ONE: (ONE, 2)}, partition=1))

    assert (1, []) == (len(untied.ids), repeated.ids)
    assert {"released": 2} == await scene.counts()
    assert {ONE: 1, OTHER: 2} == {row["person"]: row["partition"] for row in await _persons(scene)}


async def _persons(scene: Scene) -> Sequence[dict[str, object]]:
    return [dict(row) for row in await scene.pool.fetch("select person, partition from members")]


IDENTITIES = [bytes([0]) * 3 + bytes([number]) * 13 for number in range(3)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(IDENTITIES), st.integers(1, 3)),
        st.tuples(st.just("tie"), st.sampled_from(IDENTITIES), st.sampled_from(IDENTITIES)),
        st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 3)),
        st.tuples(st.just("repeat"), st.integers(0, 2), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=20,
)


@dataclass
class _Log:
    """What intake wrote, partition by partition; deduplication is given the blocks piece by piece."""

    scene: Scene
    logs: dict[int, list[Record]] = field(default_factory=lambda: {place: [] for place in range(PARTITIONS)})
    taken: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    homes: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    said: list[Person] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def say(self, identity: bytes, exposed: int) -> None:
        """Accept one more record about an identity."""
        person = Person(len(self.said).to_bytes(16, "big"), identity, exposed=exposed)
        self.said.append(person)
        home = self.homes.get(identity, (identity, 0))[0]
        place = partitions_of([home], PARTITIONS)[0]
        at = 1_000 + len(self.said)
        self.logs[place].append(
            block("c1", [person], partition=place, at=at, seq=len(self.logs[place]) + 1, homes=self.homes)
        )

    def tie(self, one: bytes, home: bytes) -> None:
        """Bring an identity home to another one, or back to itself, with all that are at home with it."""
        target = self.homes.get(home, (home, 0))[0] if one != home else one
        moved = {}
        for each in [one] if one == home else [i for i in IDENTITIES if self._home(i) == self._home(one)]:
            if self._home(each) != target:
                moved[each] = (target, self.homes.get(each, (each, 0))[1] + 1)
        if moved:
            place = partitions_of([target], PARTITIONS)[0]
            self.logs[place].append(moves(moved, partition=place, seq=len(self.logs[place]) + 1))
            self.homes |= moved

    def _home(self, identity: bytes) -> bytes:
        return self.homes.get(identity, (identity, 0))[0]

    async def take(self, place: int, count: int) -> None:
        """Take blocks of one partition."""
        records = self.logs[place][self.taken[place] :][:count]
        self.taken[place] += len(records)
        if records:
            self.sent.append(await self.scene.take(*records))

    async def repeat(self, place: int) -> None:
        """Take the last block of a partition once more, as after a replay from the dead letters."""
        if self.taken[place]:
            self.sent.append(await self.scene.take(self.logs[place][self.taken[place] - 1]))

    def told(self) -> Counter[tuple[bytes, int]]:
        """Return how often each identity was told each fact as news."""
        told: Counter[tuple[bytes, int]] = Counter()
        for sent in self.sent:
            for _, notices in sent.notices:
                for pseudonym, exposed, before in zip(
                    notices.pseudonyms, notices.exposed, notices.told_exposed, strict=True
                ):
                    told.update((pseudonym, bit) for bit in (1, 2) if exposed & ~before & bit)
        return told


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.booleans())
@example(
    [
        ("say", IDENTITIES[0], 1),
        ("tie", IDENTITIES[0], IDENTITIES[2]),
        ("take", 0, 1),
        ("tie", IDENTITIES[0], IDENTITIES[0]),
        ("take", 2, 1),
    ],
    True,
)  # a home that everybody left still knows which notices it had
@example(
    [
        ("say", IDENTITIES[2], 1),
        ("tie", IDENTITIES[2], IDENTITIES[0]),
        ("say", IDENTITIES[0], 2),
        ("say", IDENTITIES[2], 2),
        ("tie", IDENTITIES[2], IDENTITIES[2]),
        ("take", 2, 1),
    ],
    True,
)  # and so does one to which somebody came back
async def test_any_interleaving_ends_with_the_same_people(
    scene: Scene,
    steps: list[tuple[str, bytes, bytes]],
    released: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    """Everybody is at home where intake says last, is counted once, and is told no fact as news twice."""
    await scene.pool.execute("delete from members; delete from notices; delete from totals; delete from homes")
    log = _Log(scene)
    scene.handler = scene.new_handler()
    scene.cohort("c1", released=released)
    for name, *arguments in steps:
        if name == "restart":
            scene.handler = scene.new_handler()
        elif name in {"say", "tie"}:
            getattr(log, name)(*arguments)
        else:
            await getattr(log, name)(*(one for one in arguments if one is not None))
        counted = await scene.counts()
        assert sum(counted.values()) - counted.get("conflicting", 0) == await scene.pool.fetchval(
            "select count(*) from members"
        )
    for place in range(PARTITIONS):
        await log.take(place, 1_000)
    if not released:
        scene.cohort("c1", released=True, version=2)
        log.sent.append(await scene.tick())

    rows = await scene.pool.fetch("select person, partition, member, coalesce(pseudonym, person) as own from members")
    expected = {(log.homes.get(one.person, (one.person, 0))[0], one.member, one.person) for one in log.said}
    assert expected == {(row["person"], row["member"], row["own"]) for row in rows}
    assert all(row["partition"] == partitions_of([row["person"]], PARTITIONS)[0] for row in rows)
    assert len(log.said) == sum((await scene.counts()).values())
    ids = [one for sent in log.sent for one in sent.ids]
    assert len(set(ids)) == len(ids)
    if not released:  # nobody was told before all ties were known: one notice a home
        assert len({row["person"] for row in rows}) == len(ids)
    elif not any(name == "tie" and one == home for name, one, home in steps):
        assert all(times == 1 for times in log.told().values())
