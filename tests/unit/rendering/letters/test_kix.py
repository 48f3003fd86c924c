"""The KIX bar code, against the published rules and zint's table."""

import pytest

from services.rendering.letters.kix import ASCENDER, DESCENDER, FULL, TRACKER, bars, payload
from tests.unit.dispatch.people import a_contact


@pytest.mark.parametrize(
    ("number", "letter", "addition", "expected"),
    [
        ("5", "", "huis", "1234AB5XHS"),
        ("5", "", "", "1234AB5"),
        ("103", "c", "", "1234AB103XC"),
        ("9", "", "2", "1234AB9X2"),
        ("12345", "a", "-12345", "1234AB12345XA12345"),  # 18 signs at most
        ("12345", "a", "-123456", "1234AB12345"),
    ],
)
def test_payload(number: str, letter: str, addition: str, expected: str) -> None:
    """The code holds postcode, number and, after an X, the addition."""
    contact = a_contact(postcode="1234 ab", house_number=number, house_letter=letter, house_number_addition=addition)

    assert expected == payload(contact)


def test_two_doors_never_have_the_code_of_one_of_them() -> None:
    """An addition that is too long is left out whole: cut, it would be that of another door."""
    codes = [payload(a_contact(postcode="1234AB", house_number="12345", house_letter="A", house_number_addition=to))
             for to in ("bis I", "bis II", "bis III")]  # fmt: skip

    assert ["1234AB12345XABISI", "1234AB12345XABISII", "1234AB12345"] == codes


@pytest.mark.parametrize("change", [{"country": "BE"}, {"postcode": "123"}, {"house_number": "5a"}])
def test_no_payload_where_the_post_would_not_read_it(change: dict[str, str]) -> None:
    """An address that the code cannot hold gets none rather than a wrong one."""
    assert "" == payload(a_contact(**change))


@pytest.mark.parametrize(
    ("sign", "states"),
    [
        ("1", [TRACKER, DESCENDER, ASCENDER, FULL]),
        ("A", [DESCENDER, ASCENDER, DESCENDER, ASCENDER]),
        ("0", [TRACKER, TRACKER, FULL, FULL]),
        ("Z", [FULL, FULL, TRACKER, TRACKER]),
    ],
)
def test_bars_of_a_sign(sign: str, states: list[int]) -> None:
    """Each sign is four bars, as in the published table."""
    assert states == bars(sign)


def test_every_sign_has_bars_of_its_own() -> None:
    """No two signs look the same, and each has two tall and two low halves."""
    patterns = {tuple(bars(sign)) for sign in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

    assert 36 == len(patterns)
    assert {2} == {sum(bar in {FULL, ASCENDER} for bar in pattern) for pattern in patterns}
