"""The library of advice is whole in every language."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.core.addressee import AddresseeRole
from services.core.incident import PHRASED_LANGUAGES
from services.wire import advice_library
from services.wire.advice_library import ADVICE_LANGUAGES, advice_codes, advice_in

FOLDER = Path(advice_library.__file__).with_name("advice")


KEYS = {"text", "source", "date", "for"}


def _read(language: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return read


def test_every_language_of_notices_has_advice() -> None:
    """Whoever can be told can be advised."""
    assert PHRASED_LANGUAGES == ADVICE_LANGUAGES


@pytest.mark.parametrize("language", sorted(ADVICE_LANGUAGES))
def test_every_language_has_the_same_codes_with_source_and_date(language: str) -> None:
    """An incident takes a code in all its languages; who writes it can look up where it is from."""
    entries = _read(language)

    assert set(advice_codes()) == set(entries)
    assert all({"text", "source", "date"} <= set(entry) <= KEYS and all(entry.values()) for entry in entries.values())
    assert all(date.fromisoformat(entry["date"]) for entry in entries.values())


def test_advice_is_found_by_the_primary_subtag() -> None:
    """A region reads what its language has; what is not there is nothing."""
    assert advice_in("nl", "bsn") == advice_in("nl-BE", "bsn")
    assert (None, None) == (advice_in("pl", "bsn"), advice_in("nl", "rain"))


@pytest.mark.parametrize("code", advice_codes())
def test_who_reads_for_somebody_else_is_told_the_same_in_every_language(code: str) -> None:
    """The same readers have words of their own, and nobody is told to look after a dead person's health."""
    readers = [set(_read(language)[code].get("for", {})) for language in sorted(ADVICE_LANGUAGES)]

    assert [readers[0]] * len(readers) == readers
    assert readers[0] <= {role.value for role in AddresseeRole if role is not AddresseeRole.SELF}
    for text in (advice_in("nl", code, AddresseeRole.NEXT_OF_KIN) or advice_in("nl", code) or "").split():
        assert text.lower() not in {"uw", "uzelf"}
