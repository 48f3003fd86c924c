"""How large an incident's document may be, how often it may change, and how much its versions may have together. Pure.

Every process keeps every version in memory for as long as it lives, as notices stay with the one that they were
decided with.
"""

from typing import NamedTuple

from services.intake.errors import ConflictError, ThrottledError
from services.wire.incident_document import InvalidDocument

__all__ = ["LARGEST", "VersionsSoFar", "check_size", "check_versions"]

# Bytes of the normal form. Ten blocks of two pages each in a dozen languages are half of it.
LARGEST = 262_144
# Of all versions of an incident: thirty-two of the largest, four hundred of a usual one.
_TOGETHER = 32 * LARGEST
# Versions in a minute: more than people make, fewer than a script that went wrong.
_A_MINUTE = 20


class VersionsSoFar(NamedTuple):
    """The versions that an incident has: their bytes together, and how many came within the last minute."""

    size: int
    lately: int


def check_size(normal: bytes) -> None:
    """Check that a document is not too large. Raises InvalidDocument."""
    if len(normal) > LARGEST:
        raise InvalidDocument([{"field": "", "problem": f"has {len(normal)} bytes; at most {LARGEST} are taken"}])


def check_versions(before: VersionsSoFar, normal: bytes) -> None:
    """Check that an incident may have one more version. Raises ThrottledError, ConflictError."""
    if before.lately >= _A_MINUTE:
        raise ThrottledError(f"the document changed {before.lately} times within a minute", after=60.0)
    if before.size + len(normal) > _TOGETHER:
        raise ConflictError(f"the incident's versions together would have more than {_TOGETHER} bytes")
