"""How attempts are put together into batches and rounds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.core.notices import FLAG_SECRET_ADDRESS
from services.core.synthetic import SYNTHETIC_INCIDENT
from services.dispatch.channels import letter
from services.dispatch.domain import Batch, Taken
from services.dispatch.provider import Traits
from services.dispatch.rounds import by_partition, cut, first_in_queue, gathered, reopened, rounds_of
from tests.unit.dispatch.people import CREATED, TRAITS, a_batch, some_notices


def _some_batches(counts: Sequence[int], flags: Sequence[int] = ()) -> list[Batch]:
    """Return batches of so many attempts each, numbered from 1, each with one of the flags."""
    everybody = some_notices(sum(counts))
    batches = []
    for at, count in enumerate(counts):
        first = sum(counts[:at])
        notices = everybody.pick(list(range(first, first + count)))
        notices.flags = [flags[at] if flags else 0] * count
        batches.append(a_batch(notices, at + 1))
    return batches


@given(
    st.sampled_from([*TRAITS.values()]), st.lists(st.sampled_from([0, FLAG_SECRET_ADDRESS]), min_size=1, max_size=80),
    st.integers(1, 90),
)  # fmt: skip
def test_what_comes_in_is_cut_into_batches_once_each(traits: Traits, flags: list[int], size: int) -> None:
    """Every attempt is in one batch, none is too large, and no letter to a secret address lies with others."""
    batches = cut(replace(traits, batch_size=size), some_notices(len(flags), flags=flags))

    assert list(range(len(flags))) == sorted(row for rows in batches for row in rows)
    assert all(1 <= len(rows) <= size for rows in batches)
    assert not traits.makes_files or all(len({flags[row] for row in rows}) == 1 for rows in batches)


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, FLAG_SECRET_ADDRESS])), min_size=1, max_size=12))
def test_print_files_hold_each_letter_once_and_secret_addresses_by_themselves(wanted: list[tuple[int, int]]) -> None:
    """Every letter is in one file, no file is too large, and none mixes secret addresses with others."""
    batches = _some_batches([count for count, _ in wanted], [flag for _, flag in wanted])
    rounds = rounds_of(replace(letter.AS_PDF, batch_size=40), 0, batches, CREATED)

    assert sorted(one for batch in batches for one in batch.notices.ids) == sorted(
        notice for one in rounds for notice in one.notices.ids
    )
    assert all(len(one) <= 40 for one in rounds)
    assert all(len(set(one.notices.flags)) == 1 for one in rounds)
    assert len(rounds) == len({one.print_job for one in rounds})


@given(st.permutations(range(4)))
def test_a_print_file_is_the_same_whatever_order_the_queue_gave(order: list[int]) -> None:
    """Who sets a file again has the same pages in the same order."""
    batches = _some_batches([2, 1, 3, 2])

    assert rounds_of(letter.AS_PDF, 0, batches, CREATED) == rounds_of(
        letter.AS_PDF, 0, [batches[at] for at in order], CREATED
    )


def test_what_was_begun_is_taken_up_as_it_was_and_what_is_in_hand_left_alone() -> None:
    """At take-over a print file has its own membership and date again, less what this process is busy with."""
    batches = [replace(b, print_job=job) for b, job in zip(_some_batches([2, 1, 3]), (b"a", b"a", b"b"), strict=True)]
    (again,) = reopened(3, batches, {batches[2].number})

    assert batches[0].notices.ids + batches[1].notices.ids == again.notices.ids
    assert (3, b"a", CREATED, True) == (again.partition, again.print_job, again.created_at, again.repeated)
    assert [(1, range(2)), (2, range(2, 3))] == list(again.rows())


def test_batches_of_several_partitions_are_taken_apart() -> None:
    """A block never mixes partitions."""
    batches = [replace(batch, partition=at % 2) for at, batch in enumerate(_some_batches([1, 1, 1]))]

    assert {0: [batches[0], batches[2]], 1: [batches[1]]} == by_partition(batches)


def test_batches_of_several_incident_versions_are_not_put_together() -> None:
    """A round has the words of one incident version."""
    first, second = _some_batches([2, 1])
    second.notices.incident_version = 2

    assert [first.notices, second.notices] == [one.notices for one in gathered(0, [first, second], CREATED)]


def test_synthetic_people_go_before_all_who_wait() -> None:
    """They ask whether anything moves, not how long the queue is; all others linger as their channel says."""
    people = [Taken(0, some_notices(2), b""), Taken(1, some_notices(3), b"")]
    nobody = Taken(0, some_notices(1), b"")
    nobody.notices.incident_id = SYNTHETIC_INCIDENT
    linger = timedelta(seconds=2)
    (first, synthetic), (then, others) = first_in_queue([people[0], nobody, people[1]], CREATED, linger)

    assert ([nobody], people) == (synthetic, others)
    assert first < CREATED - timedelta(days=3650)
    assert CREATED + linger == then
    assert [(CREATED + linger, people)] == list(first_in_queue(people, CREATED, linger))
