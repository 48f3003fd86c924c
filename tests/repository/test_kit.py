"""The kit is machinery: it knows no room's noun and stays small."""

import re
from pathlib import Path

KIT = Path(__file__).parents[2] / "services" / "kit"
NOUNS = re.compile(r"(?<!dead[ -])\b(letter|email|portal|cohort)s?\b", re.IGNORECASE)
# The fields of a log line are the field's words.
SHARED_WORDS = {"log.py"}


def test_kit_knows_no_rooms_noun() -> None:
    """Machinery that names a channel or a cohort belongs to a room."""
    guilty = {
        path.name: sorted({match.group(0) for match in NOUNS.finditer(path.read_text(encoding="utf-8"))})
        for path in [*KIT.rglob("*.py"), *KIT.rglob("*.sql")]
        if path.name not in SHARED_WORDS
    }

    assert {name: nouns for name, nouns in guilty.items() if nouns} == {}
