"""The check reads a notice as its receiver would."""

import json
from pathlib import Path

import pytest

from services.core.facts import Facts
from services.demo.checking import reading
from services.demo.checking.reading import Told, address_block, greets, read_notice
from services.demo.made_up.people import make_people

PHRASES = Path(__file__).parents[4] / "services" / "rendering" / "wording" / "phrases"

DUTCH = """Geachte heer of mevrouw Van der Heijden,
Kenmerk 4QMG-P9SA-842Q-ZD3N
Deze gegevens van u zijn gelekt. Dat weten
wij zeker:
• adresgegevens
• burgerservicenummer (BSN) nieuw
Deze gegevens van u zijn mogelijk gelekt. Dat kunnen wij niet uitsluiten:
• naam van de
huisarts
"""


def test_facts_greeting_and_reference_are_read() -> None:
    """Certain facts, possible facts, the name and the reference are read, wherever lines are broken."""
    told = read_notice(DUTCH)

    assert Told(Facts(0b10011, 0b00011), "Van der Heijden", frozenset({"4QMG-P9SA-842Q-ZD3N"})) == told


def test_english_is_read_as_well() -> None:
    """A notice in English is read like one in Dutch."""
    text = "Dear A. Smit,\nWe cannot rule it out:\n- test result\n- contact details\n"

    assert Told(Facts(0b01100, 0), "A. Smit", frozenset()) == read_notice(text)


@pytest.mark.parametrize(("language", "at"), [("nl", 0), ("en", 1)])
def test_the_sentences_are_those_that_notices_use(language: str, at: int) -> None:
    """The check looks for the sentences that dispatch writes."""
    phrases = json.loads((PHRASES / f"{language}.json").read_text(encoding="utf-8"))

    assert phrases["data_confirmed"].endswith(reading._CERTAIN[at])
    assert phrases["data_possible"].endswith(reading._POSSIBLE[at])
    assert phrases["heading_consequences"] == reading._AFTER[at]


def test_another_name_does_not_greet() -> None:
    """A greeting with another's name does not greet this person."""
    one, other = make_people(1, seed=2)[0], "Geertsema"

    assert greets(one, f"{one.prefix} {one.family_name}".strip())
    assert not greets(one, other)


def test_an_address_is_written_by_the_norm() -> None:
    """The house number's addition stands where NEN 5825 puts it, and the place is in capitals."""
    person = make_people(1, seed=2)[0]
    person.street, person.postcode, person.city = "Borgesiusstraat", "2583XL", "Scheveningen"
    person.house_number, person.house_letter, person.house_number_addition = "9", "", "2"

    assert ("Borgesiusstraat 9-2", "2583 XL SCHEVENINGEN") == address_block(person)[1:]
