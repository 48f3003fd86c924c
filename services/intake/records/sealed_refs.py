"""MemberRefs as they are stored: those of a whole chunk sealed as one block, with the lines on which they came. Pure.

Sources put numbers of people into their references, so none stands anywhere in the open. A block opens for its own
incident, cohort and number alone. Within it a reference is found by the member's id, which is a keyed hash of it: so
what is found is what the id was made of, and rows of members carry the block's number, and no place.
"""

import hmac
from collections.abc import Collection, Sequence
from itertools import accumulate
from operator import sub
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.intake.records.identity import MemberIds

__all__ = ["NONCE_BYTES", "RefPlace", "SealedRefs", "found_among"]

# Random: a block's number would come again where a database is set back. 2^32 blocks may be sealed with one key so
# (NIST SP 800-38D, 8.3), and an incident has some thousands.
NONCE_BYTES: Final = 12
_SCHEMA: Final = b"heraut-references-1"  # what the associated data and the block consist of


class RefPlace(NamedTuple):
    """Where a block of references is kept."""

    cohort_id: str
    number: int


Refs = tuple[list[str], list[int]]  # references, and the line of each relative to the one before: a byte mostly
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Refs).decode


class SealedRefs:
    """Seals and opens the references of one incident, under its own key, made from the key "references"."""

    def __init__(self, key: bytes, incident_id: str) -> None:
        self._cipher = AESGCM(hmac.digest(key, _SCHEMA + incident_id.encode(), "sha256"))
        self._incident = _sized(incident_id)

    def seal(self, place: RefPlace, refs: Sequence[str], lines: Sequence[int], nonce: bytes) -> bytes:
        """Seal references with their lines; `nonce` is random, and used once."""
        plain = _encode((refs, [*lines[:1], *map(sub, lines[1:], lines)]))
        return nonce + self._cipher.encrypt(nonce, plain, self._whose(place))

    def open(self, place: RefPlace, sealed: bytes) -> tuple[list[str], list[int]]:
        """Return the references of a block and their lines. Raises InvalidTag where it is another place's."""
        nonce, closed = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        refs, relative = _decode(self._cipher.decrypt(nonce, closed, self._whose(place)))
        return refs, list(accumulate(relative))

    def _whose(self, place: RefPlace) -> bytes:
        return b"".join((_SCHEMA, self._incident, _sized(place.cohort_id), place.number.to_bytes(8, "big")))


def found_among(
    refs: Sequence[str], lines: Sequence[int], wanted: Collection[bytes], ids: MemberIds
) -> dict[bytes, tuple[str, int]]:
    """Return reference and line of each wanted member that is among these."""
    made = zip(ids.of_all(refs), refs, lines, strict=True)
    return {member: (ref, line) for member, ref, line in made if member in wanted}


def _sized(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
