"""Which words a notice has, where an incident says something else to some of its people. Pure.

A *variant* replaces the title, or blocks, for those of whom its conditions hold. Each text is looked for by itself: the
most special variant that has it, else the general one. A text of another language never takes its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from services.core.addressee import AddresseeRole

__all__ = [
    "Certainty",
    "Kind",
    "Reading",
    "Said",
    "Text",
    "Variant",
    "When",
    "certainty_of",
    "said_to",
    "special_first",
]

Text = Mapping[str, str]  # language (BCP 47) -> words


class Certainty(Enum):
    """How certain it is what was taken of somebody: all of it, nothing, or some. The value is its word in documents."""

    CONFIRMED = "confirmed"
    POSSIBLE = "possible"
    MIXED = "mixed"


class Kind(Enum):
    """What a notice is to the one before. The value is its word in documents."""

    FIRST = "first"
    SUPPLEMENT = "supplement"
    CORRECTION = "correction"


class Reading(NamedTuple):
    """Everything about a reader that variants can ask for; group "" = their cohort is in none.

    `reader` is what they are to the person that the notice is about.
    """

    language: str  # one that the incident offers
    certainty: Certainty
    kind: Kind
    group: str = ""
    reader: AddresseeRole = AddresseeRole.SELF


class When(NamedTuple):
    """The conditions of a variant; None = whatever it is."""

    certainty: Certainty | None = None
    kind: Kind | None = None
    group: str | None = None
    language: str | None = None
    reader: AddresseeRole | None = None

    def holds(self, reading: Reading) -> bool:
        """Tell whether all conditions hold of a reader."""
        wanted = (self.language, self.certainty, self.kind, self.group, self.reader)
        return all(one is None or one == given for one, given in zip(wanted, reading, strict=True))


class Variant(NamedTuple):
    """Words for those of whom `when` holds. `title` is None, and blocks are left out, where the general ones serve."""

    when: When
    title: Text | None
    content: Mapping[str, Text]  # by block
    place: str = ""  # in its document: `variants[3]`


class Said(NamedTuple):
    """The words that an incident has for one kind of reader; a block that there is no text for is left out."""

    title: str
    titled: When  # the conditions of the variant that the title is from
    content: Mapping[str, str]
    places: Mapping[str, str]  # where in the document each text stands: of each block, and of `title`
    own: frozenset[str]  # of those, the texts that are for this reader's role and no other


def certainty_of(exposed: int, confirmed: int) -> Certainty:
    """Return how certain facts are as a whole; both are masks of categories."""
    if not confirmed:
        return Certainty.POSSIBLE
    return Certainty.MIXED if exposed & ~confirmed else Certainty.CONFIRMED


def special_first(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Return variants in the order in which their texts are looked for.

    More conditions come first. Of as many, certainty comes before reader before kind before group: what is certain must
    not be wrong, whoever it is said to, and nobody reads of somebody else's data as their own. A language alone makes
    nothing more special, so that all languages say the same.
    """
    return tuple(sorted(variants, key=_rank))


def _rank(variant: Variant) -> tuple[int, bool, bool, bool, bool, bool]:
    certainty, kind, group, language, reader = (condition is None for condition in variant.when)
    return certainty + kind + group + reader, certainty, reader, kind, group, language


def said_to(reading: Reading, title: Text, content: Mapping[str, Text], variants: Sequence[Variant]) -> Said:
    """Return the words for a reader. `title` and `content` are the general ones, `variants` stand special first."""
    texts, places, whens = {"title": title.get(reading.language, "")}, {"title": "title"}, {"title": When()}
    general = Variant(When(), title, content)
    for variant in [general, *(one for one in reversed(variants) if one.when.holds(reading))]:
        begin = f"{variant.place}." if variant.place else ""
        if variant.title and reading.language in variant.title:
            texts["title"], places["title"] = variant.title[reading.language], f"{begin}title"
            whens["title"] = variant.when
        for block, text in variant.content.items():
            if reading.language in text:
                texts[block], places[block] = text[reading.language], f"{begin}content.{block}"
                whens[block] = variant.when
    own = frozenset(name for name, when in whens.items() if when.reader is not None)
    return Said(texts.pop("title"), whens["title"], texts, places, own)
