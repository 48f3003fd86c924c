"""Which keys there are, one file a purpose, and which room has which of them."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["KEYS_OF", "KEY_FILES", "PURPOSES", "UNWRAP", "VERSIONS", "WRAP"]

# One key of hashes for each purpose, so that those made for one cannot be matched with those of another.
PURPOSES = ("match", "witness", "member", "content", "references", "notice", "reference", "lookup")
WRAP = "wrap"  # closes data keys of the vault, and opens none: the public half
UNWRAP = "unwrap"  # opens them
VERSIONS = "versions"  # which version of each key is the newest; no secret

KEY_FILES = (*PURPOSES, WRAP, UNWRAP, VERSIONS)

# What a room that was taken over could use. Intake begins incidents and so says the versions of all keys, and it seals
# what it cannot open; dispatch alone opens.
KEYS_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "intake": frozenset({"match", "witness", "member", "content", "references", WRAP, VERSIONS}),
        "deduplication": frozenset({"notice"}),
        "routing": frozenset(),
        "dispatch": frozenset({"reference", UNWRAP}),
        "tracking": frozenset({"lookup", "reference"}),
    }
)
