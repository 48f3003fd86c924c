"""The incident document: what happened, who tells, over which channels, in which words (art. 34 GDPR)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from services.core.addressee import AddresseeRole
from services.core.channel import Channel, channel_mask
from services.core.permission import is_reached
from services.core.policy import Policy
from services.core.variants import Reading, Said, Text, Variant, said_to

__all__ = [
    "CONTENT_BLOCKS",
    "MORE_BLOCKS",
    "PHRASED_LANGUAGES",
    "Controller",
    "DataCategory",
    "Incident",
    "KeyVersions",
    "Text",
    "VersionRules",
]

# Art. 34(2) with 33(3)(b), (c), (d) GDPR: what every notice must say; `advice` is the authority's checklist.
CONTENT_BLOCKS = ("nature", "consequences", "measures", "advice", "contact")
# What readers missed in real letters. A notice has a section for each that the document has words for.
MORE_BLOCKS = ("apology", "notTaken", "whereNow")

# Primary subtags of the languages in which dispatch has the sentences that are nobody's own: headings, whether the
# data were certainly taken, how to tell that a letter is genuine. A test holds this to its phrases.
PHRASED_LANGUAGES = frozenset({"en", "nl"})


@dataclass(frozen=True, slots=True)
class Controller:
    """Who is responsible and signs the notice."""

    name: str
    address: tuple[str, ...]
    phone: str
    email: str
    website: str | None = None
    phone_abroad: str | None = None  # numbers such as 0800 cannot be called from other countries
    signatory: str | None = None  # who signs, by name; a line each


@dataclass(frozen=True, slots=True)
class DataCategory:
    """A kind of data that was taken."""

    code: str
    label: Text
    advice: Text | None = None
    advice_for: Mapping[AddresseeRole, Text] = field(default_factory=dict)  # to others than the person

    def advice_to(self, reader: AddresseeRole, language: str) -> str:
        """Return the advice to a reader, which is the general one where there is none for them; empty = none."""
        text = self.advice_for.get(reader, self.advice)
        return text.get(language, "") if text else ""


class KeyVersions(NamedTuple):
    """Which version of each key an incident's hashes and references are made with, by its purpose; 0 = not known.

    They are fixed when the incident begins and stay, so that a rotation of keys tells nobody again.
    """

    match: int = 0
    witness: int = 0
    member: int = 0
    content: int = 0
    notice: int = 0
    reference: int = 0
    references: int = 0  # of memberRefs, which intake keeps sealed


class VersionRules(NamedTuple):
    """What one version of an incident lets go, and from where in the log on: its words are not in it."""

    channels: tuple[Channel, ...]  # that a notice may take, preferred first
    policy: Policy
    after: tuple[int, ...]  # this and the next as in `Incident`
    tied: bool

    def hold_in(self, partition: int, taken: Sequence[int], *, tied: bool = False) -> bool:
        """Tell whether all holds that it permits in a partition; `taken`: how far intake's blocks are known of each.

        `tied`: some people of the incident are known by now to come under several identities. Raises IndexError where
        it was put on fewer partitions.
        """
        return not self.after or is_reached(self.after, partition, taken, everywhere=tied or self.tied)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Incident:
    """One version of an incident."""

    incident_id: str
    version: int
    title: Text
    aware_at: datetime
    occurred_at: datetime | None
    controller: Controller
    languages: tuple[str, ...]  # the first is used where a person's own is not among them
    channels: tuple[Channel, ...]  # allowed, preferred first
    compromised: frozenset[Channel]
    categories: tuple[DataCategory, ...]  # position = bit in core.facts
    content: Mapping[str, Text]  # by block of CONTENT_BLOCKS and MORE_BLOCKS
    policy: Policy = Policy()
    key_versions: KeyVersions = KeyVersions()
    four_eyes: bool = False  # a release takes two: one asks for it, another approves it
    variants: tuple[Variant, ...] = ()  # the most special first
    exceptions: frozenset[tuple[str, str]] = frozenset()  # (rule, place): findings of the linter that are meant so
    # Of each partition: the last of intake's blocks of members when this version was put. Empty in the first one. What
    # it permits and earlier ones did not holds where they are known; words, and what it stops, hold at once.
    after: tuple[int, ...] = ()
    reissue: bool = False  # notices that were released with an earlier version, and are not begun, follow this one
    tied: bool = False  # some of its people came under several identities then: see `core.permission`

    @property
    def usable_channels(self) -> tuple[Channel, ...]:
        """The channels that a notice may take, preferred first."""
        return tuple(channel for channel in self.channels if channel not in self.compromised)

    @property
    def usable_mask(self) -> Channel:
        """`usable_channels` as one set."""
        return channel_mask(self.usable_channels)

    @property
    def rules(self) -> VersionRules:
        """What this version lets go."""
        return VersionRules(self.usable_channels, self.policy, self.after, self.tied)

    @property
    def name(self) -> str:
        """Its title in its first language: what staff know it by."""
        return self.title.get(self.languages[0], "")

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of cohorts that variants ask for."""
        return tuple(sorted({one.when.group for one in self.variants if one.when.group is not None}))

    @property
    def readers(self) -> tuple[AddresseeRole, ...]:
        """Who reads for whom, as far as variants ask for it; the person as well."""
        asked = {one.when.reader for one in self.variants}
        return tuple(role for role in AddresseeRole if role is AddresseeRole.SELF or role in asked)

    def said_to(self, reading: Reading) -> Said:
        """Return the words for a reader of one of its languages."""
        return said_to(reading, self.title, self.content, self.variants)

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
