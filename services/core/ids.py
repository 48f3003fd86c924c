"""Ids: made from what they name, so that a replay makes the same ones.

Every id is 16 bytes, a BLAKE2b hash with a purpose of its own; fields are length-prefixed, so no two
different field lists hash the same bytes. 128 bits: for 10^8 ids the chance of one collision is 10^-23.

Ids of people and what they are told are keyed. Sources put numbers of people into their references, and all BSNs can
be tried in a minute: without the key, whoever has ids must not find out whose they are.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b

__all__ = [
    "ID_BYTES",
    "KEY_BYTES",
    "format_reference",
    "format_references",
    "hash_begun",
    "member_id",
    "notice_id",
    "parse_reference",
    "partitions_of",
    "print_job_id",
]

ID_BYTES = 16
KEY_BYTES = 32  # of the key of an id
_ATTEMPT_LENGTH = (ID_BYTES + 4).to_bytes(4, "big")  # of the field that an attempt is: notice and number

# Crockford's base 32: no I, L, O, U, so it can be read aloud over the telephone and typed back.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_REFERENCE_BITS = 75  # 15 letters: among 10^8 notices two share a reference with a chance of 10^-7
_REFERENCE_LETTERS = 15
# Weighted sum modulo the largest prime below 32: catches a single wrong letter (but 0 against Z) and
# two neighbours swapped, the two commonest slips of reading aloud.
_CHECK_PRIME = 31
# Ten bits of a reference at a time: their two letters, and what these add to the sum, at each of the seven places.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(_REFERENCE_BITS - 10, 0, -10)
_A, _B, _C, _D, _E, _F, _G = (
    [place * first + (place + 1) * second for first in range(32) for second in range(32)]
    for place in range(1, _REFERENCE_LETTERS, 2)
)
# The same for many ids at once, column by column, with a byte table for each step. A letter is five bits of the id that
# begin `at` bits into a byte: one table gives what they take from that byte, one what they take from the next.
_FIVES = [divmod(5 * place, 8) for place in range(_REFERENCE_LETTERS)]
_FROM_FIRST = [bytes((byte << 8 >> 11 - at) & 31 for byte in range(256)) for at in range(8)]
_FROM_SECOND = [bytes(byte >> 11 - at for byte in range(256)) for at in range(8)]
_WEIGHTED = [bytes(place * (byte & 31) % _CHECK_PRIME for byte in range(256)) for place in range(1, 16)]
_REMAINDER = bytes(byte % _CHECK_PRIME for byte in range(256))
_LETTER = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
_REFERENCE = b"XXXX-XXXX-XXXX-XXXX"
_LETTER_AT = [at for at, sign in enumerate(_REFERENCE) if sign == ord("X")]


def hash_begun(key: bytes, purpose: bytes, *fields: bytes) -> "blake2b":
    """Return a keyed hash with its first fields in it, to be copied and ended many times.

    Raises ValueError where the key is not of 32 bytes: with an empty one the hash would have no key at all.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key of an id has {KEY_BYTES} bytes")
    begun = blake2b(digest_size=ID_BYTES, key=key, person=purpose)
    for field in fields:
        begun.update(len(field).to_bytes(4, "big") + field)
    return begun


def member_id(key: bytes, incident_id: str, cohort_id: str, member_ref: str) -> bytes:
    """Return the id of the member that a source calls `member_ref` in this cohort, under the key "member"."""
    fields = incident_id.encode(), cohort_id.encode(), member_ref.encode()
    return hash_begun(key, b"heraut-member", *fields).digest()


def notice_id(key: bytes, incident_id: str, named: bytes, revision: int) -> bytes:
    """Return the id of the notice to who is `named`, under the key "notice"; `revision` counts from 1."""
    return hash_begun(key, b"heraut-notice", incident_id.encode(), named, revision.to_bytes(4, "big")).digest()


def print_job_id(channel: str, attempts: list[tuple[bytes, int]]) -> bytes:
    """Return the id of a print job: made from its membership alone, whatever its order."""
    # As `_hash` would, but thousands of fields at once: of one length, they sort as bytes as their pairs would.
    name = channel.encode()
    fields = sorted([_ATTEMPT_LENGTH + notice + number.to_bytes(4, "big") for notice, number in attempts])
    whole = b"".join([len(name).to_bytes(4, "big"), name, *fields])
    return blake2b(whole, digest_size=ID_BYTES, person=b"heraut-batch").digest()


def partitions_of(pseudonyms: Sequence[bytes], partitions: int) -> list[int]:
    """Return for each person the partition in which everything about them meets."""
    firsts = struct.unpack(f">{len(pseudonyms)}I", b"".join([pseudonym[:4] for pseudonym in pseudonyms]))
    return [first % partitions for first in firsts]


def format_reference(hidden: bytes) -> str:
    """Return 16 bytes as a reference, `XXXX-XXXX-XXXX-XXXX`: their first 75 bits, the last letter a check.

    On a notice stands not its id like this, but what `wire.references` makes of it under a key.
    """
    number = int.from_bytes(hidden, "big") >> (8 * ID_BYTES - _REFERENCE_BITS)
    last = number & 31
    # In pairs, from tables: every letter of a wave has its reference on it.
    a, b, c, d, e, f, g = [number >> shift & 1023 for shift in _SHIFTS]
    check = (_A[a] + _B[b] + _C[c] + _D[d] + _E[e] + _F[f] + _G[g] + _REFERENCE_LETTERS * last) % _CHECK_PRIME
    pairs, letters = _PAIRS, _ALPHABET
    end = letters[last] + letters[check]
    return f"{pairs[a]}{pairs[b]}-{pairs[c]}{pairs[d]}-{pairs[e]}{pairs[f]}-{pairs[g]}{end}"


def format_references(hidden: bytes) -> list[str]:
    """Return many references, of 16 bytes each, as `format_reference` gives them: by column, a seventh of the time."""
    size = len(_REFERENCE)
    if not hidden:
        return []
    columns = [hidden[at::ID_BYTES] for at in range(ID_BYTES)]
    letters = [
        _sums(columns[byte].translate(_FROM_FIRST[at]), columns[byte + 1].translate(_FROM_SECOND[at]))
        for byte, at in _FIVES
    ]
    text = bytearray(_REFERENCE * (len(hidden) // ID_BYTES))
    for at, column in zip(_LETTER_AT, [*letters, _checks(letters)], strict=True):
        text[at::size] = column.translate(_LETTER)
    decoded = text.decode("ascii")
    return [decoded[at : at + size] for at in range(0, len(decoded), size)]


def _checks(letters: Sequence[bytes]) -> bytes:
    """Return the column of check values. Eight remainders at a time: of more, the sum could be over a byte."""
    weighted = [column.translate(table) for column, table in zip(letters, _WEIGHTED, strict=True)]
    eight = _sums(*weighted[:8]).translate(_REMAINDER)
    return _sums(eight, *weighted[8:]).translate(_REMAINDER)


def _sums(*columns: bytes) -> bytes:
    """Add columns of bytes row by row, all rows at once as one large number; no sum may be over 255."""
    return sum(int.from_bytes(column, "little") for column in columns).to_bytes(len(columns[0]), "little")


def parse_reference(text: str) -> bytes:
    """Return the 75 bits that a reference says, padded with zero bits to 10 bytes.

    Reads what people type: any case, hyphens or spaces anywhere, O for 0, I and L for 1.
    Raises ValueError where it is not a reference or its check letter is wrong.
    """
    letters = [letter for letter in text.upper() if letter not in "- "]
    if len(letters) != _REFERENCE_LETTERS + 1 or any(letter not in _VALUES for letter in letters):
        raise ValueError("not a reference")
    values = [_VALUES[letter] for letter in letters]
    if values.pop() != _check(values):
        raise ValueError("the check letter of the reference is wrong")
    number = 0
    for value in values:
        number = number << 5 | value
    return (number << 5).to_bytes(10, "big")


def _check(values: list[int]) -> int:
    return sum(weight * value for weight, value in enumerate(values, 1)) % _CHECK_PRIME
