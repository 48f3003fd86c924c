"""Everything that an incident can say is rendered before anybody is told."""

from itertools import product
from typing import Any

import pytest

from services.core.addressee import AddresseeRole
from services.core.variants import Certainty, Kind
from services.demo.made_up.incident import made_up_incident
from services.rendering.proof import problems_of
from services.rendering.samples import LONGEST, ODD, USUAL, samples_of
from services.rendering.texts import placed_texts
from services.rendering.wording.wording import WordingKey
from services.wire.incident_document import parse_incident
from tests.unit.dispatch.people import CREATED, DOCUMENT, an_incident


def _changed(block: str, text: str) -> dict[str, Any]:
    return {"content": {**DOCUMENT["content"], block: {"nl": text, "en": "text"}}}


def _places(**changes: Any) -> list[str]:
    return [problem["field"] for problem in problems_of(an_incident(**changes))]


def test_a_usual_document_is_proved() -> None:
    """With its variants, in all languages, to people with long names."""
    assert [] == problems_of(parse_incident("lab", 1, made_up_incident(CREATED)))
    assert [] == _places()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (_changed("nature", "Er is iets gebeurd 🦄."), "content.nature.nl"),
        (_changed("advice", "Let op: " + "w" * 200), "content.advice.nl"),
        ({"title": {"nl": "数据", "en": "Data"}}, "title.nl"),
        ({"variants": [{"when": {"language": "en"}, "content": {"advice": "עצה"}}]}, "variants[0].content.advice.en"),
        ({"controller": {**DOCUMENT["controller"], "signatory": "王"}}, "controller.signatory"),
        ({"controller": {**DOCUMENT["controller"], "name": "Stichting " * 40}}, "controller.name"),
        ({"controller": {**DOCUMENT["controller"], "phone": "0" * 90}}, "controller.phone"),
        ({"controller": {**DOCUMENT["controller"], "email": f"{'a' * 60}@{'b' * 40}.example"}}, "controller.email"),
    ],
)
def test_what_cannot_be_printed_is_named_by_its_place(changes: dict[str, Any], place: str) -> None:
    """Whoever writes the document can mend it; no letter goes out with a box, or off the sheet."""
    assert [place] == _places(**changes)
    assert [] == _places(**changes, channels=["email", "portal"])


def test_a_long_address_of_the_web_is_taken() -> None:
    """It is broken where such addresses are."""
    website = f"https://www.example.org/onderwerpen/{'vragen-en-antwoorden-' * 6}"

    assert [] == _places(controller={**DOCUMENT["controller"], "website": website})


def test_everybody_who_may_read_something_is_among_the_samples() -> None:
    """Each language, certainty, kind and group, to each of the made-up people."""
    variants = [{"when": {"group": "clinic"}, "title": {"nl": "Kliniek", "en": "Clinic"}}]
    samples = samples_of(an_incident(variants=variants), {"usual": USUAL, "longest": LONGEST, "odd": ODD})
    readings = {sample.reading for sample in samples.samples}

    expected = set(product(("nl", "en"), Certainty, Kind, ("", "clinic"), (AddresseeRole.SELF,)))

    assert expected == readings
    assert len(samples.notices) == len(samples.contacts) == len(samples.references) == 2 * 2 * (3 + 3 + 4) * 3


def test_samples_read_what_they_say_they_read() -> None:
    """The words of each sample are those of its kind and certainty."""
    samples = samples_of(an_incident(), {"usual": USUAL})
    keys = [WordingKey.of(samples, row) for row in range(len(samples.notices))]

    assert [(one.reading.certainty, one.reading.kind) for one in samples.samples] == [
        (k.certainty, k.kind) for k in keys
    ]


@pytest.mark.parametrize("categories", [1, 2, 3])
def test_few_categories_are_proved_too(categories: int) -> None:
    """With one kind of data nobody's facts are mixed."""
    incident = an_incident(dataCategories=DOCUMENT["dataCategories"][:categories])
    found = {(one.reading.certainty, one.reading.kind) for one in samples_of(incident, {"usual": USUAL}).samples}

    assert [] == problems_of(incident)
    assert (categories > 1) == ((Certainty.MIXED, Kind.FIRST) in found)


def test_each_text_is_rendered_and_none_in_vain() -> None:
    """A proof sets every text of every variant, in every kind of notice, once for each language."""
    variants = [
        {"when": {"certainty": "possible"}, "title": {"nl": "Misschien", "en": "Perhaps"}},
        {"when": {"group": "clinic"}, "content": {"nature": {"nl": "Kliniek", "en": "Clinic"}}},
    ]
    plain = samples_of(an_incident(), {"usual": USUAL}).different()
    varied = samples_of(an_incident(variants=variants), {"usual": USUAL}).different()
    texts = {placed.text for placed in placed_texts(varied.incident) if placed.block in {"title", "nature"}}
    said = [varied.incident.said_to(one.reading) for one in varied.samples]

    assert 2 * 4 == len(plain.samples)
    assert 2 * 2 * (2 * 3 + 1) == len(varied.samples)
    assert texts <= {text for one in said for text in (one.title, *one.content.values())}
