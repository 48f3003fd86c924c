"""Who reads a notice: the person, or whoever answers for them; and what a source says of that wins."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.addressee import AddresseeRole
from services.core.incident import CONTENT_BLOCKS
from services.demo.made_up.incident import made_up_incident
from services.rendering.contact import Contact
from services.rendering.letters.words import words_of
from services.rendering.wording.addressees import addressee_lines, addressees_of, greeting, roles_of
from services.rendering.wording.names import full_name, surname
from services.rendering.wording.wording import Wording, WordingKey, compose, phrases
from services.wire.incident_document import parse_incident
from tests.unit.dispatch.people import CREATED, a_contact, an_incident, some_work

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
        ({"salutation": "Geachte mevrouw,"}, "guardian", None, "Geachte mevrouw (over J.A. van den Berg),"),
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

    assert NL[f"about_{role}"] == other.opening[0]
    assert 1 == len(own.opening)


KIN = WordingKey("nl", 0b0111, 0b0011, 0, 0, supplement=False, role="next-of-kin")
THE_READERS = re.compile("(?i)uw (?:kenmerk|browser|kind|overleden naaste)")  # are theirs indeed
OF_THE_READER = re.compile(r"\b(?:uw|van u)\b", re.IGNORECASE)


def _texts(wording: Wording) -> list[str]:
    return [text for text in _flat(words_of(wording)) if text != wording.phrases["read_as"]]


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _flat(part)


@pytest.mark.parametrize("key", [KIN, KIN._replace(told_exposed=1, supplement=True), KIN._replace(confirmed=0)])
@pytest.mark.parametrize("role", ["guardian", "next-of-kin", "representative"])
def test_nobody_reads_of_somebody_elses_data_as_their_own(key: WordingKey, role: str) -> None:
    """Where the incident has words for a reader, or words that are true for all, no sentence says `your data`."""
    incident = parse_incident("lab", 1, made_up_incident(CREATED))
    said = _texts(compose(incident, key._replace(role=role), on_paper=True))

    assert [] == [text for text in said if OF_THE_READER.search(THE_READERS.sub("", text))]


def test_next_of_kin_read_their_own_words_and_others_do_not() -> None:
    """By reader as by certainty, kind and group, the most special first."""
    kin = {"nl": "Gegevens van uw overleden naaste zijn gestolen.", "en": "Data of your late relative was stolen."}
    variants = [{"when": {"reader": "next-of-kin"}, "title": kin, "content": {"nature": kin}}]
    incident = an_incident(variants=variants)
    own, other = (compose(incident, KIN._replace(role=role), on_paper=True) for role in ("next-of-kin", "guardian"))

    assert (kin["nl"], True) == (own.subject, kin["nl"] in _texts(own))
    assert kin["nl"] not in _texts(other)


def test_a_title_about_the_reader_is_not_read_on_somebodys_behalf() -> None:
    """`Your data was stolen` above a letter about a dead person is wrong: another subject takes its place."""
    subjects = [
        compose(an_incident(), KIN._replace(role=role, supplement=later), on_paper=True).subject
        for role, later in (("", False), ("next-of-kin", False), ("guardian", True))
    ]

    assert [
        "Uw gegevens zijn gestolen bij een laboratorium",
        "Een datalek en de gegevens van de overledene",
        "Aanvulling op ons eerdere bericht: Een datalek en de gegevens van het kind",
    ] == subjects


def test_what_was_written_for_everybody_is_said_to_be() -> None:
    """Only where such a text stands in the notice, and as a paragraph of its own."""
    general: dict[str, Any] = {}
    neutral = {block: {"nl": "Tekst.", "en": "Text."} for block in CONTENT_BLOCKS}
    categories = [{"code": "name", "label": {"nl": "naam", "en": "name"}, "advice": "bsn"}]
    with_it, without = (
        compose(an_incident(**changes), KIN, on_paper=True).opening
        for changes in (general, {"content": neutral, "dataCategories": categories})
    )

    assert with_it[2].endswith("staat, gaat het om de gegevens van de overledene.")
    assert 2 == len(without)


@pytest.mark.parametrize(
    ("salutation", "said"),
    [
        ("Geachte familie Berg,", "Geachte familie Berg (over J.A. van den Berg),"),
        ("Geachte ouders van J.A. van den Berg", "Geachte ouders van J.A. van den Berg,"),
    ],
)
def test_who_reads_for_somebody_else_sees_for_whom(salutation: str, said: str) -> None:
    """A family has more than one child: what a source says of the readers does not say whose data it is."""
    assert said == greeting(NL, a_contact(salutation=salutation), "guardian")


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
