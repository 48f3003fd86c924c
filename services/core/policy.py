"""What an incident's document decides beside its words: readable rules, each with a default.

The only table of them is `RULES`: the check of documents, what is shown of an incident, OpenAPI and the template come
from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["RULES", "Correction", "OnIdentityConflict", "Policy", "Rule", "in_words"]


class OnIdentityConflict(Enum):
    """What becomes of people who share an identity and contradict each other. The value is its word in documents."""

    TELL_APART = "tell-apart"  # each is told what its own records say
    HOLD = "hold"  # none is told anything more, as long as it is so


class Correction(Enum):
    """When people are told that something they were told does not hold (any more). The value is as in documents."""

    NONE = "none"
    WHEN_WHOLLY_WITHDRAWN = "whenWhollyWithdrawn"  # of the data that somebody was told of, none is left
    ALWAYS = "always"  # also where some is left, or what was certain is only possible now


@dataclass(frozen=True, slots=True)
class Policy:
    """What is decided for one incident; each default stands here, and nowhere else."""

    on_identity_conflict: OnIdentityConflict = OnIdentityConflict.TELL_APART
    # Whoever cancels a cohort by mistake must not have written to everybody in it: a letter cannot be taken back.
    correction: Correction = Correction.NONE


class Rule(NamedTuple):
    """A key of `policy` in documents: the attribute of `Policy` that it sets, its words, and what it decides."""

    attribute: str
    words: type[Enum]
    meaning: str


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "onIdentityConflict": Rule(
            "on_identity_conflict",
            OnIdentityConflict,
            "What becomes of people who share an identity and contradict each other:"
            " each is told what its own records say, or none is told anything more",
        ),
        "correction": Rule(
            "correction",
            Correction,
            "When people are told that something they were told does not hold (any more): never,"
            " where nothing of it is left, or also where some of it is left or less certain now",
        ),
    }
)


def in_words(policy: Policy) -> dict[str, str]:
    """Return every rule of a policy as a document would say it, those that a document left out as well."""
    return {key: getattr(policy, rule.attribute).value for key, rule in RULES.items()}
