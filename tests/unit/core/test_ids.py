"""Ids are made from what they name, and references survive the telephone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ids import (
    KEY_BYTES,
    format_reference,
    format_references,
    member_id,
    notice_id,
    parse_reference,
    partitions_of,
    print_job_id,
)

KEY = bytes(range(KEY_BYTES))
NOTICES = st.binary(min_size=16, max_size=16)


@given(NOTICES)
def test_reference_reads_back_as_what_it_was_made_from(notice: bytes) -> None:
    """A look-up by reference knows the first 75 bits of what was printed."""
    low = parse_reference(format_reference(notice))

    assert int.from_bytes(notice, "big") >> 53 == int.from_bytes(low, "big") >> 5


@given(st.lists(NOTICES))
def test_references_of_many_are_those_of_each(notices: list[bytes]) -> None:
    """A letter's reference is the same, however many are printed with it."""
    assert [format_reference(notice) for notice in notices] == format_references(b"".join(notices))


@given(NOTICES)
def test_reference_is_read_as_people_type_it(notice: bytes) -> None:
    """Case, hyphens, spaces and the letters that look like digits do not matter."""
    reference = format_reference(notice)
    typed = f" {reference.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')}"

    assert parse_reference(reference) == parse_reference(typed)


@given(NOTICES, st.integers(0, 15), st.integers(1, 30))
def test_reference_with_one_wrong_letter_is_refused(notice: bytes, place: int, shift: int) -> None:
    """A slip of one letter is noticed, not looked up as somebody else's."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    letters = list(format_reference(notice).replace("-", ""))
    value = alphabet.index(letters[place])
    wrong = (value + shift) % 32
    if (wrong - value) % 31 == 0:
        return  # 0 against Z: the one pair that the check cannot tell apart
    letters[place] = alphabet[wrong]

    with pytest.raises(ValueError, match="check letter"):
        parse_reference("".join(letters))


@pytest.mark.parametrize("text", ["", "ABCD", "U" * 16, "AAAA-AAAA-AAAA-AAAA-A", "é" * 16])
def test_what_is_no_reference_is_refused(text: str) -> None:
    """Anything else is an error, not an empty answer."""
    with pytest.raises(ValueError, match="reference"):
        parse_reference(text)


def test_fields_cannot_run_into_each_other() -> None:
    """Two different lists of fields never make the same id, however they are cut."""
    assert member_id(KEY, "a", "bc", "d") != member_id(KEY, "ab", "c", "d")


def test_ids_never_change() -> None:
    """A replay years later makes the same ids: these are frozen."""
    notice = notice_id(KEY, "lab", bytes(range(16)), 1)

    assert member_id(KEY, "lab", "wave-1", "r1").hex() == "b0931e751c076fd7256d3747f35df35f"
    assert notice.hex() == "b62a122890a884ceaf0ba4eb99ea4dad"
    assert print_job_id("letter", [(bytes(16), 1)]).hex() == "16f4d8ecc481f629dbd1597d8c405b12"
    attempts = [(b"\xff" * 16, 300), (bytes(16), 2), (bytes(16), 1)]
    assert print_job_id("letter", attempts).hex() == "9f50aeb658a7d358942f4af35be00152"


@given(st.lists(st.tuples(NOTICES, st.integers(1, 5)), unique=True))
def test_print_job_id_depends_on_membership_alone(attempts: list[tuple[bytes, int]]) -> None:
    """The same letters make the same batch, in whatever order they were read."""
    assert print_job_id("letter", attempts) == print_job_id("letter", attempts[::-1])


@given(st.lists(st.binary(min_size=16, max_size=16)), st.integers(1, 64))
def test_everybody_has_the_partition_that_the_contract_says(pseudonyms: list[bytes], partitions: int) -> None:
    """The first four bytes, big-endian, modulo the number of partitions."""
    expected = [int.from_bytes(pseudonym[:4], "big") % partitions for pseudonym in pseudonyms]

    assert expected == partitions_of(pseudonyms, partitions)


def test_revisions_have_ids_of_their_own() -> None:
    """A supplement is another notice than the one before."""
    assert notice_id(KEY, "lab", b"p" * 16, 1) != notice_id(KEY, "lab", b"p" * 16, 2)


@pytest.mark.parametrize("key", [b"", b"short", bytes(KEY_BYTES + 1)])
def test_no_id_is_made_without_a_whole_key(key: bytes) -> None:
    """An empty key would make ids that whoever has them can search back."""
    with pytest.raises(ValueError, match="32 bytes"):
        member_id(key, "lab", "wave-1", "r1")


def test_another_key_makes_other_ids() -> None:
    """Who lacks the key finds nothing by trying."""
    other = bytes(KEY_BYTES)

    assert member_id(KEY, "lab", "wave-1", "r1") != member_id(other, "lab", "wave-1", "r1")
    assert notice_id(KEY, "lab", b"p" * 16, 1) != notice_id(other, "lab", b"p" * 16, 1)
