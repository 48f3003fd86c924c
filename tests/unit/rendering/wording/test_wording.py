"""What a notice says."""

from datetime import date
from typing import Any

import pytest

from services.core.incident import CONTENT_BLOCKS, MORE_BLOCKS
from services.rendering.wording.addressees import greeting
from services.rendering.wording.wording import Wording, WordingKey, compose, date_in, phrases
from tests.unit.dispatch.people import DOCUMENT, a_contact, an_incident


def _words(wording: Wording) -> str:
    """Return all that a notice says."""
    parts = [wording.subject, *wording.opening]
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
    assert "This message is a supplement" in wording.opening[0]


def test_a_correction_says_what_does_not_hold() -> None:
    """It has a subject of its own, names what was wrong and what is less certain, and then says what does hold."""
    key = WordingKey("en", 0b0110, 0b0010, 0b1111, 0b0111, supplement=True)
    wording = compose(an_incident(), key, on_paper=True)
    first, *others = wording.sections

    assert {
        "Contrary to what we wrote, this data of yours was not leaked, as far as we know now:": [
            "your name, address and date of birth",
            "your e-mail address",
        ],
        "We wrote that we are certain that this data of yours was leaked. We are not certain of it."
        " It may have been leaked:": ["the result of your smear test"],
    } == {part.lead: [item.label for item in part.items] for part in first.lists}
    assert "Correction to our earlier message: A data breach and your data" == wording.subject
    assert "Correction to" == wording.earlier
    assert 7 == len(others)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_whoever_is_not_affected_reads_nothing_of_a_breach(language: str) -> None:
    """Where nothing holds, no block says what was taken, what it can mean or what to do about it."""
    wording = compose(an_incident(), WordingKey(language, 0, 0, 0b0011, 0b0011, supplement=True), on_paper=True)
    words = _words(wording)

    for block in ("nature", "consequences", "measures", "advice"):
        for paragraph in DOCUMENT["content"][block][language].split("\n\n"):
            assert paragraph not in words
    assert [3, 2] == [len(wording.sections), len(wording.sections[0].lists[0].items)]
    assert "0800 0123" in words


def test_a_supplement_that_leaves_out_what_does_not_hold_is_no_correction() -> None:
    """Where the incident corrects nothing, the notice before is named with what holds of it."""
    wording = compose(an_incident(), WordingKey("en", 0b1110, 0, 0b0010, 0, supplement=True), on_paper=True)

    assert "This message is a supplement" in wording.opening[0]
    assert "Supplement to" == wording.earlier


def test_what_is_only_possible_is_not_said_to_be_certain() -> None:
    """A person whose data may have leaked is not told that it did."""
    wording = compose(an_incident(), WordingKey("en", 0b0001, 0, 0, 0, supplement=False), on_paper=True)

    assert wording.opening[0].startswith("Personal data of yours may have been leaked.")


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


def _subject(key: WordingKey, **changes: Any) -> str:
    return compose(an_incident(**changes), key, on_paper=True).subject


FIRST = WordingKey("nl", 0b0111, 0b0111, 0, 0, supplement=False)


def test_each_language_has_its_own_subject() -> None:
    """Nobody's English letter has a Dutch subject."""
    title = {"nl": "Datalek", "en": "Data breach"}

    assert "Datalek" == _subject(FIRST, title=title)
    assert "Data breach" == _subject(FIRST._replace(language="en"), title=title)


def test_a_title_in_one_language_is_that_of_no_other() -> None:
    """A plain title is in the first language: others have a subject of ours, in their own."""
    assert "Datalek" == _subject(FIRST, title="Datalek")
    assert "A data breach and your data" == _subject(FIRST._replace(language="en"), title="Datalek")


def test_a_supplement_is_no_second_first_notice() -> None:
    """In a mailbox nobody takes it for the same mail again, also where the document says nothing of supplements."""
    second = FIRST._replace(supplement=True)
    variants = [{"when": {"kind": "supplement"}, "title": {"nl": "Nu weten wij meer", "en": "Now we know more"}}]

    assert "Aanvulling op ons eerdere bericht: Datalek" == _subject(second, title="Datalek")
    assert "Nu weten wij meer" == _subject(second, variants=variants)
    assert DOCUMENT["title"] == _subject(FIRST, variants=variants)


@pytest.mark.parametrize(
    ("confirmed", "group", "said"),
    [(0b0111, "", "gestolen"), (0b0011, "", "gestolen"), (0, "", "misschien"), (0b0111, "clinic", "kliniek")],
)
def test_a_notice_says_what_is_known_of_its_reader(confirmed: int, group: str, said: str) -> None:
    """Words for those whose data was certainly taken never stand in a notice to somebody of whom that is not known."""
    nature = {
        "possible": {"nl": "Zijn misschien ook uw gegevens gekopieerd?", "en": "Was your data copied too, perhaps?"},
        "clinic": {"nl": "Er is ingebroken bij de kliniek.", "en": "There was a break-in at the clinic."},
    }
    variants = [
        {"when": {"certainty": "possible"}, "content": {"nature": nature["possible"]}},
        {"when": {"group": "clinic"}, "content": {"nature": nature["clinic"]}},
    ]
    content = DOCUMENT["content"] | {"nature": {"nl": "Uw gegevens zijn gestolen.", "en": "Your data was stolen."}}
    key = FIRST._replace(confirmed=confirmed, group=group)
    words = _words(compose(an_incident(variants=variants, content=content, title="Datalek"), key, on_paper=True))

    assert [said] == [word for word in ("gestolen", "misschien", "kliniek") if word in words]


def test_the_opening_says_how_much_is_certain() -> None:
    """All, a part, or nothing."""
    openings = [compose(an_incident(), FIRST._replace(confirmed=c), on_paper=True).opening for c in (0b111, 0b011, 0)]

    assert 3 == len(set(openings))
    assert "Van een deel weten wij dat zeker" in openings[1][0]


def test_more_blocks_stand_where_they_are_looked_for() -> None:
    """The apology comes first; what was not taken and where the data is now follow the list of what was."""
    more = {block: {"nl": f"{block} nl", "en": f"{block} en"} for block in MORE_BLOCKS}
    wording = compose(an_incident(content=DOCUMENT["content"] | more), FIRST, on_paper=True)
    headings = [section.heading for section in wording.sections]

    assert ["Onze excuses", "Wat is er gebeurd?", "Welke gegevens van u zijn het?"] == headings[:3]
    assert ["Welke gegevens zijn niet gelekt?", "Waar zijn de gegevens nu?"] == headings[3:5]
    assert {f"{block} nl" for block in MORE_BLOCKS} <= {text for one in wording.sections for text in one.paragraphs}


def test_somebody_signs_and_can_be_called_from_abroad() -> None:
    """A name stands under the notice; numbers such as 0800 cannot be called from other countries."""
    controller = DOCUMENT["controller"] | {"signatory": "A. de Wit\ndirecteur", "phoneAbroad": "+31 30 123 45 67"}
    wording = compose(an_incident(controller=controller), FIRST, on_paper=False)

    assert ("A. de Wit", "directeur") == wording.signatory
    assert "Belt u vanuit het buitenland? Bel dan +31 30 123 45 67." in _words(wording)
    assert "buitenland" not in _words(compose(an_incident(), FIRST, on_paper=False))


@pytest.mark.parametrize("language", ["nl", "en"])
def test_an_e_mail_denies_no_links(language: str) -> None:
    """Mail programs make links of addresses and numbers; a message that says it has none looks false."""
    words = _words(compose(an_incident(), FIRST._replace(language=language), on_paper=False))

    assert "geen links" not in words
    assert "no links" not in words
    assert {"nl": "Klik daarom nergens op", "en": "do not click on anything"}[language] in words


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


def test_who_was_told_for_nothing_reads_nothing_of_a_theft() -> None:
    """Neither the subject nor the incident's apology speaks of their data as taken, or as possibly taken."""
    content = DOCUMENT["content"] | {"apology": {"nl": "Wij kunnen u geen zekerheid geven.", "en": "We are not sure."}}
    possible = {"nl": "Uw gegevens zijn misschien gestolen", "en": "Your data may have been stolen"}
    incident = an_incident(content=content, variants=[{"when": {"certainty": "possible"}, "title": possible}])
    wording = compose(incident, WordingKey("nl", 0, 0, 0b0111, 0b0011, supplement=True), on_paper=True)

    assert "Correctie op ons eerdere bericht over uw gegevens" == wording.subject
    assert "gestolen" not in _words(wording)
    assert "zekerheid" not in _words(wording)


@pytest.mark.parametrize(
    ("aware", "day"), [("2025-08-05T22:30:00Z", "6 augustus 2025"), ("2025-08-06T00:30:00+02:00", "6 augustus 2025")]
)
def test_a_day_is_the_readers_own(aware: str, day: str) -> None:
    """However the document writes its times, a notice names the day that it was here."""
    assert f"Wij weten dit sinds {day}." in _words(compose(an_incident(awareAt=aware), FIRST, on_paper=True))
