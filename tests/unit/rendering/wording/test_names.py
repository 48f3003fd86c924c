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
        ({"family_name": ""}, "J.A."),
    ],
)
def test_a_full_name_has_the_parts_that_are_known(changes: dict[str, str], expected: str) -> None:
    """Nobody is called by an empty part of a name."""
    assert expected == full_name(a_contact(**changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"birth_name": "de Vries", "partner_name": "Jansen"}, "J.A. Jansen-de Vries"),
        ({"birth_name": "de Vries", "partner_name": "van den Berg"}, "J.A. van den Berg-de Vries"),
        ({"birth_name": "de Vries"}, "J.A. de Vries"),
        ({"partner_name": "Jansen"}, "J.A. Jansen"),
        ({"birth_name": "Vries", "prefix": "de", "partner_name": "Jansen"}, "J.A. Jansen-de Vries"),
        ({"birth_name": "Jansen", "partner_name": "Jansen"}, "J.A. Jansen"),
        ({"birth_name": "d' Ancona", "partner_name": "Jansen"}, "J.A. Jansen-d'Ancona"),
    ],
)
def test_without_a_family_name_the_name_is_made_of_what_is_known(changes: dict[str, str], expected: str) -> None:
    """The partner's name goes before the one from birth, each with its prefix."""
    assert expected == full_name(a_contact(**({"prefix": "", "family_name": ""} | changes)))


@pytest.mark.parametrize("name", ["Vries", "Jansen"])
def test_the_name_in_use_is_printed_whatever_else_is_known(name: str) -> None:
    """That somebody was born De Vries and has a partner Jansen does not say that they are called so."""
    contact = a_contact(prefix="", family_name=name, birth_name="de Vries", partner_name="Jansen")

    assert (f"J.A. {name}", name) == (full_name(contact), surname(contact))


def test_a_made_name_begins_with_a_capital_in_a_salutation() -> None:
    """As one with a prefix of its own does, and only there."""
    contact = a_contact(prefix="", family_name="", birth_name="de Vries", partner_name="van Dijk")

    assert "Van Dijk-de Vries" == surname(contact)
