"""Dead letters: what is kept of a record, what is shown of it, and when to stop."""

import pytest

from services.kit.errors import InvalidMessage
from services.kit.eventlog.dead_letters import DeadLetter, DlqLimit, DlqTally, by_reference, dead_letter, position_of
from services.kit.eventlog.port import Record, TopicPartition

RECORD = Record(
    "heraut.cohort.v1", 3, 41, "", 0, 1_767_258_000_000, b"payload", (("ce_id", b"1"), ("reason", b"its own")), b"key"
)


def _read_back(headers: tuple[tuple[str, bytes], ...]) -> DeadLetter:
    return DeadLetter(Record("heraut.cohort.v1.intake.dlq", 3, 7, "intake", 7, 5, b"payload", headers))


def test_the_payload_is_untouched_and_stays_in_its_partition() -> None:
    """A dead letter is the record, in the same partition of the stage's own topic."""
    output = dead_letter(RECORD, "intake", "InvalidMessage", "unreadable")

    assert (output.topic, output.partition, output.value) == ("heraut.cohort.v1.intake.dlq", 3, b"payload")


def test_origin_key_and_headers_are_found_again() -> None:
    """All that a replay needs is kept, the record's own headers apart from ours."""
    letter = _read_back(dead_letter(RECORD, "intake", "InvalidMessage", "unreadable").headers)

    assert letter.original == TopicPartition("heraut.cohort.v1", 3)
    assert letter.original_key == b"key"
    assert letter.original_headers == RECORD.headers


def test_what_is_shown_says_why_and_nothing_of_the_payload() -> None:
    """The description has position, reason and sizes; no payload, no key, no foreign header."""
    shown = _read_back(dead_letter(RECORD, "intake", "InvalidMessage", "unreadable").headers).described()

    assert shown["position"] == "heraut.cohort.v1.intake.dlq/3/7"
    assert (shown["reason"], shown["error-class"], shown["bytes"]) == ("unreadable", "InvalidMessage", 7)
    assert shown.keys() == {
        "position", "at", "bytes", "original-topic", "original-partition", "original-offset",
        "original-source", "original-seq", "reason", "error-class", "service-version",
    }  # fmt: skip


def test_a_reason_is_bounded() -> None:
    """Whoever passes a text instead of a code does not fill the topic."""
    headers = dict(dead_letter(RECORD, "intake", "E", "x" * 100_000).headers)

    assert len(headers["reason"]) == 200


def test_a_letter_without_an_origin_cannot_be_replayed() -> None:
    """A foreign record in the topic is told apart instead of being sent anywhere."""
    with pytest.raises(InvalidMessage):
        _ = _read_back((("original-topic", b"heraut.cohort.v1"),)).original


def test_a_position_reads_as_it_is_written() -> None:
    """What `list` prints is what `replay` takes."""
    assert position_of("a.b.v1.s.dlq/3/7") == (TopicPartition("a.b.v1.s.dlq", 3), 7)
    for text in ("a/3", "a/b/c", ""):
        with pytest.raises(ValueError, match=r".*"):
            position_of(text)


@pytest.mark.parametrize(
    ("outcomes", "exceeded"),
    [
        ([True] * 1000, False),
        ([False] * 25, False),  # a run that an accident may have
        ([False] * 26, True),
        ([False, True] * 40, False),  # too few for a ratio
        (([True] * 9 + [False]) * 50, False),  # one in ten, just
        (([True] * 8 + [False]) * 50, True),
        ([True] * 100_000 + ([True] * 3 + [False]) * 250, True),  # a long good past does not hide a bad present
    ],
)
def test_the_limit_stops_a_bad_deploy_and_no_accident(outcomes: list[bool], exceeded: bool) -> None:  # noqa: FBT001
    """A run or a ratio beyond any accident stops the partition."""
    assert (DlqLimit().exceeded(DlqTally().after(outcomes)) is not None) == exceeded


def test_a_tally_is_the_same_in_one_go_or_in_pieces() -> None:
    """Batches may be of any size."""
    outcomes = [True, False, False, True, False] * 300
    tally = DlqTally()
    for start in range(0, len(outcomes), 7):
        tally = tally.after(outcomes[start : start + 7])

    assert tally == DlqTally().after(outcomes)


def test_what_does_not_fit_is_set_aside_by_reference() -> None:
    """It says where the record stands, why, and how large it is, and holds nothing of it: no value, key or header."""
    record = Record("heraut.cohort.v1", 3, 7, "", 0, 0, b"x" * 5_000_000, (("ce_id", b"1"),), b"key")
    letter = by_reference(dead_letter(record, "intake", "InvalidEventError", "too-large"))
    entry = DeadLetter(Record(letter.topic, 3, 0, "", 0, 0, letter.value, letter.headers))

    assert (True, b"", None, ()) == (entry.is_reference, letter.value, entry.original_key, entry.original_headers)
    assert ("too-large", "7", "5000000") == tuple(
        entry.described()[name] for name in ("reason", "original-offset", "original-bytes")
    )
