"""Who reads a notice: the person, or whoever answers for them; and what a source says of that wins."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.addressee import AddresseeRole
from services.rendering.contact import Contact
from services.rendering.wording.addressees import addressee_lines, addressees_of, greeting, roles_of
from services.rendering.wording.names import full_name, surname
from services.rendering.wording.wording import WordingKey, compose, phrases
from tests.unit.dispatch.people import a_contact, an_incident, some_work

ACCEPTED = round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
NL = phrases("nl")


def _roles(contacts: list[Contact], **document: Any) -> list[str]:
    incident = an_incident(**document)
    return roles_of(
        some_work(len(contacts), contacts=contacts, incident=incident, accepted_at=[ACCEPTED] * len(contacts))
    )


@pytest.mark.parametrize(
    ("born", "under", "role"),
    [
        ("2010-03-01", 16, ""),  # sixteen on that day
        ("2010-03-02", 16, "guardian"),
        ("2010-00-00", 16, ""),  # nobody knows
        ("2011-00-00", 16, "guardian"),
        ("", 16, ""),
        ("2026-02-01", 0, ""),
        ("2008-03-02", 18, "guardian"),
    ],
)
def test_parents_read_of_a_minor(born: str, under: int, role: str) -> None:
    """Below the age of the policy, as of the day on which the record was accepted."""
    assert [role] == _roles([a_contact(birth_date=born)], policy={"minors": {"underAge": under}})


def test_what_the_source_says_wins_over_the_age() -> None:
    """A minor who is represented by somebody else has a letter to them."""
    child = a_contact(birth_date="2020-01-01", role=AddresseeRole.REPRESENTATIVE)

    assert ["representative", "guardian"] == _roles([child, a_contact(birth_date="2020-01-01")])


@given(st.dates(date(1900, 1, 1), date(2026, 3, 1)), st.integers(1, 18))
def test_a_minor_is_who_has_not_had_that_birthday(born: date, under: int) -> None:
    """Counted in birthdays, with no arithmetic of days."""
    birthdays = 2026 - born.year - ((3, 1) < (born.month, born.day))

    role = _roles([a_contact(birth_date=born.isoformat())], policy={"minors": {"underAge": under}})

    assert ["guardian" if birthdays < under else ""] == role


@pytest.mark.parametrize(
    ("contact", "role", "lines", "salutation"),
    [
        ({}, "", ("J.A. van den Berg",), "Geachte heer of mevrouw Van den Berg,"),
        (
            {},
            "guardian",
            ("Aan de ouder(s) of verzorger(s) van", "J.A. van den Berg"),
            "Geachte ouder(s) of verzorger(s) van J.A. van den Berg,",
        ),
        (
            {},
            "next-of-kin",
            ("Aan de nabestaande(n) van", "J.A. van den Berg"),
            "Geachte nabestaande(n) van J.A. van den Berg,",
        ),
        ({"addressee": "Familie Berg"}, "guardian", ("Familie Berg",), None),
        ({"salutation": "Beste Jan"}, "", ("J.A. van den Berg",), "Beste Jan,"),
        ({"salutation": "Geachte mevrouw,"}, "guardian", None, "Geachte mevrouw,"),
        ({"initials": "", "prefix": "", "family_name": ""}, "guardian", (), "Geachte heer of mevrouw,"),
    ],
)
def test_letter_says_whom_it_is_for(
    contact: dict[str, str], role: str, lines: tuple[str, ...] | None, salutation: str | None
) -> None:
    """On the envelope and in the salutation; nothing is put before a name that is not known."""
    found = a_contact(**contact)

    assert lines is None or lines == addressee_lines(NL, found, role)
    assert salutation is None or salutation == greeting(NL, found, role)


def test_each_letter_is_addressed_in_its_own_language() -> None:
    """Envelope and letter speak the same language."""
    incident = an_incident()
    contacts = [a_contact(role="guardian"), a_contact(role="guardian"), a_contact()]
    work = some_work(3, contacts=contacts, incident=incident, languages=["nl", "en", "nl"])

    assert [
        ("Aan de ouder(s) of verzorger(s) van", "J.A. van den Berg"),
        ("To the parent(s) or carer(s) of", "J.A. van den Berg"),
        ("J.A. van den Berg",),
    ] == addressees_of(work, phrases)


@pytest.mark.parametrize("role", [role.value for role in AddresseeRole if role is not AddresseeRole.SELF])
def test_who_reads_for_somebody_else_is_told_so_first(role: str) -> None:
    """Whose data is meant stands before the first word about it."""
    own, other = (
        compose(an_incident(), WordingKey("nl", 1, 1, 0, 0, supplement=False, role=one), on_paper=True)
        for one in ("", role)
    )

    assert other.opening == f"{NL[f'about_{role}']} {own.opening}"
    assert own.sections == other.sections


@pytest.mark.parametrize(
    ("prefix", "family", "full", "said"),
    [
        ("van", "van Dijk", "J. van Dijk", "Van Dijk"),
        ("van den", "Van den Berg", "J. Van den Berg", "Van den Berg"),
        ("van", "Vandijk", "J. van Vandijk", "Van Vandijk"),
        ("d'", "Ancona", "J. d'Ancona", "D'Ancona"),
        ("d\u2019", "Ancona", "J. d\u2019Ancona", "D\u2019Ancona"),
        ("", "d' Ancona", "J. d'Ancona", "D'Ancona"),
        ("d'", "d'Ancona", "J. d'Ancona", "D'Ancona"),
        ("van d'", "Heer", "J. van d'Heer", "Van d'Heer"),
        ("'t", "Hooft", "J. 't Hooft", "'t Hooft"),
        ("van 't", "Hoff", "J. van 't Hoff", "Van 't Hoff"),
        ("", "O'Neill", "J. O'Neill", "O'Neill"),
    ],
)
def test_names_are_written_as_people_write_them(prefix: str, family: str, full: str, said: str) -> None:
    """A particle stands once, and with its apostrophe it is one word with the name."""
    contact = a_contact(initials="J.", prefix=prefix, family_name=family)

    assert (full, said) == (full_name(contact), surname(contact))
