"""Leaves of the vault's pages: some people's payloads sealed together, each behind whom it is for. Pure.

A seal costs the same for a few bytes as for some thousands. The people of a leaf share one, and everybody's member,
version and pseudonym lie sealed beside the payload: it is given for exactly these and refused for any other. What the
leaf itself is bound to (incident, data key, place) is in its associated data and its nonce.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import accumulate, pairwise
from struct import Struct, error
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.core.ids import ID_BYTES

__all__ = ["LEAF_BITS", "LEAF_PAYLOADS", "Leaf", "Payloads", "Unopened", "opened", "read_leaf", "sealed_leaves"]

LEAF_BITS: Final = 6
# Of more people, one who is asked for alone would cost more than is saved; 64 take some 16 KB, opened in 10 us.
LEAF_PAYLOADS: Final = 1 << LEAF_BITS
_NONCE_BYTES = 12
_IDS = [Struct(f"{ID_BYTES}s" * count) for count in range(LEAF_PAYLOADS + 1)]
_HEAD = [Struct(f">{2 * count}I") for count in range(LEAF_PAYLOADS + 1)]  # versions, then where payloads end


class Payloads(NamedTuple):
    """Payloads side by side, and whom each is for."""

    members: Sequence[bytes]
    versions: Sequence[int]
    pseudonyms: Sequence[bytes]
    plaintexts: Sequence[bytes]

    def __repr__(self) -> str:
        return f"Payloads({len(self.members)})"  # a traceback is no place for what is sealed


class Unopened(Enum):
    """Why there is no payload."""

    MISSING = "missing"  # it is not there, or its key was destroyed: erased, as far as anyone can tell
    TAMPERED = "tampered"  # it does not open for whom it is asked for


def sealed_leaves(cipher: AESGCM, context: bytes, slots: range, payloads: Payloads) -> Iterator[bytes]:
    """Seal payloads leaf by leaf; each slot is given once, so a leaf's first cannot repeat as a nonce."""
    for at in range(0, len(slots), LEAF_PAYLOADS):
        yield cipher.encrypt(_nonce(slots[at]), _packed(payloads, slice(at, at + LEAF_PAYLOADS)), context)


def _packed(payloads: Payloads, of: slice) -> bytes:
    members, plaintexts = payloads.members[of], payloads.plaintexts[of]
    count = len(members)
    head = _HEAD[count].pack(*payloads.versions[of], *accumulate(map(len, plaintexts)))
    return b"".join((bytes((count,)), *members, *payloads.pseudonyms[of], head, *plaintexts))


class Leaf(NamedTuple):
    """An opened leaf: whom each payload is for, and where it lies in the plaintext."""

    members: Sequence[bytes]
    versions: Sequence[int]
    pseudonyms: Sequence[bytes]
    ends: Sequence[int]  # the i-th payload lies between ends[i] and ends[i + 1]
    plain: bytes

    def __repr__(self) -> str:
        return f"Leaf({len(self.members)})"

    @property
    def plaintexts(self) -> list[bytes]:
        """The payloads."""
        plain = self.plain
        return [plain[begin:end] for begin, end in pairwise(self.ends)]


def read_leaf(plain: bytes) -> Leaf:
    """Read a leaf. Raises IndexError or struct.error for what is none."""
    count = plain[0]
    ids, head = _IDS[count], _HEAD[count]
    numbers = head.unpack_from(plain, 1 + 2 * ids.size)
    begin = 1 + 2 * ids.size + head.size
    ends = [begin, *[begin + end for end in numbers[count:]]]
    members, pseudonyms = ids.unpack_from(plain, 1), ids.unpack_from(plain, 1 + ids.size)
    return Leaf(members, numbers[:count], pseudonyms, ends, plain)


def opened(cipher: AESGCM, context: bytes, slot: int, sealed: bytes) -> Leaf | None:
    """Return the leaf that begins with a slot; None where it does not open, or is no leaf."""
    try:
        return read_leaf(cipher.decrypt(_nonce(slot), sealed, context))
    except (InvalidTag, IndexError, error):  # who has a data key may seal what is no leaf
        return None


def _nonce(slot: int) -> bytes:
    return slot.to_bytes(_NONCE_BYTES, "big")
