"""Advice by kind of data, which an incident takes by its code: `advice/<language>.json`, each with source and date.

`date` is the day as of which its facts are known: hold a text against its source before you rely on it. A text speaks
to the person; where others who read it for somebody would be told something untrue by it, `for` has theirs.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from services.core.addressee import AddresseeRole

__all__ = ["ADVICE_LANGUAGES", "advice_codes", "advice_in"]

_FOLDER = Path(__file__).with_name("advice")
ADVICE_LANGUAGES = frozenset(path.stem for path in _FOLDER.glob("*.json"))


@cache
def _entries(language: str) -> Mapping[str, Mapping[str, Any]]:
    entries: Mapping[str, Mapping[str, Any]] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return entries


def advice_codes() -> tuple[str, ...]:
    """Return the codes that there is advice for."""
    return tuple(sorted(set.intersection(*(set(_entries(language)) for language in ADVICE_LANGUAGES))))


def advice_in(language: str, code: str, reader: AddresseeRole = AddresseeRole.SELF) -> str | None:
    """Return the advice for a kind of data in a language (BCP 47; its primary subtag decides), None where none is.

    For another `reader` than the person it is what is said to them alone.
    """
    primary = language.split("-", 1)[0].lower()
    if primary not in ADVICE_LANGUAGES or code not in _entries(primary):
        return None
    entry = _entries(primary)[code]
    text: str | None = entry["text"] if reader is AddresseeRole.SELF else entry.get("for", {}).get(reader)
    return text
