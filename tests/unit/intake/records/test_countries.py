"""Names of countries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.records.countries import COUNTRIES, normal_country


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("NL", "NL"), ("nl", "NL"), ("NLD", "NL"), ("Nederland", "NL"), ("NEDERLAND", "NL"), ("The Netherlands", "NL"),
        ("België", "BE"), ("Belgie", "BE"), ("Belgie\u0308", "BE"), ("Belgium", "BE"), ("Duitsland", "DE"),
        ("Germany", "DE"), ("Deutschland", "DE"), ("Groot-Brittannië", "GB"), ("Verenigd Koninkrijk", "GB"),
        ("U.K.", "GB"), ("USA", "US"), ("Verenigde Staten", "US"), ("Curaçao", "CW"), ("Curacao", "CW"),
        ("Marokko", "MA"), ("Turkije", "TR"), ("Suriname", "SR"), ("Polen", "PL"), ("Frankrijk", "FR"),
        ("XX", None), ("Congo", None), ("Nederlanden", None), ("1", None), ("-", None), ("6030", None),
    ],
)  # fmt: skip
def test_countries_are_known_by_code_and_name(given: str, expected: str | None) -> None:
    """Codes and Dutch and English names mean a country, whatever their case, accents and signs; others mean none."""
    assert expected == normal_country(given)


def test_every_country_has_a_code() -> None:
    """All codes of ISO 3166-1 are there, each as itself."""
    assert 249 == len(COUNTRIES)
    assert COUNTRIES == {normal_country(code) for code in COUNTRIES}


@given(st.text(max_size=10))
def test_anything_may_be_asked(text: str) -> None:
    """No text crashes a look-up."""
    assert normal_country(text) in COUNTRIES | {None}
