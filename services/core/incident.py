"""The incident document: what happened, who tells, over which channels, in which words (art. 34 GDPR)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.core.channel import Channel, channel_mask
from services.core.policy import Policy

__all__ = [
    "CONTENT_BLOCKS",
    "PHRASED_LANGUAGES",
    "Controller",
    "DataCategory",
    "Incident",
    "KeyVersions",
    "Text",
]

# Art. 34(2) with 33(3)(b), (c), (d) GDPR: what every notice must say; `advice` is the authority's checklist.
CONTENT_BLOCKS = ("nature", "consequences", "measures", "advice", "contact")

# Primary subtags of the languages in which dispatch has the sentences that are nobody's own: headings, whether the
# data were certainly taken, how to tell that a letter is genuine. A test holds this to its phrases.
PHRASED_LANGUAGES = frozenset({"en", "nl"})

Text = Mapping[str, str]  # language (BCP 47) -> words


@dataclass(frozen=True, slots=True)
class Controller:
    """Who is responsible and signs the notice."""

    name: str
    address: tuple[str, ...]
    phone: str
    email: str
    website: str | None = None


@dataclass(frozen=True, slots=True)
class DataCategory:
    """A kind of data that was taken."""

    code: str
    label: Text
    advice: Text | None = None


class KeyVersions(NamedTuple):
    """Which version of each key an incident's hashes are made with, by the key's purpose; 0 = not known.

    They are fixed when the incident begins and stay, so that a rotation of keys tells nobody again.
    """

    match: int = 0
    witness: int = 0
    member: int = 0
    content: int = 0
    notice: int = 0
    reference: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """One version of an incident."""

    incident_id: str
    version: int
    title: str
    aware_at: datetime
    occurred_at: datetime | None
    controller: Controller
    languages: tuple[str, ...]  # the first is used where a person's own is not among them
    channels: tuple[Channel, ...]  # allowed, preferred first
    compromised: frozenset[Channel]
    categories: tuple[DataCategory, ...]  # position = bit in core.facts
    content: Mapping[str, Text]  # by block of CONTENT_BLOCKS
    policy: Policy = Policy()
    key_versions: KeyVersions = KeyVersions()
    four_eyes: bool = False  # a release takes two: one asks for it, another approves it

    @property
    def usable_channels(self) -> tuple[Channel, ...]:
        """The channels that a notice may take, preferred first."""
        return tuple(channel for channel in self.channels if channel not in self.compromised)

    @property
    def usable_mask(self) -> Channel:
        """`usable_channels` as one set."""
        return channel_mask(self.usable_channels)

    def language_for(self, wanted: str) -> str:
        """Return the incident's language nearest to a `wanted` tag: exact, then its primary subtag, else the first."""
        primary = wanted.split("-", 1)[0].lower()
        for language in self.languages:
            if language.lower() == wanted.lower():
                return language
        for language in self.languages:
            if language.split("-", 1)[0].lower() == primary:
                return language
        return self.languages[0]
