"""How people are named."""

import pytest

from services.rendering.wording.names import full_name, surname
from tests.unit.dispatch.people import a_contact


def test_surname_begins_with_a_capital() -> None:
    """A prefix without a first name before it is written with a capital."""
    assert "Van den Berg" == surname(a_contact())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "J.A. van den Berg"),
        ({"initials": "", "given_name": "Jan"}, "Jan van den Berg"),
        ({"initials": ""}, "van den Berg"),
        ({"prefix": "", "family_name": ""}, "J.A."),
        ({"initials": "", "prefix": "", "family_name": ""}, ""),
    ],
)
def test_a_full_name_has_the_parts_that_are_known(changes: dict[str, str], expected: str) -> None:
    """Nobody is called by an empty part of a name."""
    assert expected == full_name(a_contact(**changes))
