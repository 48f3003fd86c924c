"""What a reader would stumble over is found before anybody reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.core.incident import PHRASED_LANGUAGES
from services.demo.made_up.incident import made_up_incident
from services.rendering import linter
from services.rendering.linter import errors_of, lint
from services.wire.advice_library import ADVICE_LANGUAGES, advice_codes
from services.wire.incident_document import parse_incident
from tests.unit.dispatch.people import CREATED

LISTS = Path(linter.__file__).with_name("lint")


def _found(**changes: Any) -> set[tuple[str, str]]:
    """Return places and rules of what is found in the made-up document with these changes."""
    return {(one.field, one.rule) for one in lint(parse_incident("lab", 1, made_up_incident(CREATED) | changes))}


def _content(block: str, **texts: str) -> dict[str, Any]:
    content = made_up_incident(CREATED)["content"]
    return {"content": content | {block: content[block] | texts}}


def test_the_made_up_document_is_an_example() -> None:
    """Whoever begins with the template begins with words that people can read."""
    assert set() == _found()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (_content("measures", nl="Kijk op https://voorbeeld.nl."), ("content.measures.nl", "link")),
        (_content("measures", nl="Kijk op voorbeeld.nl."), ("content.measures.nl", "link")),
        (_content("measures", en="We acted in accordance with the law."), ("content.measures.en", "jargon")),
        (_content("measures", nl="Een externe partij doet forensisch onderzoek."), ("content.measures.nl", "jargon")),
        (_content("advice", nl="woord " * 26 + "."), ("content.advice.nl", "long-sentence")),
        (_content("nature", en="It was closed. It was reported. It was repaired."), ("content.nature.en", "passive")),
        (_content("nature", nl="Er wordt gemeld. Er werd gewist. Er wordt gebeld."), ("content.nature.nl", "passive")),
        (_content("apology", nl="..."), ("content.apology.nl", "missing-text")),
        ({"title": {"nl": "Belangrijk bericht", "en": "Your data was stolen"}}, ("title.nl", "title")),
        ({"title": "Datalek"}, ("title", "same-title")),
    ],
)  # fmt: skip
def test_each_rule_names_the_place(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    """Whoever writes the document sees which text it is."""
    assert expected in _found(**changes)


@pytest.mark.parametrize(
    ("dutch", "asserts"),
    [
        ("Uw gegevens zijn gestolen.", True),
        ("Er zijn gegevens gestolen, ook gegevens van u.", True),
        ("Er zijn gegevens gestolen.", False),
        ("Misschien zijn uw gegevens gestolen.", False),
        ("Wij weten niet of uw gegevens zijn gestolen.", False),
        ("Er is ingebroken. Uw gegevens zijn gelekt.", True),
    ],
)
def test_words_of_certainty_are_found_in_what_the_uncertain_read(dutch: str, *, asserts: bool) -> None:
    """A sentence that speaks of its reader and of the deed, and leaves no doubt."""
    changes = {**_content("nature", nl=dutch), "variants": []}

    assert asserts == (("content.nature.nl", "certain-words") in _found(**changes))


def test_words_of_certainty_in_a_text_for_the_uncertain_are_an_error() -> None:
    """It was written for them and for nobody else; a reason lets it stand."""
    text = {"nl": "Uw gegevens zijn gestolen.", "en": "Your data may have been stolen."}
    changes = {"variants": [{"when": {"certainty": "possible"}, "title": text, "content": {"nature": text}}]}
    meant = [
        {"rule": "certain-words", "field": f"variants[0].{place}.nl", "reason": "The court found so."}
        for place in ("title", "content.nature")
    ]
    incident = parse_incident("lab", 1, made_up_incident(CREATED) | changes)
    excepted = parse_incident("lab", 1, made_up_incident(CREATED) | changes | {"exceptions": meant})

    assert ["variants[0].title.nl", "variants[0].content.nature.nl"] == [
        one.field for one in errors_of(incident, lint(incident))
    ]
    assert [] == errors_of(excepted, lint(excepted))


@pytest.mark.parametrize("reader", ["guardian", "next-of-kin", "representative"])
def test_readers_without_words_of_their_own_are_named(reader: str) -> None:
    """Whoever writes the document sees who would read of a dead person's data, or a child's, as their own."""
    text = {"nl": "Bel uw eigen huisarts.", "en": "Call your own doctor."}
    changes = _content("advice", **text)
    kin = {"nl": "Bel de huisarts.", "en": "Call the doctor."}
    variants = [
        one | {"content": {"advice": kin}} if one["when"] == {"reader": reader} else one
        for one in made_up_incident(CREATED)["variants"]
    ]

    assert ("variants", f"reader-{reader}") in _found(**changes)
    assert ("variants", f"reader-{reader}") not in _found(**changes, variants=variants)


def test_words_of_certainty_to_those_who_read_for_somebody_are_found() -> None:
    """They speak of a child, or of somebody who died, and say that its data was taken."""
    text = {"nl": "Gegevens van het kind zijn gestolen.", "en": "Data of the child was stolen."}
    variants = [{"when": {"reader": "guardian"}, "content": {"nature": text}}]

    assert ("variants[0].content.nature.nl", "certain-words") in _found(variants=variants)


@pytest.mark.parametrize("code", advice_codes())
def test_the_library_of_advice_is_plain(code: str) -> None:
    """What incidents take by code has no link, no jargon and no long sentence."""
    categories = [
        {**one, "advice": code} if at == 0 else one
        for at, one in enumerate(made_up_incident(CREATED)["dataCategories"])
    ]

    assert set() == _found(dataCategories=categories)


@pytest.mark.parametrize("language", sorted(PHRASED_LANGUAGES))
def test_every_language_has_lists(language: str) -> None:
    """A language that can be offered can be looked at."""
    names = {path.stem: set(json.loads(path.read_text(encoding="utf-8"))) for path in LISTS.glob("*.json")}

    assert PHRASED_LANGUAGES == set(names) == ADVICE_LANGUAGES
    assert names[language] == names["nl"]
