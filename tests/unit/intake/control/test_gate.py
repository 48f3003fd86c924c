"""Nobody is released into a notice whose words are still to be written."""

from dataclasses import replace
from typing import Any

import pytest

from services.core.addressee import AddresseeRole
from services.core.incident import CONTENT_BLOCKS, DataCategory, Incident
from services.core.variants import Certainty, Variant, When, special_first
from services.intake.control.gate import Reason, everything, gate, untrue
from services.intake.domain import Uses
from tests.unit.intake.builders import an_incident

MISSING = "is still to be written"
NAME, BSN, MEDICAL = 1, 2, 4


def a_text(**changed: str) -> dict[str, str]:
    """Return a text in all offered languages."""
    return {"nl": "tekst", "en": "text", "de": "Text"} | changed


def a_whole_one(**changed: Any) -> Incident:
    """Return an incident in Dutch and English whose every text is there."""
    whole: dict[str, Any] = {
        "content": {block: a_text() for block in CONTENT_BLOCKS},
        "title": a_text(),
        "categories": tuple(DataCategory(code, a_text(), a_text()) for code in ("name", "bsn", "medical")),
    }
    return replace(an_incident(), **(whole | changed))


def some_uses(categories: int = NAME, *languages: str) -> Uses:
    """Return what a cohort uses; Dutch where nothing else is said."""
    return Uses(categories, frozenset(languages or ("nl",)), frozenset({Certainty.CONFIRMED}))


def test_whole_texts_keep_nobody_back() -> None:
    """Whoever may come, everything that they would read is there."""
    incident = a_whole_one()

    assert [] == gate(incident, everything(incident))


@pytest.mark.parametrize("nothing", ["", " ", "-", "...", "\u200b", "\u00a0"])
def test_what_says_nothing_is_missing(nothing: str) -> None:
    """A text that holds its place for one that is to come is no text, nor is what nobody can see."""
    content = {block: a_text() for block in CONTENT_BLOCKS} | {"advice": a_text(en=nothing)}
    incident = a_whole_one(content=content, title=a_text(en=nothing))

    assert [Reason("title.en", MISSING), Reason("content.advice.en", MISSING)] == gate(incident, some_uses(NAME, "en"))


@pytest.mark.parametrize("something", ["Bel 14 077", "112", "مرحبا", "資料"])
def test_a_letter_or_digit_of_any_script_says_something(something: str) -> None:
    """A telephone number is a way to make contact, and not everybody writes in Latin letters."""
    content = {block: a_text() for block in CONTENT_BLOCKS} | {"contact": a_text(nl=something)}

    assert [] == gate(a_whole_one(content=content), some_uses())


def test_only_languages_that_are_read_are_asked_for() -> None:
    """English that is still to come stops who reads English, and not who reads Dutch."""
    incident = a_whole_one(content={block: a_text(en="-") for block in CONTENT_BLOCKS})

    assert [] == gate(incident, some_uses(NAME, "nl"))
    assert len(CONTENT_BLOCKS) == len(gate(incident, some_uses(NAME, "nl", "en")))


def test_only_categories_that_are_used_are_asked_for() -> None:
    """A label or an advice that is still to come stops whose data of that kind were taken."""
    categories = (
        DataCategory("name", a_text()),
        DataCategory("bsn", a_text(nl="-")),
        DataCategory("medical", a_text(), a_text(nl="...")),
    )
    incident = a_whole_one(categories=categories)

    assert [] == gate(incident, some_uses(NAME))
    assert [Reason("dataCategories[1].label.nl", MISSING)] == gate(incident, some_uses(NAME | BSN))
    assert [Reason("dataCategories[2].advice.nl", MISSING)] == gate(incident, some_uses(MEDICAL))


def test_a_language_that_is_not_offered_reads_the_first() -> None:
    """Nobody is stopped for a language that was never offered; what they read instead has to be there."""
    english = a_whole_one(content={block: a_text(en="-") for block in CONTENT_BLOCKS})
    dutch = a_whole_one(content={block: a_text(nl="-") for block in CONTENT_BLOCKS})

    assert [] == gate(english, some_uses(NAME, "tr"))
    assert "content.nature.nl" == gate(dutch, some_uses(NAME, "tr"))[0].field


def test_regions_of_a_language_are_that_language() -> None:
    """Every variant that somebody of the language may read is asked for."""
    words = {"pt": "texto", "pt-BR": "-"}
    categories = (DataCategory("name", words),)
    incident = a_whole_one(
        languages=("pt", "pt-BR"), categories=categories, content=dict.fromkeys(CONTENT_BLOCKS, words), title=words
    )
    fields = [reason.field for reason in gate(incident, some_uses(NAME, "pt"))]

    assert "dataCategories[0].label.pt-BR" in fields
    assert "dataCategories[0].label.pt" not in fields


def test_nobody_reads_nothing() -> None:
    """A cohort without members keeps nothing back."""
    assert [] == gate(a_whole_one(content={}, categories=(), title={}), Uses())


@pytest.mark.parametrize(
    ("certainties", "group", "stopped"),
    [
        ({Certainty.CONFIRMED}, "", []),
        ({Certainty.CONFIRMED, Certainty.POSSIBLE}, "", ["variants[0].content.nature.nl"]),
        ({Certainty.CONFIRMED}, "clinic", ["variants[1].title.nl"]),
    ],
)
def test_variants_are_asked_of_who_reads_them(certainties: set[Certainty], group: str, stopped: list[str]) -> None:
    """Words for others that are still to be written keep nobody back."""
    variants = (
        Variant(When(Certainty.POSSIBLE), None, {"nature": a_text(nl="-")}, "variants[0]"),
        Variant(When(group="clinic"), a_text(nl="..."), {}, "variants[1]"),
    )
    incident = a_whole_one(variants=special_first(variants))

    assert stopped == [
        one.field for one in gate(incident, Uses(NAME, frozenset({"nl"}), frozenset(certainties)), group)
    ]


def test_words_for_those_who_read_on_somebodys_behalf_are_asked_too() -> None:
    """Nobody knows before the release whether a cohort has children, or people who died."""
    variants = (Variant(When(reader=AddresseeRole.GUARDIAN), None, {"nature": a_text(nl="-")}, "variants[0]"),)
    categories = (DataCategory("name", a_text(), a_text(), {AddresseeRole.NEXT_OF_KIN: a_text(nl="-")}),)
    incident = a_whole_one(variants=variants, categories=categories)

    assert ["variants[0].content.nature.nl", "dataCategories[0].adviceFor.next-of-kin.nl"] == [
        one.field for one in gate(incident, some_uses(NAME))
    ]


def test_a_category_that_the_document_does_not_know_has_no_label() -> None:
    """It would be left out of what people are told."""
    assert ["dataCategories[3].label.nl"] == [reason.field for reason in gate(a_whole_one(), some_uses(8))]


@pytest.mark.parametrize(("certainty", "stopped"), [(Certainty.CONFIRMED, []), (Certainty.POSSIBLE, ["title.nl"])])
def test_nobody_is_told_for_certain_what_is_not(certainty: Certainty, stopped: list[str]) -> None:
    """Words of certainty stop the cohort that has people of whom it is not certain, and no other."""
    incident = a_whole_one(title=a_text(nl="Uw gegevens zijn gestolen", en="Your data was stolen"))
    uses = Uses(NAME, frozenset({"nl"}), frozenset({certainty}))

    assert stopped == [reason.field for reason in untrue(incident, uses)]
    assert [] == untrue(replace(incident, exceptions=frozenset({("certain-words", "title.nl")})), uses)
