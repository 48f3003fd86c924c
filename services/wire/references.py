"""The references that stand on notices: who has the key finds a notice from its reference, and nobody else does. Pure.

A reference has 75 bits: the first 32 of the notice's id, hidden, and 43 of a tag of the whole id; what hides the former
follows from the latter (a synthetic initialisation vector, as in RFC 5297). Tags and what hides are AES-256 of single
blocks, each under a key of its own: of thousands of notices they cost one call. So no reference is stored, and none
needs an index: tables lie in the order of notices' ids, and their beginning leads there.
"""

from collections.abc import Sequence
from hashlib import blake2b

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from services.core.ids import ID_BYTES, KEY_BYTES, format_references, parse_reference

__all__ = ["BEGINNING_BYTES", "References"]

BEGINNING_BYTES = 4  # of a notice's id: among 10^8 notices hardly two begin alike
_TAG_BYTES = 6  # with the beginning the 75 bits that a reference has, and five that it leaves out
_HIDING_BYTES = 5  # of the tag, so that what hides does not follow from bits that are left out


class References:
    """Makes and reads the references of an incident's notices, under the key "reference".

    A topic shows ids of notices; whose letter has which reference does not follow from them. The same notice has the
    same reference whenever it is handed over. Of 10^8 notices two have the same one with a chance of 10^-7, and a
    reference that was made up is that of a notice with a chance of 10^-14.
    """

    def __init__(self, key: bytes) -> None:
        """Begin with a key of 32 bytes; raises ValueError for any other."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key of a reference has {KEY_BYTES} bytes")
        self._tagging, self._hiding = _aes(key, b"heraut-ref-tag"), _aes(key, b"heraut-ref-hide")

    def of_all(self, notices: Sequence[bytes]) -> list[str]:
        """Return the reference of each notice; empty where there is no notice."""
        references = format_references(self._hidden(b"".join(notices)))
        if len(references) == len(notices):
            return references
        made = iter(references)
        return [next(made) if notice else "" for notice in notices]

    def beginning_of(self, reference: str) -> bytes:
        """Return how the id begins of the notice whose reference this is; of none, if it was made up.

        Raises ValueError where it is no reference, or was mistyped.
        """
        read = parse_reference(reference)
        block = read[BEGINNING_BYTES : BEGINNING_BYTES + _HIDING_BYTES].ljust(ID_BYTES, b"\0")
        return _xor(read[:BEGINNING_BYTES], self._hiding.update(block)[:BEGINNING_BYTES])

    def is_of(self, reference: str, notice: bytes) -> bool:
        """Tell whether this is the reference of a notice. Raises ValueError as `beginning_of` does."""
        return parse_reference(reference) == parse_reference(self.of_all([notice])[0])

    def _hidden(self, notices: bytes) -> bytes:
        """Return what is printed of each notice, one after another as their ids are: column by column."""
        tags, blocks, hidden = self._tagging.update(notices), bytearray(len(notices)), bytearray(len(notices))
        for at in range(_HIDING_BYTES):
            blocks[at::ID_BYTES] = tags[at::ID_BYTES]
        masks = self._hiding.update(bytes(blocks))
        for at in range(BEGINNING_BYTES):
            hidden[at::ID_BYTES] = _xor(notices[at::ID_BYTES], masks[at::ID_BYTES])
        for at in range(_TAG_BYTES):
            hidden[BEGINNING_BYTES + at :: ID_BYTES] = tags[at::ID_BYTES]
        return bytes(hidden)


def _aes(key: bytes, purpose: bytes) -> CipherContext:
    derived = blake2b(digest_size=KEY_BYTES, key=key, person=purpose).digest()
    # Of single blocks that never come twice, ECB is the cipher itself: a keyed hash, or a mask, of each.
    return Cipher(AES256(derived), ECB()).encryptor()  # noqa: S305


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")
