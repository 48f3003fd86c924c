"""Why records are set aside: every code that a room gives its dead letters, so that each is counted from 0 on.

A counter that appears with its first event has no rise that an alert could see.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["BROKEN_UPLOADS", "dead_letter_reasons"]

# What any room may say of a block: the stage's own codes, and those of the blocks that several rooms read.
_OF_EVERY_ROOM: Final = (
    "column-length",
    "empty-block",
    "incident-document",
    "invalid-name",
    "no-cohort",
    "no-incident",
    "no-scope",
    "no-source",
    "number-range",
    "partitions",
    "tombstone",
    "undecodable",
    "unexpected-topic",
    "unknown-answer",
    "unknown-channel",
    "unknown-receipt",
    "unknown-rule",
)
_OF_ROOMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "intake": (
            "cohort-cancelled",
            "cohort-sealed",
            "conflict",
            "fields",
            "invalid-attribute",
            "invalid-data",
            "invalid-json",
            "members-without-ref",
            "missing-attribute",
            "no-sequence",
            "no-version",
            "not-a-cloudevent",
            "not-permitted",
            "reasons",
            "reserved",
            "too-large",
            "too-many-members",
            "unknown-cohort",
            "unknown-member",
            "unsupported-data",
            "unsupported-specversion",
            "unsupported-topic",
            "unsupported-type",
        ),
        "deduplication": ("contact-since", "facts", "flags", "homes", "judgement", "no-version", "witnesses"),
        "dispatch": ("no-attempt",),
        "tracking": ("no-pause", "unknown-counter", "unknown-outcome"),
    }
)
# Why an upload cannot be read to its end.
BROKEN_UPLOADS: Final = (
    "blank-lines",
    "cut-off",
    "encoding",
    "gzip",
    "gzip-ratio",
    "too-slow",
    "unclosed-quote",
    "utf-16",
)


def dead_letter_reasons(room: str) -> tuple[str, ...]:
    """Return the codes of a room's dead letters."""
    return (*_OF_EVERY_ROOM, *_OF_ROOMS.get(room, ()))
