"""A notice is found from its reference by who has the key, and by nobody else."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ids import KEY_BYTES, format_reference, parse_reference
from services.wire.references import BEGINNING_BYTES, References

KEY, ANOTHER = bytes(range(KEY_BYTES)), bytes(KEY_BYTES)
NOTICES = st.binary(min_size=16, max_size=16)


@given(st.lists(st.one_of(NOTICES, st.just(b""))))
def test_references_stand_in_their_rows(notices: list[bytes]) -> None:
    """Each notice has the reference that it has alone, and a row without a notice has none."""
    alone = [References(KEY).of_all([notice])[0] if notice else "" for notice in notices]

    assert alone == References(KEY).of_all(notices)


@given(NOTICES)
def test_a_reference_leads_to_its_notice(notice: bytes) -> None:
    """Nothing else has to be kept: it says where the notice's id begins, and whether it is this one."""
    references = References(KEY)
    (reference,) = references.of_all([notice])

    assert notice[:BEGINNING_BYTES] == references.beginning_of(reference)
    assert references.is_of(reference, notice)


@given(NOTICES, NOTICES)
def test_a_reference_is_of_one_notice(notice: bytes, other: bytes) -> None:
    """Of those that begin like it, it tells which one it is of."""
    references = References(KEY)
    (reference,) = references.of_all([notice])
    other = notice[:BEGINNING_BYTES] + other[BEGINNING_BYTES:]

    assert (notice == other) == references.is_of(reference, other)


@given(NOTICES)
def test_what_was_made_up_is_of_no_notice(hidden: bytes) -> None:
    """A reference that only passes the check letter is not even that of the notice it leads to."""
    references = References(KEY)
    made_up = format_reference(hidden)
    notice = references.beginning_of(made_up) + hidden[BEGINNING_BYTES:]

    assert not references.is_of(made_up, notice)


@given(NOTICES, st.integers(0, 74))
def test_every_bit_counts(notice: bytes, bit: int) -> None:
    """A reference that differs anywhere is no reference of the notice."""
    references = References(KEY)
    (reference,) = references.of_all([notice])
    whole = int.from_bytes(parse_reference(reference), "big") ^ 1 << 5 + bit
    changed = format_reference((whole << 48).to_bytes(16, "big"))

    assert not references.is_of(changed, notice)


@given(NOTICES)
def test_a_reference_does_not_follow_from_a_topic(notice: bytes) -> None:
    """A topic shows the notice's id, and the id does not show what is printed on the letter."""
    assert References(KEY).of_all([notice]) != [format_reference(notice)]
    assert References(KEY).of_all([notice]) != References(ANOTHER).of_all([notice])


@given(st.lists(NOTICES, min_size=2, max_size=2, unique=True))
def test_neighbours_have_nothing_in_common(notices: Sequence[bytes]) -> None:
    """Notices whose ids begin alike have references that do not: what hides the beginning is another one for each."""
    alike = [notices[0][:BEGINNING_BYTES] + notice[BEGINNING_BYTES:] for notice in notices]
    one, other = (parse_reference(reference) for reference in References(KEY).of_all(alike))

    assert (alike[0] == alike[1]) == (one[:BEGINNING_BYTES] == other[:BEGINNING_BYTES])


def test_references_never_change() -> None:
    """A repeat of a hand-over years later says the same: this one is frozen."""
    notice = bytes.fromhex("b62a122890a884ceaf0ba4eb99ea4dad")

    assert References(KEY).of_all([notice]) == ["GWYA-ZRT1-FTGM-8TM7"]


@pytest.mark.parametrize("key", [b"", b"short", bytes(KEY_BYTES + 1)])
def test_no_reference_is_made_without_a_whole_key(key: bytes) -> None:
    """An empty key would make references that everybody can make."""
    with pytest.raises(ValueError, match="32 bytes"):
        References(key)
