"""What a notice says."""

from datetime import date

import pytest

from services.core.incident import CONTENT_BLOCKS
from services.rendering.wording.wording import Wording, WordingKey, compose, date_in, greeting, phrases
from tests.unit.dispatch.people import DOCUMENT, a_contact, an_incident


def _words(wording: Wording) -> str:
    """Return all that a notice says."""
    parts = [wording.subject, wording.opening]
    for section in wording.sections:
        parts += [section.heading, *section.paragraphs]
        parts += [
            line for part in section.lists for item in part.items for line in (part.lead, item.label, item.advice)
        ]
    return "\n".join(parts)


def _lists(wording: Wording) -> dict[str, list[tuple[str, str]]]:
    return {
        part.lead: [(item.label, item.mark) for item in part.items]
        for section in wording.sections
        for part in section.lists
    }


def test_only_this_persons_data_is_named_and_what_is_certain_is_told_apart() -> None:
    """A notice says which data of this person it is about, and how certain that is."""
    wording = compose(an_incident(), WordingKey("nl", 0b0111, 0b0011, 0, 0, supplement=False), on_paper=True)

    assert {
        "Deze gegevens van u zijn gelekt. Dat weten wij zeker:": [
            ("uw naam, adres en geboortedatum", ""),
            ("uw burgerservicenummer (BSN)", ""),
        ],
        "Deze gegevens van u zijn mogelijk gelekt. Dat kunnen wij niet uitsluiten:": [
            ("de uitslag van uw uitstrijkje", "")
        ],
    } == _lists(wording)
    assert "e-mailadres" not in _words(wording)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_block_that_the_law_asks_for_is_there(language: str) -> None:
    """Nature, consequences, measures, advice and contact are in every notice (art. 34 GDPR)."""
    words = _words(compose(an_incident(), WordingKey(language, 1, 1, 0, 0, supplement=False), on_paper=False))

    for block in CONTENT_BLOCKS:
        for paragraph in DOCUMENT["content"][block][language].split("\n\n"):
            assert paragraph in words


def test_a_supplement_says_what_is_new_and_which_notice_it_adds_to() -> None:
    """A second letter says that it adds to the first, and marks what was not known then."""
    wording = compose(an_incident(), WordingKey("en", 0b1111, 0b0110, 0b0111, 0b0010, supplement=True), on_paper=True)
    marks = {label: mark for items in _lists(wording).values() for label, mark in items}

    assert {
        "your name, address and date of birth": "",
        "your citizen service number (BSN)": "",
        "the result of your smear test": "possible before, now certain",
        "your e-mail address": "new",
    } == marks
    assert "This message is a supplement" in wording.opening


def test_what_is_only_possible_is_not_said_to_be_certain() -> None:
    """A person whose data may have leaked is not told that it did."""
    wording = compose(an_incident(), WordingKey("en", 0b0001, 0, 0, 0, supplement=False), on_paper=True)

    assert wording.opening.startswith("Personal data of yours may have been leaked.")


@pytest.mark.parametrize(("wanted", "given"), [("en-GB", "en"), ("EN", "en"), ("tr", "nl"), ("nl-BE", "nl")])
def test_language_falls_back_to_the_incidents_first(wanted: str, given: str) -> None:
    """Somebody whose language is not there is written to in the incident's first."""
    assert given == compose(an_incident(), WordingKey(wanted, 1, 1, 0, 0, supplement=False), on_paper=True).language


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("on_paper", [True, False])
def test_a_notice_has_no_links_and_asks_for_no_codes(language: str, *, on_paper: bool) -> None:
    """Nobody is taught to click: the address is to be typed, or the number called."""
    words = _words(compose(an_incident(), WordingKey(language, 1, 1, 0, 0, supplement=False), on_paper=on_paper))

    assert "http" not in words
    assert "www." not in words
    assert "0800 0123" in words
    assert " bevolkingsonderzoek.example " in words


def test_dates_are_written_out() -> None:
    """A date reads as people say it."""
    assert "6 juli 2025" == date_in(phrases("nl"), date(2025, 7, 6))


@pytest.mark.parametrize(
    ("language", "contact", "expected"),
    [
        ("nl", {}, "Geachte heer of mevrouw Van den Berg,"),
        ("en", {}, "Dear J.A. van den Berg,"),
        ("nl", {"prefix": "", "family_name": ""}, "Geachte heer of mevrouw,"),
        ("nl", {"prefix": "", "family_name": "{phone}"}, "Geachte heer of mevrouw {phone},"),
    ],
)
def test_salutation(language: str, contact: dict[str, str], expected: str) -> None:
    """Nobody's gender is guessed, and a name is only ever a value."""
    assert expected == greeting(phrases(language), a_contact(**contact))


def test_categories_that_this_version_does_not_know_are_left_out() -> None:
    """A fact of a later version stops no notice of an earlier one."""
    wording = compose(an_incident(), WordingKey("nl", 1 << 40 | 1, 1, 0, 0, supplement=False), on_paper=True)

    assert 1 == len([item for items in _lists(wording).values() for item in items])
