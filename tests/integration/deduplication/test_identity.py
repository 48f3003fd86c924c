"""People who share an identity and are not the same, from records as sources send them to notices, on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.core.channel import CHANNELS, Channel
from services.core.notices import FLAG_DECEASED
from services.core.policy import BareJoins, OnIdentityConflict, Policy
from services.intake.records.identity import Pseudonyms, canonical
from services.intake.records.record import Record
from services.intake.records.witnesses import Witnesses
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, Person, Scene, Sent, block

PSEUDONYMS, WITNESSES = Pseudonyms(b"m" * 32, INCIDENT), Witnesses(b"w" * 32, INCIDENT)
NAME, RESULT = 1, 2
HOLD = Policy(OnIdentityConflict.HOLD)


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with one released cohort `open` and one unreleased, `closed`."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    made.cohort("closed", released=False)
    return made


def row(ref: str, record: Record, exposed: int = NAME, **more: int) -> Person:
    """Return a record as intake tells of it: its pseudonym and witnesses."""
    identity = canonical(record)
    assert identity
    return Person(
        ref.encode().ljust(16, b"."), PSEUDONYMS.of(identity), exposed=exposed, witnesses=WITNESSES.of(record), **more
    )


def with_bsn(born: str, family_name: str, bsn: str = "123456782") -> Record:
    """Return a record with a BSN that others have too."""
    return Record(bsn=bsn, birth_date=born, family_name=family_name)


def told(sent: Sent) -> dict[str, int]:
    """Return what each bearer's notice names."""
    pairs = [(n.members[at], n.exposed[at]) for _, n in sent.notices for at in range(len(n))]
    return {member.rstrip(b".").decode(): exposed for member, exposed in pairs}


# 03-placeholder-bsn.csv: five people under two numbers, though under such as nobody knows for placeholders.
FIVE = [
    row("q1", with_bsn("1950-01-02", "Jansen")),
    row("q2", with_bsn("1981-03-04", "Vries"), NAME | RESULT),
    row("q3", with_bsn("2001-05-06", "Bakker")),
    row("q4", with_bsn("1970-05-06", "Smit", "111222333")),
    row("q5", with_bsn("1971-05-06", "Mol", "111222333")),
]


def at_home(
    initials: str, given_name: str, family_name: str, born: str, postcode: str, number: str, more: str
) -> Record:
    """Return a record without BSN."""
    return Record(
        initials=initials, given_name=given_name, family_name=family_name, birth_date=born, postcode=postcode,
        house_number=number, house_number_addition=more,
    )  # fmt: skip


# 04-twins-without-bsn.csv
TWINS = [
    row("t1", at_home("S.", "Sanne", "Boer", "2015-04-01", "3511AA", "4", ""), NAME | RESULT),
    row("t2", at_home("T.", "Tim", "Boer", "2015-04-01", "3511AA", "4", "")),
    row("k1", at_home("A.", "Ahmed", "Yilmaz", "1985-01-01", "3512BB", "10", "A")),
    row("k2", at_home("M.", "Mehmet", "Yilmaz", "1985-01-01", "3512BB", "10", "B")),
]


@pytest.mark.parametrize("rows", [FIVE, TWINS], ids=["five-people-two-numbers", "twins-and-namesakes"])
@pytest.mark.parametrize("one_by_one", [True, False], ids=["one-by-one", "together"])
async def test_each_is_told_what_their_own_record_says(
    scene: Scene, rows: Sequence[Person], *, one_by_one: bool
) -> None:
    """Nobody is merged with somebody else, and nobody is told another's result; the conflicts are counted."""
    sent = (
        [await scene.take(block("open", [one])) for one in rows]
        if one_by_one
        else [await scene.take(block("open", rows))]
    )
    expected = {one.member.rstrip(b".").decode(): one.exposed for one in rows}

    assert expected == {bearer: exposed for one in sent for bearer, exposed in told(one).items()}
    assert {"released": len(rows), "conflicting": len(rows)} == await scene.counts()
    assert len(rows) == len({notice for one in sent for notice in one.ids})


async def test_the_same_people_again_are_merged_each_with_their_own(scene: Scene) -> None:
    """A second wave of the five tells nobody again, and a replay of both changes nothing."""
    await scene.take(block("open", FIVE))
    again = [replace(one, member=one.member[::-1]) for one in FIVE]
    sent = await scene.take(block("open", again, at=2000))
    replayed = [await scene.take(block("open", FIVE)), await scene.take(block("open", again, at=2000))]

    assert ([], []) == (sent.ids, [notice for one in replayed for notice in one.ids])
    assert {"released": 5, "merged": 5, "conflicting": 10} == await scene.counts()
    into = await scene.pool.fetch("select member, merged_into from members where merged_into is not null")
    assert {one.member[::-1]: one.member for one in FIVE} == {row["member"]: row["merged_into"] for row in into}


async def test_another_sources_record_takes_nothing_over(scene: Scene) -> None:
    """Somebody's BSN, another name, an e-mail address of its own, never released: the victim's notice is untouched."""
    taker = row("x", with_bsn("1999-09-09", "Ander"), channels=int(Channel.EMAIL))
    victim = row("v", with_bsn("1950-01-02", "Jansen"), NAME | RESULT)
    first = await scene.take(block("closed", [taker], at=1))
    sent = await scene.take(block("open", [victim], at=2))

    assert ([], {"v": NAME | RESULT}) == (first.ids, told(sent))
    assert {taker.member: "held_unreleased", victim.member: "released"} == await scene.outcomes()


async def test_an_unreleased_record_that_agrees_lends_no_address(scene: Scene) -> None:
    """A pseudonym and facts alone agree with everybody: the notice waits for a released cohort's address."""
    bare = row("x", Record(bsn="123456782"), RESULT, channels=int(Channel.EMAIL))
    victim = row("v", with_bsn("1950-01-02", "Jansen"), NAME, channels=0)
    await scene.take(block("closed", [bare], at=1))
    unreachable = await scene.take(block("open", [victim], at=2))
    reachable = await scene.take(block("open", [replace(victim, version=2, channels=int(Channel.LETTER))], at=3))

    assert ([], {"v": NAME | RESULT}) == (unreachable.ids, told(reachable))


async def test_a_release_frees_who_waited_for_an_address(scene: Scene) -> None:
    """The cohort that has the address was not released; once it is, the person is told, and found once."""
    bare = row("x", Record(bsn="123456782"), RESULT, channels=int(Channel.EMAIL))
    victim = row("v", with_bsn("1950-01-02", "Jansen"), NAME, channels=0)
    await scene.take(block("closed", [bare], at=1))
    await scene.take(block("open", [victim], at=2))
    before = [(await scene.tick()).ids, await scene.counts()]
    scene.cohort("closed", released=True, version=2)

    assert [[], {"held_unreleased": 1, "merged": 1}] == before
    assert {"x": NAME | RESULT} == told(await scene.tick())
    assert [] == (await scene.tick()).ids


async def test_somebody_elses_death_suppresses_nobody(scene: Scene) -> None:
    """`deceased` counts for the group of the record that says it."""
    dead = row("d", with_bsn("1920-02-02", "Ander"), flags=FLAG_DECEASED)
    alive = row("v", with_bsn("1950-01-02", "Jansen"))
    await scene.take(block("open", [dead], at=1))
    sent = await scene.take(block("open", [alive], at=2))

    assert {"v": NAME} == told(sent)
    assert {dead.member: "suppressed", alive.member: "released"} == await scene.outcomes()


async def test_a_record_that_fits_two_people_is_held(scene: Scene) -> None:
    """It cannot be told whose facts it has; once its source says so, they are told to whom they are about."""
    one, two = row("a", with_bsn("1950-01-02", "Jansen")), row("b", with_bsn("1981-03-04", "Vries"))
    torn = row("t", Record(bsn="123456782"), RESULT)
    await scene.take(block("open", [one, two], at=1))
    sent = await scene.take(block("open", [torn], at=2))
    held = await scene.counts()
    settled = replace(row("t", with_bsn("1981-03-04", "Vries"), RESULT), version=2)
    mended = await scene.take(block("open", [settled], at=3))

    assert ([], {"released": 2, "held_identity_conflict": 1, "conflicting": 3}) == (sent.ids, held)
    assert ({"t": RESULT | NAME}, {"released": 3, "conflicting": 3}) == (told(mended), await scene.counts())


async def test_who_changed_names_is_told_once(scene: Scene) -> None:
    """A record under the name in use and one under the name from birth are one person's, as the first says both."""
    used = row("u", Record(bsn="123456782", family_name="Jansen", birth_name="de Vries"))
    born = row("b", Record(bsn="123456782", family_name="Vries"), RESULT)
    sent = await scene.take(block("open", [used, born]))

    assert ([NAME | RESULT], {"released": 1, "merged": 1}) == (list(told(sent).values()), await scene.counts())


async def test_a_partner_under_the_same_number_is_somebody_else(scene: Scene) -> None:
    """That somebody has a partner Jansen makes a record of a Jansen no record of theirs."""
    one = row("o", Record(bsn="123456782", family_name="Vries", birth_name="de Vries", partner_name="Jansen"))
    partner = row("p", Record(bsn="123456782", family_name="Jansen"), RESULT)
    sent = await scene.take(block("open", [one, partner]))

    assert ({"o": NAME, "p": RESULT}, {"released": 2, "conflicting": 2}) == (told(sent), await scene.counts())


async def test_a_policy_holds_those_who_contradict_and_lets_them_go(scene: Scene) -> None:
    """Under `hold` nobody of them is told; what was told stays told; under another policy the next tick tells them."""
    scene.incident(version=2, channels=CHANNELS, policy=HOLD)
    first = await scene.take(block("open", FIVE[:1], at=1))
    sent = await scene.take(block("open", FIVE[1:], at=2))
    held = await scene.counts()
    idle = await scene.tick()
    scene.incident(version=3, channels=CHANNELS)

    assert (["q1"], [], []) == ([*told(first)], sent.ids, idle.ids)
    assert {"released": 1, "held_identity_conflict": 4, "conflicting": 5} == held
    assert {one.member.rstrip(b".").decode(): one.exposed for one in FIVE[1:]} == told(await scene.tick())
    assert {"released": 5, "conflicting": 5} == await scene.counts()


async def test_what_was_told_stays_whoever_comes(scene: Scene) -> None:
    """A bare record was told; of two who contradict each other the first joins it, the other is on its own."""
    bare, one, two = (
        row("a", Record(bsn="123456782")),
        row("b", with_bsn("1950-01-02", "J")),
        row("c", with_bsn("1981-03-04", "V")),
    )
    await scene.take(block("open", [bare], at=1))
    joins = await scene.take(block("open", [one], at=2))
    alone = await scene.take(block("open", [two], at=3))
    rows = await scene.pool.fetch("select told_group, revision, notice from told order by told_group")

    assert ([], ["c"]) == (joins.ids, [*told(alone)])
    assert [(1, 1), (2, 1)] == [(row["told_group"], row["revision"]) for row in rows]
    assert 2 == len({row["notice"] for row in rows})


async def test_a_policy_that_holds_bare_records_lets_them_join_later(scene: Scene) -> None:
    """Held beside who says who they are; once the policy lets them, a tick joins them, and they are counted."""
    scene.incident(channels=CHANNELS, policy=Policy(bare_joins=BareJoins.HOLD))
    named = row("a", with_bsn("1980-01-02", "Jansen"))
    await scene.take(block("open", [named]))
    held = await scene.take(block("open", [Person(b"b" * 16, named.person, exposed=NAME | RESULT)], at=2))
    before = await scene.all_counts()
    scene.incident(version=2, channels=CHANNELS, policy=Policy())
    freed = [notice for _ in range(2) for notice in (await scene.tick()).ids]

    assert ([], {"released": 1, "held_identity_conflict": 1}) == (held.ids, before)
    assert (1, {"released": 2, "bare_joined": 1}) == (len(freed), await scene.all_counts())
