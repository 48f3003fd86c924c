"""Every language of the folder is complete: it has each phrase that a notice needs, and none that no notice uses."""

import json
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from services.core.addressee import AddresseeRole
from services.core.incident import CONTENT_BLOCKS, MORE_BLOCKS, Incident
from services.rendering.letters.words import words_of
from services.rendering.messages.plain_text import PlainTexts
from services.rendering.wording import wording as module
from services.rendering.wording.addressees import addressee_lines, greeting
from services.rendering.wording.wording import WordingKey, compose, date_in, phrases
from tests.unit.dispatch.people import a_contact, an_incident, some_work

FILES = sorted((Path(module.__file__).parent / "phrases").glob("*.json"))
ROLES = ["", *(role.value for role in AddresseeRole if role is not AddresseeRole.SELF)]
OF_THE_READER = {"nl": "uw gegevens", "en": "your data"}
LANGUAGES = [path.stem for path in FILES]
# The salutation of a language names people in one of these ways; it is a choice and is not printed.
CHOICES = {"name_in_greeting": {"surname", "full"}}
NOT_PRINTED = {*CHOICES, "speaks_of_reader"}  # a pattern


def _read(language: str) -> dict[str, Any]:
    (path,) = [path for path in FILES if path.stem == language]
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def _placeholders(language: str) -> dict[str, list[set[str]]]:
    """Return each phrase's placeholders; a list of words, such as the months, has an entry a word."""
    return {
        key: [{name for _, name, _, _ in Formatter().parse(text) if name} for text in _texts(value)]
        for key, value in _read(language).items()
    }


def _pieces(text: str) -> list[str]:
    """Return what a phrase says around its placeholders."""
    return [literal for literal, *_ in Formatter().parse(text) if literal.strip()]


def _flat(value: Any) -> Iterator[str]:
    """Return all texts of a value made of lists and mappings."""
    if isinstance(value, str):
        yield value
        return
    for part in value.values() if isinstance(value, dict) else value:
        yield from _flat(part)


def _incidents(language: str) -> list[Incident]:
    """Return incidents that have, and lack, everything that is optional."""
    texts: dict[str, Any] = {
        "languages": [language],
        "dataCategories": [{"code": f"c{at}", "label": {language: f"category {at}"}} for at in range(3)],
        "content": {block: {language: OF_THE_READER[language]} for block in (*CONTENT_BLOCKS, *MORE_BLOCKS)},
        "title": {language: OF_THE_READER[language]},
    }
    without_website = {"name": "C", "address": ["A"], "phone": "P", "email": "c@a.example"}
    abroad = without_website | {"website": "W", "phoneAbroad": "+P"}
    return [an_incident(**texts, controller=abroad), an_incident(**texts, controller=without_website, occurredAt=None)]


def _everything_said(language: str) -> str:
    """Return all that notices in a language can say, on paper and as text."""
    said = [date_in(phrases(language), date(2026, month, 1)) for month in range(1, 13)]
    keys = [
        WordingKey(language, 0b111, 0b011, 0b011, 0b001, supplement=True),
        WordingKey(language, 0b011, 0b001, 0b111, 0b011, supplement=True),
        WordingKey(language, 0, 0, 0b111, 0b011, supplement=True),
        WordingKey(language, 0b111, 0b011, 0, 0, supplement=False),
        WordingKey(language, 0b111, 0, 0, 0, supplement=False),
        *(WordingKey(language, 0b111, 0b111, 0, 0, supplement=False, role=role) for role in ROLES),
        *(WordingKey(language, 0, 0, 0b111, 0b111, supplement=True, role=role) for role in ROLES),
    ]
    said += [
        greeting(phrases(language), contact, role)
        for role in ROLES
        for contact in (a_contact(), a_contact(initials="", prefix="", family_name=""), a_contact(salutation="Familie"))
    ]
    said += [line for role in ROLES for line in addressee_lines(phrases(language), a_contact(), role)]
    for incident, key, on_paper in product(_incidents(language), keys, (True, False)):
        wording = compose(incident, key, on_paper=on_paper)
        work = some_work(1, contacts=[a_contact()], incident=incident, supersedes=[b"x" * 16])
        texts = PlainTexts()
        said += [texts.top(wording, work, 0), texts.tail(wording)]
        said += _flat(words_of(wording))
    return "\n".join(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_file_of_a_language_is_found(language: str) -> None:
    """A file is named by the primary subtag in lower case, as it is asked for: another name is never read."""
    assert language.partition("-")[0].lower() == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_phrases_with_the_same_placeholders(language: str) -> None:
    """A language that lacks a phrase would fail at the first notice that needs it."""
    assert _placeholders("nl") == _placeholders(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_of_a_language_is_used_whole(language: str) -> None:
    """What a translator writes is read by somebody: no phrase is dead, and none is cut."""
    said = _everything_said(language)
    unused = {
        key: piece
        for key, value in _read(language).items()
        if key not in NOT_PRINTED
        for text in _texts(value)
        for piece in _pieces(text)
        if piece not in said
    }

    assert {} == unused


@pytest.mark.parametrize("language", LANGUAGES)
def test_choices_are_among_those_that_there_are(language: str) -> None:
    """A choice that no code knows would silently be another one."""
    read = _read(language)

    assert {} == {key: read[key] for key, known in CHOICES.items() if read[key] not in known}
    assert all(_texts(value) == [text for text in _texts(value) if text] for value in read.values())
