"""The gate of a release and the notices agree on the languages that Heraut has sentences in."""

from pathlib import Path

from services.core.incident import PHRASED_LANGUAGES
from services.rendering.wording import wording

PHRASES = Path(wording.__file__).parent / "phrases"


def test_the_gate_knows_the_languages_of_the_phrases() -> None:
    """A language that is added to the phrases is one that people can be released in, and no other is."""
    assert {path.stem for path in PHRASES.glob("*.json")} == PHRASED_LANGUAGES
