"""Citizen service numbers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn

from services.demo.made_up.people import bsns
from services.intake.records.bsn import _PLACEHOLDERS, are_bsns, is_bsn, names_a_bsn, normal_bsn

VALID = (
    st.integers(1_000_000, 99_999_999)
    .map(lambda head: f"{head:08}")
    .flatmap(lambda head: st.sampled_from([f"{head}{last}" for last in range(10)]).filter(is_bsn))
)


@given(st.integers(0, 999_999_999))
def test_bsn_is_the_librarys(number: int) -> None:
    """Nine digits are a BSN exactly where python-stdnum says so and they are no placeholder."""
    text = f"{number:09}"

    assert (bsn.is_valid(text) and text not in _PLACEHOLDERS) == is_bsn(text)


@given(st.text(max_size=12))
def test_texts_are_no_bsn(text: str) -> None:
    """Anything may be asked; only nine digits can be one."""
    assert not is_bsn(text) or (len(text) == 9 and text.isascii() and text.isdigit())


def test_bsns_by_the_thousand_are_judged_as_the_library_does() -> None:
    """Every check digit of a thousand random stems is judged as the library does."""
    stems = random.Random(5).sample(range(100_000_000), 1000)  # noqa: S311 - made-up numbers
    wrong = [n for stem in stems for n in (f"{stem:08}{d}" for d in range(10)) if bsn.is_valid(n) != is_bsn(n)]

    assert [] == wrong


def test_placeholders_pass_the_11_test_and_are_nobodys() -> None:
    """What people fill in where they know none would make one person of many: it is refused, alone and in a column."""
    assert [] == [number for number in _PLACEHOLDERS - {"000000000"} if not bsn.is_valid(number)]
    assert {"123456782", "111222333", "999999990", "012345672", "000000000"} <= _PLACEHOLDERS
    assert [] == [number for number in _PLACEHOLDERS if is_bsn(number) or normal_bsn(number) or are_bsns([number])]


def test_made_up_people_have_no_placeholder() -> None:
    """Those who must be told in the demo are named by numbers that intake takes, with a leading zero lost as well."""
    numbers = bsns(random.Random(3))  # noqa: S311 - made-up numbers
    wrong = [n for n in (next(numbers) for _ in range(5_000)) if n != normal_bsn(n.removeprefix("0"))]

    assert [] == wrong


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("011535842", "011535842"),
        ("11535842", "011535842"),
        ("11.535.842", "011535842"),
        ("115 35 842", "011535842"),
        ("1153.58.420", "115358420"),
        ("115.358.420", "115358420"),
        ("115 358 420", "115358420"),
        ("11535842.0", None),  # with the point dropped it is the next one, somebody else's
        ("115358420", "115358420"),
        ("115358420.0", None),
        ("115358420.00", None),
        ("115358420,0", None),
        ("1.15358E+08", None),
        ("-115358420", None),
        ("115-358-420", None),
        ("1 1 5 3 5 8 4 2 0", None),
        ("115.358 420", None),
        ("1535842", None),
        ("12", None),
        ("24", None),
        ("0115358420", None),
        ("115358420 ", None),
        ("", None),
    ],
)
def test_bsn_is_read_as_people_write_it(given: str, expected: str | None) -> None:
    """Eight or nine digits, together or in the groups that people make; what may be another kind of number is none."""
    assert expected == normal_bsn(given)


@given(st.integers(0, 9_999_999))
def test_row_numbers_are_no_bsn(number: int) -> None:
    """Fewer than eight digits are a row number or a customer number, whatever the 11-test says."""
    assert normal_bsn(str(number)) is None


@given(VALID, st.integers(0, 7))
def test_swapped_digits_are_found(number: str, at: int) -> None:
    """Two neighbouring digits that changed places never make another BSN."""
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]

    assert (swapped == number) == (normal_bsn(swapped) is not None)


@given(VALID, st.sampled_from(["", "0", "00", "5"]))
def test_decimal_tail_makes_nobody_of_somebody(number: str, tail: str) -> None:
    """Whatever a spreadsheet puts behind a number, it is not read as a digit of it."""
    assert normal_bsn(f"{int(number)}.{tail}") is None


@given(VALID, st.sampled_from(["PAT-", "2024", "x", ""]), st.sampled_from(["", "-1", "7", "a"]))
def test_bsn_in_a_text_is_found(number: str, before: str, after: str) -> None:
    """A BSN is seen wherever its digits stand together, with dots in it and without its leading zero as well."""
    for written in (number, str(int(number)), f"{number[:4]}.{number[4:6]}.{number[6:]}"):
        assert names_a_bsn(before + written + after)
