"""Deduplication against a real PostgreSQL."""

from dataclasses import replace
from functools import partial

import asyncpg
import pytest

from services.core.channel import CHANNELS, Channel
from services.core.ids import notice_id
from services.core.notices import FLAG_RETRACTED
from services.deduplication.dossier import Dossier
from services.deduplication.store import _ANY_MARK, _QUERIES, SETS_OF_CHANNELS
from services.deduplication.strangers import Strangers
from services.deduplication.ticking import PERSONS_A_TICK
from services.kit.errors import ConfigError
from services.kit.stage.totals import TotalsRow
from services.kit.vault import KeyVersionError
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, CountingStore, Scene, block, people
from tests.keys import FIRST_KEYS, a_key, a_ring
from tests.unit.deduplication.builders import IDS


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with one released cohort `open` and one unreleased, `closed`."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    made.cohort("closed", released=False)
    return made


async def test_new_people_of_a_released_cohort_are_told(scene: Scene) -> None:
    """Every row comes out as a notice of the person's partition, with the bearer's version and address data."""
    rows = people(1200)
    sent = await scene.take(block("open", rows[:600], partition=1), block("open", rows[600:], partition=2))

    assert {1: 600, 2: 600} == {
        partition: sum(len(n) for p, n in sent.notices if p == partition) for partition, _ in sent.notices
    }
    assert {IDS.of(one.person, 1) for one in rows} == set(sent.ids)
    assert {"released": 1200} == await scene.counts() == +scene.entered


async def test_blocks_wait_for_the_versions_that_they_name(scene: Scene) -> None:
    """Nothing is decided before what intake knew is known here."""
    await scene.take(block("open", people(1)))

    assert {(("incident", INCIDENT), 1), (("cohort", INCIDENT, "open"), 1)} == set(scene.incidents.waited)


async def test_same_block_again_changes_nothing(scene: Scene) -> None:
    """A dead letter that is replayed gives no notice and moves no count."""
    rows = people(300)
    await scene.take(block("open", rows))
    before = (await scene.counts(), await scene.pool.fetch("select * from members order by person"))
    sent = await scene.take(block("open", rows))

    assert ([], [], []) == (sent.ids, sent.superseded, sent.totals)
    assert before == (await scene.counts(), await scene.pool.fetch("select * from members order by person"))


async def test_whoever_sees_nobody_claims_nobody_twice(scene: Scene) -> None:
    """Somebody who was told is known by a unique row, whoever forgot to look: the transaction fails as a whole."""

    class Blind(CountingStore):
        async def read(self, *_: object) -> dict[bytes, Dossier]:
            return {}

    (one,) = people(1)
    await scene.take(block("open", [one]))
    scene.store = Blind()
    scene.handler = scene.new_handler()

    with pytest.raises(asyncpg.UniqueViolationError):
        await scene.take(block("open", [replace(one, member=bytes(16))], at=2000))
    assert 1 == await scene.pool.fetchval("select count(*) from told")


async def test_nobody_is_looked_for_while_all_are_new(scene: Scene) -> None:
    """After some batches of new people; whoever is known after all is found, and told nothing twice."""
    scene.strangers = partial(Strangers, 2)
    scene.handler = scene.new_handler()
    reads, rows = [], people(60)
    for at in range(0, 50, 10):
        await scene.take(block("open", rows[at : at + 10], partition=at % 8, at=at))
        reads.append(scene.store.reads)
    again = [replace(one, member=one.member[::-1]) for one in rows[:10]]
    sent = await scene.take(block("open", [*again, *rows[50:]], at=2000))

    assert ([1, 2, 2, 2, 2], 3) == (reads, scene.store.reads)
    assert {IDS.of(one.person, 1) for one in rows[50:]} == set(sent.ids)
    assert {"released": 60, "merged": 10} == await scene.counts()


async def test_second_cohort_merges_and_supplements(scene: Scene) -> None:
    """Of people told before, the same facts are merged, more facts give revision 2, new people a first notice."""
    rows = people(300)
    again = [replace(one, member=one.member[::-1]) for one in rows]
    await scene.take(block("open", rows[:200], at=1))
    sent = await scene.take(
        block("open", [*again[:100], *(replace(one, exposed=3) for one in again[100:200]), *again[200:]], at=2)
    )
    ((_, notices),) = sent.notices

    assert {"released": 400, "merged": 100} == await scene.counts()
    assert {1: 100, 2: 100} == {revision: notices.revisions.count(revision) for revision in notices.revisions}
    assert {IDS.of(one.person, 1) for one in rows[100:200]} == set(notices.supersedes) - {b""}
    assert ({1, 0}, {3, 1}) == (set(notices.told_exposed), set(notices.exposed))


async def test_release_frees_everybody_in_several_transactions(scene: Scene) -> None:
    """Twelve thousand held people are told after the release: each once, some thousands at a time, then no more."""
    rows = people(12_000)
    parts = [rows[at : at + 500] for at in range(0, len(rows), 500)]
    for number, part in enumerate(parts):
        await scene.take(block("closed", part, partition=number % 8))
    held = await scene.counts()
    idle = await scene.tick()
    scene.cohort("closed", released=True, version=2)
    pieces = []
    while (sent := await scene.tick()).ids:
        pieces.append(sent.ids)

    assert ({"held_unreleased": 12_000}, []) == (held, idle.ids)
    assert [PERSONS_A_TICK, PERSONS_A_TICK, 2_000] == [len(piece) for piece in pieces]
    assert {IDS.of(one.person, 1) for one in rows} == {one for piece in pieces for one in piece}
    assert {"released": 12_000} == await scene.counts()
    assert 0 == await scene.pool.fetchval("select count(*) from members where waits > 0")


async def test_tick_touches_its_own_partitions_alone(scene: Scene) -> None:
    """Another owner's people wait for that owner."""
    rows = people(20)
    await scene.take(block("closed", rows[:10], partition=1), block("closed", rows[10:], partition=2))
    scene.cohort("closed", released=True, version=2)

    assert {IDS.of(one.person, 1) for one in rows[10:]} == set((await scene.tick([2, 3])).ids)
    assert {IDS.of(one.person, 1) for one in rows[:10]} == set((await scene.tick([1, 2, 3])).ids)


async def test_tick_waits_until_control_is_known(scene: Scene) -> None:
    """What an old version says of channels and releases frees nobody while the newer ones are being read."""
    await scene.take(block("closed", people(3)))
    scene.cohort("closed", released=True, version=2)
    scene.incidents.loaded.clear()
    early = await scene.tick()
    scene.incidents.loaded.set()

    assert (0, 3) == (len(early.ids), len((await scene.tick()).ids))


async def test_release_given_again_between_two_ticks_frees_those_held_meanwhile(scene: Scene) -> None:
    """A tick that found nobody is not taken for the answer about people who came while the release was taken back."""
    scene.cohort("closed", released=True, version=2)
    await scene.take(block("closed", people(1, 1)))
    await scene.tick()
    scene.cohort("closed", released=False, version=3)
    await scene.take(block("closed", people(3, 2)))
    scene.cohort("closed", released=True, version=4)

    assert 3 == len((await scene.tick()).ids)


async def test_release_waits_in_each_partition_for_what_came_before_it(scene: Scene) -> None:
    """People are told where all earlier blocks are known, and held elsewhere, also in the batch that brings those."""
    rows = people(6)
    await scene.take(block("closed", rows[:2], partition=1), block("closed", rows[2:4], partition=2))
    scene.cohort("closed", released=True, version=2, after=[0, 1, 2, 0, 0, 0, 0, 0])
    await scene.took({1: 1, 2: 1})
    early = await scene.tick()
    await scene.took({2: 3})
    late = await scene.take(
        block("closed", [replace(rows[2], version=2)], partition=2, seq=2),
        block("closed", rows[4:], partition=2, seq=3),
    )
    rest = await scene.tick()

    assert {IDS.of(one.person, 1) for one in rows[:2]} == set(early.ids)
    assert [] == late.ids
    assert {IDS.of(one.person, 1) for one in rows[2:]} == set(rest.ids)


async def test_members_that_come_after_the_release_are_told_at_once(scene: Scene) -> None:
    """A cohort that opened released, with others' blocks before it, holds nobody until a tick."""
    scene.cohort("closed", released=True, version=2, after=[3, *[0] * 7])
    await scene.took({0: 5})

    assert 6 == len((await scene.take(*(block("closed", people(3, seq), seq=seq) for seq in (4, 5)))).ids)


async def test_dead_letter_that_is_sent_back_brings_no_release_nearer(scene: Scene) -> None:
    """A replayed block has a sequence of its own, which says nothing of how far intake's blocks are known."""
    scene.cohort("closed", released=True, version=2, after=[2, *[0] * 7])
    replayed = replace(block("closed", people(1), seq=9), source="dlq")
    early = await scene.take(replayed)
    await scene.took({0: 2})

    assert ([], 1) == (early.ids, len((await scene.tick()).ids))


async def test_permission_that_is_taken_back_holds_no_longer_at_once(scene: Scene) -> None:
    """A stop waits for nothing: not for a block, and not for blocks before it."""
    scene.cohort("closed", released=True, version=2, after=[1, *[0] * 7])
    await scene.took({0: 1})
    scene.cohort("closed", released=False, version=3)

    assert [] == (await scene.take(block("closed", people(3), seq=2))).ids


@pytest.mark.parametrize("after", [(), (0,) * 7, (0,) * 9])
async def test_release_on_another_number_of_partitions_is_an_error(scene: Scene, after: tuple[int, ...]) -> None:
    """What a release comes after must be known of each partition: without it nobody is told, and nothing is lost."""
    scene.cohort("closed", released=True, version=2, after=after)

    with pytest.raises(ConfigError, match=f"released on {len(after)} partitions, HERAUT_PARTITIONS is 8"):
        await scene.take(block("closed", people(1)))


async def test_rolled_back_tick_is_done_again(scene: Scene) -> None:
    """What a lost transaction had found is found by the next one."""
    rows = people(10)
    await scene.take(block("closed", rows))
    scene.cohort("closed", released=True, version=2)
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await scene.handler.tick(connection, [0])
        await transaction.rollback()

    assert 10 == len((await scene.tick()).ids)


async def test_channel_that_opens_frees_the_unreachable(scene: Scene) -> None:
    """People with an e-mail address alone are told once e-mail may be used; the others are looked at once."""
    scene.incident(channels=[Channel.LETTER])
    rows = [replace(one, channels=int(Channel.EMAIL)) for one in people(30)]
    rows[:10] = [replace(one, channels=0) for one in rows[:10]]
    await scene.take(block("open", rows))
    held = await scene.counts()
    scene.incident(version=2, channels=[Channel.LETTER, Channel.EMAIL])
    sent = await scene.tick()

    assert {"held_unreachable": 30} == held
    assert {IDS.of(one.person, 1) for one in rows[10:]} == set(sent.ids)
    assert {2} == {notices.incident_version for _, notices in sent.notices}
    assert {"held_unreachable": 10, "released": 20} == await scene.counts()
    assert [] == (await scene.tick()).ids
    assert {3 << 1} == {row[0] for row in await scene.pool.fetch("select usable from members where waits > 0")}


async def test_correction_that_makes_reachable_is_told(scene: Scene) -> None:
    """The source was asked again, and answered."""
    (one,) = people(1)
    await scene.take(block("open", [replace(one, channels=0)]))
    held = await scene.counts()
    sent = await scene.take(block("open", [replace(one, version=2)], at=2000))

    assert {"held_unreachable": 1} == held
    assert ({"released": 1}, [2]) == (await scene.counts(), [n.versions[0] for _, n in sent.notices])
    assert [1000] == sent.notices[0][1].accepted_at


async def test_retracted_bearer_is_counted_no_more(scene: Scene) -> None:
    """The notice is called back from the ledger, and who was merged into it bears one of its own."""
    first, second = people(2)
    second = replace(second, person=first.person)
    await scene.take(block("open", [first], at=1))
    await scene.take(block("open", [second], at=2))
    sent = await scene.take(block("open", [replace(first, version=2, flags=FLAG_RETRACTED)], at=3))

    assert [IDS.of(first.person, 1)] == sent.superseded
    assert [IDS.of(first.person + second.member, 1)] == sent.ids
    assert {first.member: "retracted", second.member: "released"} == await scene.outcomes()
    assert {"released": 1} == await scene.counts()
    assert [True, False] == [row[0] for row in await scene.pool.fetch("select void from told order by told_group")]


async def test_retraction_that_overtakes_its_member_keeps_it_out(scene: Scene) -> None:
    """Order in the log is a kindness, not a promise."""
    (one,) = people(1)
    await scene.take(block("open", [replace(one, version=2, flags=FLAG_RETRACTED)]))
    sent = await scene.take(block("open", [one]))

    assert ([], {one.member: "retracted"}, {}) == (sent.ids, await scene.outcomes(), await scene.counts())


async def test_totals_of_intake_travel_with_what_was_counted(scene: Scene) -> None:
    """The highest of intake's totals in the batch goes out in the same block as deduplication's own."""
    rows = people(3)
    intake = [TotalsRow("intake", "intake", f"{INCIDENT}/open", n, {"accepted": n}, 5) for n in (7, 9, 8)]
    sent = await scene.take(*(block("open", [row], totals=totals) for row, totals in zip(rows, intake, strict=True)))

    assert [("intake", "intake", 9, {"accepted": 9})] == [
        (row.stage, row.source, row.sequence, dict(row.counts)) for row in sent.totals if row.stage == "intake"
    ]
    assert [("deduplication", "0", f"{INCIDENT}/open", 3)] == [
        (row.stage, row.source, row.scope, row.counts["released"]) for row in sent.totals if row.stage != "intake"
    ]


async def test_two_cohorts_of_one_batch_meet_in_one_person(scene: Scene) -> None:
    """A person of a released and an unreleased cohort in one batch gets one notice, with the facts of both.

    It goes to the address that the released one has.
    """
    first, second = people(2)
    second = replace(second, person=first.person, exposed=2)
    sent = await scene.take(block("closed", [first], at=1), block("open", [second], at=2))

    assert [3] == [n.exposed[0] for _, n in sent.notices]
    assert [second.member] == [n.members[0] for _, n in sent.notices]
    assert {first.member: "merged", second.member: "released"} == await scene.outcomes()


async def test_waiting_people_are_found_by_an_index(scene: Scene) -> None:
    """A release of few among many is found without reading the many."""
    await scene.take(*(block("open", people(512, seed), partition=seed % 8) for seed in range(20)))
    await scene.take(block("closed", people(5, 99)))
    plans = [
        await scene.explain(_QUERIES["waiting_for_release"].rstrip(";"), [1, 2], [*SETS_OF_CHANNELS], [0, 1], 10),
        await scene.explain(_QUERIES["decided_with_channels"].rstrip(";"), [1, 2], [0, 1], [0, 1], 10, _ANY_MARK),
        await scene.explain(_QUERIES["waiting_for_turn"].rstrip(";"), [1], [*SETS_OF_CHANNELS], [0, 1], 10, [20]),
        await scene.explain(_QUERIES["held_by_pause"].rstrip(";"), [1, 2], [*SETS_OF_CHANNELS], [0, 1], 10),
    ]

    assert [True] * 4 == ["members_waiting" in plan for plan in plans]


async def test_an_incident_without_its_key_waits_alone(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """People of an incident whose key this process lacks are not looked at; that is said once, without the key."""
    rows = people(3)
    scene.cohort("late", released=False)
    await scene.take(block("late", rows))
    scene.cohort("late", released=True, version=2)
    scene.incident(version=2, channels=CHANNELS, key_versions=FIRST_KEYS._replace(notice=2))
    waiting = [await scene.tick() for _ in range(3)]
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    with pytest.raises(KeyVersionError, match="no key 'notice' of version 2"):
        await scene.take(block("late", people(1, seed=2)))
    scene.keys = a_ring(1, 2)
    scene.handler = scene.new_handler()
    sent = await scene.tick()

    assert [[]] * 3 == [one.ids for one in waiting]
    assert 1 == len(said)
    assert "no key 'notice' of version 2" in said[0]
    assert not any(key.hex() in caplog.text for key in scene.keys.peppers["notice"].values())
    assert {notice_id(a_key("notice", 2), INCIDENT, one.person, 1) for one in rows} == set(sent.ids)


async def test_corrected_contact_data_is_told_to_routing(scene: Scene) -> None:
    """Of a bearer whose notice went out, once; not of one that waits, nor where other facts alone were corrected."""
    told, waiting = people(3), people(1, seed=2)
    released = await scene.take(block("open", told), block("closed", waiting))
    moved = [replace(one, version=2, channels=int(Channel.EMAIL)) for one in (told[0], *waiting)]
    same = replace(told[1], version=2, contact_since=1)

    sent = await scene.take(block("open", [moved[0], same]), block("closed", moved[1:]))
    again = await scene.take(block("open", [moved[0], same]))

    assert [(released.ids[0], 2, 2)] == sent.readdressed
    assert [] == again.readdressed
