"""All texts of an incident with their places in its document, for whoever looks at each of them. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from services.core.incident import Incident
from services.core.variants import Text, When

__all__ = ["Placed", "placed_texts", "sender_texts"]


class Placed(NamedTuple):
    """A text: its place without the language, its block (`title`, `nature`, `label`), and for whom it is."""

    place: str
    block: str
    language: str
    text: str
    when: When = When()

    @property
    def field(self) -> str:
        """Where it stands in the document."""
        return f"{self.place}.{self.language}"


def placed_texts(incident: Incident) -> list[Placed]:
    """Return every text in an offered language, in the order of the document."""
    found = [*_of("title", incident.title), *_blocks("content", incident.content)]
    for at, category in enumerate(incident.categories):
        found += _of(f"dataCategories[{at}].label", category.label, block="label")
        found += _of(f"dataCategories[{at}].advice", category.advice or {}, block="advice")
        for reader, advice in category.advice_for.items():
            found += _of(f"dataCategories[{at}].adviceFor.{reader}", advice, block="advice")
    for variant in sorted(incident.variants, key=lambda one: one.place):
        own = [
            *_of(f"{variant.place}.title", variant.title or {}),
            *_blocks(f"{variant.place}.content", variant.content),
        ]
        found += [placed._replace(when=variant.when) for placed in own]
    return [placed for placed in found if placed.language in incident.languages]


def sender_texts(incident: Incident) -> list[tuple[str, str]]:
    """Return what is said of the controller, each with its place."""
    sender = incident.controller
    found = {
        "name": sender.name,
        "phone": sender.phone,
        "email": sender.email,
        "website": sender.website,
        "phoneAbroad": sender.phone_abroad,
        "signatory": sender.signatory,
    }
    lines = [(f"controller.address[{at}]", line) for at, line in enumerate(sender.address)]
    return [*((f"controller.{name}", text) for name, text in found.items() if text), *lines]


def _of(place: str, text: Text, block: str = "title") -> Iterator[Placed]:
    for language, words in text.items():
        yield Placed(place, block, language, words)


def _blocks(place: str, content: Mapping[str, Text]) -> Iterator[Placed]:
    for block, text in content.items():
        yield from _of(f"{place}.{block}", text, block)
