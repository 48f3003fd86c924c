"""Recalls between the rooms: deduplication's and dispatch's own decisions, with messages in between.

They come late, in another order, and again. Nobody is told twice, and everybody comes to one end.
"""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_WITHDRAWN
from services.core.status import AttemptState
from services.deduplication.domain import Course, Member
from tests.contract.recall_acts import ActingWorld
from tests.contract.recall_model import PERSON, World
from tests.unit.deduplication.builders import a_member, an_id, terms

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("says", "rules", "deliver", "deliver", "goes on", "comes back", "lies unread"),
                *("ticks", "replay", "set aside", "send back", "forget", "acknowledges", "decides"),
            ]
        ),
        st.integers(0, 99),
    ),
    min_size=5,
    max_size=50,
)


def a_version(world: World, number: int) -> Member:
    """Return the next version of one of three members: corrected, taken back, or back again."""
    name = "abc"[number % 3]
    world.versions[name] += 1
    cohort, version = "abc".index(name) + 1, world.versions[name]
    if number % 5 == 0 and version > 1:
        world.addresses.withdraws(name)
        gone = a_member(name, cohort=cohort, version=version, exposed=0, channels=0, flags=FLAG_WITHDRAWN)
        return gone._replace(accepted_at=cohort)
    channels, moved = [Channel.EMAIL | Channel.LETTER, Channel.LETTER, 7, 0][number % 4], number // 12 % 2 == 0
    channels, since = world.addresses.says(an_id(name), name, version, channels, moved=moved)
    older = since if since < version else None
    return a_member(
        name, cohort=cohort, version=version, at=cohort, exposed=1 + number % 3, channels=channels, since=older
    )


def _take(world: ActingWorld, step: str, number: int) -> None:
    """Let one thing happen."""
    if step in {"says", "acknowledges"}:
        {"says": world.says, "acknowledges": world.acknowledges}[step](a_version(world, number))
    elif step == "rules":
        cancelled = {n for n in (1, 2, 3) if n in world.terms.cancelled or (n == number % 17)}
        world.rules(terms(released={1 + number % 3, 1 + number % 2}, cancelled=cancelled))
    elif step == "decides":
        world.decides(number)
        world.ticks()  # else what it must not overtake has arrived before it is looked at, nearly always
    elif step in {"ticks", "forget"}:
        {"ticks": world.ticks, "forget": world.forgets}[step]()
    else:
        steps: dict[str, Callable[[int], object]] = {
            "deliver": world.deliver, "goes on": world.goes_on, "comes back": world.comes_back,
            "lies unread": world.lies_unread,
            "set aside": world.sets_aside, "send back": world.sends_back, "replay": world.replay,
        }  # fmt: skip
        steps[step](number)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.booleans())
def test_nobody_is_told_twice_and_everybody_comes_to_one_end(steps: list[tuple[str, int]], unread: bool) -> None:  # noqa: FBT001
    """Whatever is withdrawn, cancelled or corrected while notices are anywhere: the ledger adds up at every instant.

    Also where a message was handed over that nobody reads, and what follows it waits.
    """
    world = ActingWorld()
    world.says(a_member("a", exposed=1, channels=7, at=1))
    world.versions["a"] = 1
    world.addresses.says(an_id("a"), "a", 1, 7, moved=True)
    world.rules(terms())
    if unread:
        _lies_unread(world)
    for step, number in steps:
        _take(world, step, number)
        world.check()
    world.settle()
    world.check()
    world.check_at_the_end()


def test_a_bearer_whose_second_notice_is_stopped_counts_by_the_first() -> None:
    """The first was told, and stood back for the second: it stands again, and the ledger adds up."""
    world = World()
    world.says(a_member("a", exposed=1))
    world.rules(terms())
    while world.deliver(0) or world.goes_on(0):
        pass
    world.says(a_member("a", version=2, exposed=3))
    while world.deliver(0):
        pass
    before = len(world.tables.dossiers[PERSON].claims), world.figures()["notified"]
    world.says(a_member("a", version=3, exposed=0, channels=0, flags=FLAG_WITHDRAWN))
    while world.deliver(0):
        pass
    world.check()
    world.check_at_the_end()

    assert (2, 0) == before
    assert (1, 1) == (world.figures()["released"], world.figures()["notified"])


def test_what_came_back_before_its_recall_is_answered() -> None:
    """The recall finds it neither waiting nor begun in dispatch, and routing hears of it first: it had begun."""
    world = World()
    world.says(a_member("a", exposed=1, channels=Channel.EMAIL))
    world.rules(terms())
    while world.deliver(0) or world.goes_on(0):
        pass
    world.comes_back(0)
    world.says(a_member("a", version=2, exposed=1, channels=Channel.LETTER))
    while world.queues["recalled", None]:
        world.arrives(("recalled", None))
    world.settle()
    world.check()
    world.check_at_the_end()

    assert [Course.BEGUN] == [claim.course for claim in world.tables.dossiers[PERSON].claims]
    assert (1, 1) == (world.figures()["released"], world.figures()["exhausted"])


def test_what_is_given_back_after_its_recall_is_stopped_then() -> None:
    """The recall came too late, and is not too late any more: the notice of the record as it is now goes out."""
    world = World()
    world.says(a_member("a", exposed=1, channels=Channel.LETTER))
    world.rules(terms())
    while world.deliver(0) or world.goes_on(0):
        pass
    world.says(a_member("a", version=2, exposed=1, channels=Channel.LETTER))
    while world.deliver(0):
        pass
    before = [claim.course for claim in world.tables.dossiers[PERSON].claims]
    world.comes_back(1)
    world.ticks()
    while world.deliver(0) or world.goes_on(0):
        pass
    world.check()
    world.check_at_the_end()

    assert [Course.BEGUN] == before
    assert [(Course.STOPPED, True), (Course.OPEN, False)] == [
        (claim.course, claim.void) for claim in world.tables.dossiers[PERSON].claims
    ]
    assert (1, 1) == (world.figures()["released"], world.figures()["notified"])


def _lying_unread(channels: int = Channel.PORTAL | Channel.LETTER) -> World:
    """Return somebody whose message nobody read, and whose letter waits."""
    world = World()
    world.says(a_member("a", exposed=1, channels=channels))
    world.rules(terms())
    _lies_unread(world)
    return world


def _lies_unread(world: World) -> None:
    while world.deliver(0) or world.goes_on(0):
        pass
    world.lies_unread(0)
    while world.deliver(0):
        pass


def _to_the_end(world: World) -> None:
    while world.deliver(0) or world.goes_on(0):
        pass
    world.check()
    world.check_at_the_end()


def _made(world: World) -> list[tuple[Channel, int, AttemptState]]:
    return [(c, key[1], one.state) for c, table in world.channels.items() for key, one in table.attempts.items()]


def test_who_may_still_read_a_message_gets_no_second_one() -> None:
    """The letter after it is stopped; the record's new address gets a letter, and the portal nothing."""
    world = _lying_unread()
    world.says(a_member("a", version=2, exposed=1, channels=Channel.PORTAL | Channel.LETTER))
    _to_the_end(world)

    made = {(Channel.PORTAL, 1, AttemptState.UNREAD), (Channel.LETTER, 2, AttemptState.STOPPED)}
    assert {*made, (Channel.LETTER, 3, AttemptState.ACCEPTED)} == set(_made(world))
    assert [Course.BEGUN] == [claim.course for claim in world.tables.dossiers[PERSON].claims]
    assert (1, 1) == (world.figures()["released"], world.figures()["notified"])


def test_who_may_still_read_a_message_of_a_withdrawn_record_gets_no_letter() -> None:
    """It is stopped, and the person counts as told: so the policy of corrections is asked."""
    world = _lying_unread()
    world.says(a_member("a", version=2, exposed=0, channels=0, flags=FLAG_WITHDRAWN))
    _to_the_end(world)

    assert {(Channel.PORTAL, 1, AttemptState.UNREAD), (Channel.LETTER, 2, AttemptState.STOPPED)} == set(_made(world))
    assert [(Course.BEGUN, False)] == [(one.course, one.void) for one in world.tables.dossiers[PERSON].claims]


def test_a_recall_that_is_over_stops_what_was_on_its_way_after_a_message() -> None:
    """The portal answers and the recall ends before the letter comes to dispatch: it stays with the message."""
    world = World()
    world.says(a_member("a", exposed=1, channels=Channel.PORTAL | Channel.LETTER))
    world.rules(terms())
    while world.deliver(0) or world.goes_on(0):
        pass
    world.lies_unread(0)
    world.arrives(("given back", None))
    world.says(a_member("a", version=2, exposed=0, channels=0, flags=FLAG_WITHDRAWN))
    for queue in (("recalled", Channel.PORTAL), ("stopped", None)):
        world.arrives(queue)
    while world.queues["recalled", Channel.LETTER]:
        world.arrives(("recalled", Channel.LETTER))
    _to_the_end(world)

    assert {(Channel.PORTAL, 1, AttemptState.UNREAD), (Channel.LETTER, 2, AttemptState.STOPPED)} == set(_made(world))


def test_a_message_that_lies_unread_counts_where_routing_has_the_notice() -> None:
    """The letter was refused and no channel is left: routing does not say that nobody was told."""
    world = _lying_unread()
    ((letter, _),) = [(one, key) for key, one in world.channels[Channel.LETTER].attempts.items()]
    for state in (AttemptState.INTENT, AttemptState.REFUSED_WAITING, AttemptState.REFUSED):
        world.becomes(Channel.LETTER, letter, state)
    world.arrives(("refused", None))
    world.says(a_member("a", version=2, exposed=0, channels=0, flags=FLAG_WITHDRAWN))
    world.arrives(("recalled", None))
    world.arrives(("stopped", None))
    _to_the_end(world)

    assert [(Course.BEGUN, False)] == [(one.course, one.void) for one in world.tables.dossiers[PERSON].claims]


def test_an_act_waits_for_the_recall_of_what_was_acknowledged_before_it() -> None:
    """The correction lies in the log as an operator has the letter made again: it is stopped, and told as it is now."""
    world = ActingWorld()
    world.says(a_member("a", exposed=1, channels=Channel.LETTER))
    world.rules(terms())
    while world.deliver(0) or world.goes_on(0):
        pass
    world.comes_back(1)
    world.acknowledges(a_member("a", version=2, exposed=1, channels=Channel.LETTER))
    world.decides(0)
    world.ticks()
    before = [attempt.state for attempt in world.channels[Channel.LETTER].numbered()]
    for _ in range(3):
        while world.deliver(0) or world.goes_on(0):
            pass
        world.ticks()
    world.check()
    world.check_at_the_end()

    assert [AttemptState.UNPRINTED] == before
    assert [(Course.STOPPED, True), (Course.OPEN, False)] == [
        (claim.course, claim.void) for claim in world.tables.dossiers[PERSON].claims
    ]
    assert (1, 1) == (world.figures()["released"], world.figures()["notified"])
