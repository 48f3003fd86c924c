"""Which rules of the document hold where: what is stopped at once, what is permitted once all before it is known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import CHANNELS, Channel
from services.core.incident import Controller, Incident
from services.core.policy import CallCentre, Correction, OnIdentityConflict, Pace, Policy
from services.deduplication.permissions import Reached
from services.deduplication.versions import Version, versions_in

EMAIL, LETTER, PORTAL = Channel.EMAIL, Channel.LETTER, Channel.PORTAL
HOLD = OnIdentityConflict.HOLD
PLACES = 2


def a_version(
    number: int,
    channels: Sequence[Channel] = (LETTER,),
    policy: Policy = Policy(),  # noqa: B008 - frozen
    *,
    after: Sequence[int] = (),
) -> Incident:
    """Return a version of an incident."""
    return Incident(
        "lab", number, {"en": f"version {number}"}, datetime(2025, 7, 6, tzinfo=UTC), None,
        Controller("", (), "", ""), ("en",), tuple(channels), frozenset(), (), {}, policy, after=tuple(after),
    )  # fmt: skip


def found(versions: Sequence[Incident], *taken: int, tied: bool = False) -> list[Version]:
    """Return what holds where, of versions in their order; `taken` by partition."""
    reached = Reached(range(len(taken)), taken, tied)
    return versions_in(versions[-1], (one.rules for one in reversed(versions)), reached)


def held_back(first: Policy, second: Policy) -> Policy:
    """Return the policy that holds while it is not known yet what came before the second version."""
    (version,) = found([a_version(1, policy=first), a_version(2, policy=second, after=[3])], 2)
    return version.incident.policy


def test_the_newest_version_holds_as_it_is_where_all_before_it_is_known() -> None:
    """Nothing is made or asked for: the same object, for all partitions at once."""
    newest = a_version(3, [EMAIL], after=[3, 0])

    reached = Reached([0, 1], [3, 0])

    assert [Version(newest, reached, waits=False)] == versions_in(newest, iter([newest.rules]), reached)
    assert found([a_version(1, [LETTER]), newest], 3, 0)[0].incident is newest


def test_partitions_are_told_apart_by_how_far_they_are() -> None:
    """Each has the rules of the last version that it has reached, made careful by those after it."""
    versions = [a_version(1, [LETTER]), a_version(2, [LETTER, EMAIL], after=[2, 2, 2])]
    versions.append(a_version(3, [EMAIL, LETTER, PORTAL], after=[4, 4, 4]))
    rules = [(one.reached.partitions, one.incident.usable_channels, one.waits) for one in found(versions, 4, 3, 1)]

    assert [([0], (EMAIL, LETTER, PORTAL), False), ([1], (EMAIL, LETTER), True), ([2], (LETTER,), True)] == rules


def test_with_ties_all_partitions_wait_for_the_last() -> None:
    """Some people's data may be in another partition than what is decided about them."""
    versions = [a_version(1, [LETTER]), a_version(2, [LETTER, EMAIL], after=[2, 2])]
    (behind,), (there,) = found(versions, 4, 1, tied=True), found(versions, 2, 2, tied=True)
    said = [a_version(1, [LETTER]), replace(versions[1], tied=True)]

    assert ([0, 1], (LETTER,)) == (behind.reached.partitions, behind.incident.usable_channels)
    assert there.incident is versions[1]
    assert [(LETTER,)] == [one.incident.usable_channels for one in found(said, 4, 1)]


def test_words_hold_at_once() -> None:
    """A version says what it says from the moment that it is known, whatever else of it waits."""
    (version,) = found([a_version(1), a_version(2, [LETTER, EMAIL], after=[9])], 0)

    assert (2, {"en": "version 2"}) == (version.incident.version, version.incident.title)


@pytest.mark.parametrize(
    ("first", "second"), [(Policy(HOLD), Policy()), (Policy(), Policy(HOLD)), (Policy(HOLD), Policy(HOLD))]
)
def test_conflicts_are_held_if_either_says_so(first: Policy, second: Policy) -> None:
    """Of the rule before and the rule now the one that tells fewer people counts."""
    assert HOLD is held_back(first, second).on_identity_conflict


@given(st.sampled_from(Correction), st.sampled_from(Correction))
def test_no_more_corrections_are_sent_than_both_want(one: Correction, other: Correction) -> None:
    """From never to always."""
    order = [Correction.NONE, Correction.WHEN_WHOLLY_WITHDRAWN, Correction.ALWAYS]
    expected = order[min(order.index(one), order.index(other))]

    assert expected is held_back(Policy(correction=one), Policy(correction=other)).correction


PACES = st.builds(
    Pace,
    per_day=st.none() | st.integers(1, 9),
    per_channel=st.dictionaries(st.sampled_from(CHANNELS), st.integers(1, 9)),
    call_centre=st.none() | st.builds(CallCentre, calls_per_day=st.integers(1, 9)),
)


@given(PACES, PACES)
def test_no_more_goes_a_day_than_either_pace_allows(one: Pace, other: Pace) -> None:
    """In all, and on each channel; no limit is the highest of all."""
    pace = held_back(Policy(pace=one), Policy(pace=other)).pace
    none = 10**9

    assert min(each.notices_a_day or none for each in (one, other)) == (pace.notices_a_day or none)
    for channel in CHANNELS:
        assert min(each.per_channel.get(channel, none) for each in (one, other)) == pace.per_channel.get(channel, none)


_heads = st.lists(st.integers(0, 5), min_size=PLACES, max_size=PLACES)
_documents = st.lists(st.tuples(st.sets(st.sampled_from(CHANNELS), min_size=1), _heads), min_size=1, max_size=5)


@given(_documents, _heads)
def test_a_channel_is_open_where_no_version_that_is_not_reached_yet_opened_or_closed_it(
    documents: Sequence[tuple[set[Channel], list[int]]], taken: Sequence[int]
) -> None:
    """It is open in the last version that a partition has reached, and in each one since."""
    after = [0] * PLACES
    versions = []
    for number, (channels, more) in enumerate(documents, 1):
        after = [had + new for had, new in zip(after, more, strict=True)]
        versions.append(a_version(number, sorted(channels), after=after if number > 1 else ()))
    where = [(place, one) for one in found(versions, *taken) for place in one.reached.partitions]
    open_in = {place: one.incident.usable_channels for place, one in where}

    for place in range(PLACES):
        reached = max(at for at, one in enumerate(versions) if not one.after or one.after[place] <= taken[place])
        assert {c for c in CHANNELS if all(c in one.channels for one in versions[reached:])} == set(open_in[place])
