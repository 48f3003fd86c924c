"""The vault: sealed personal data, the one place where it is kept and the one place to erase.

A payload is sealed with AES-256-GCM under a data key that serves one chunk of people and is stored wrapped by a
key-encryption key. Its associated data is whom it is for: member, version, pseudonym, incident, key. It opens with
exactly that and nothing else, so a mix-up is a failure to open, and a person never gets another person's news.
Intake's role may insert, dispatch's may read; destroying the wrapped key erases the chunk.

Payloads lie in *pages*: those that travel in one block lie side by side, and are most often asked for together.
A payload is found by its *slot*, which travels with the member's id. A row and an index entry for each person, in the
order of hashes, would cost more than anything else in the database. A slot proves nothing; the associated data does.
"""

import secrets
import uuid
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.core.ids import ID_BYTES
from services.kit.postgres import Connection, Queries
from services.kit.vault.keys import KEY_BYTES, KeyRing, KeyRingError

__all__ = ["PAGE_SLOTS", "OpenRequest", "Page", "SealRequest", "Sealed", "Unopened", "Vault"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_SCHEMA = b"heraut-vault-2"  # what the associated data consists of; a change of it gets another number
_NONCE_BYTES = 12
_PER_KEY = 2**20  # far below the 2^32 messages that AES-GCM allows a key
_KEYS_REMEMBERED = 1024  # opened data keys: those of some sixteen million people, 200 bytes each
_SLOT_BITS = 16
PAGE_SLOTS = 1 << _SLOT_BITS  # a slot is its page's number, then its place in the page
_PLACE = PAGE_SLOTS - 1


class SealRequest(NamedTuple):
    """A payload, and whom it is for."""

    member: bytes
    version: int
    pseudonym: bytes
    plaintext: bytes

    def __repr__(self) -> str:
        return f"SealRequest({self.member.hex()}, {self.version})"  # a traceback is no place for what is sealed


# Whose payload is wanted: its slot, and member, version and pseudonym that it was sealed for. A plain tuple: `zip`
# makes them from columns at a fraction of the price.
OpenRequest = tuple[int, bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """Payloads side by side: the i-th lies between ends[i] and ends[i + 1]."""

    number: int
    ends: Sequence[int]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A data key and what was sealed under it, ready to be stored in one transaction."""

    key_id: uuid.UUID
    incident_id: str
    kek_version: int
    wrapped: bytes
    pages: Sequence[Page]


class Unopened(Enum):
    """Why there is no payload."""

    MISSING = "missing"  # it is not there, or its key was destroyed: erased, as far as anyone can tell
    TAMPERED = "tampered"  # it does not open for whom it is asked for


class _Shelf(NamedTuple):
    """A page as far as it was asked for: its first place here, and what opens it."""

    first: int
    ends: Sequence[int]
    sealed: bytes
    cipher: AESGCM
    context: bytes


class Vault:
    """Seals and opens with one key ring."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._ciphers: OrderedDict[uuid.UUID, AESGCM] = OrderedDict()

    def seal(self, incident_id: str, pages: Mapping[int, Sequence[SealRequest]]) -> Sealed:
        """Seal payloads under a fresh data key, page by page; the keys are the pages' numbers.

        Raises ValueError for more than a key or a page should hold, and for ids that are not of 16 bytes: in the
        associated data they lie side by side, and only a fixed length keeps one from being read as part of the other.
        """
        count = sum(map(len, pages.values()))
        if count > _PER_KEY or any(len(rows) > PAGE_SLOTS for rows in pages.values()):
            raise ValueError(f"{count} payloads under one key, in {len(pages)} pages")
        key_id = uuid.UUID(bytes=secrets.token_bytes(16))
        data_key = secrets.token_bytes(KEY_BYTES)
        kek_version, wrapped = self._keys.wrap(data_key, key_id.bytes)
        cipher, context = AESGCM(data_key), _context(incident_id, key_id.bytes)
        sealed = [_seal_page(cipher, context, number, rows) for number, rows in pages.items()]
        return Sealed(key_id, incident_id, kek_version, wrapped, sealed)

    async def store(
        self, connection: Connection, incident_id: str, groups: Sequence[Sequence[SealRequest]]
    ) -> list[range]:
        """Seal and write payloads as part of the caller's transaction, each group as a page; returns their slots.

        Plain inserts: the role that stores may not read.
        """
        numbers = [row[0] for row in await connection.fetch(_QUERIES["next_pages"], len(groups))]
        sealed = self.seal(incident_id, dict(zip(numbers, groups, strict=True)))
        await connection.execute(
            _QUERIES["add_key"], sealed.key_id, sealed.incident_id, sealed.kek_version, sealed.wrapped
        )
        pages = [(page.number, sealed.key_id, page.ends, page.sealed) for page in sealed.pages]
        await connection.executemany(_QUERIES["add_page"], pages)
        return [_slots(number, len(rows)) for number, rows in zip(numbers, groups, strict=True)]

    async def fetch(
        self, connection: Connection, incident_id: str, wanted: Sequence[OpenRequest]
    ) -> list[bytes | Unopened]:
        """Return the payloads in the order asked for, or why there is none.

        Raises KeyRingError where the ring lacks the key.
        """
        rows = await connection.fetch(_QUERIES["fetch"], *_spans(sorted([request[0] for request in wanted])))
        shelves = {
            page: _Shelf(
                first,
                _from_zero(ends),
                sealed,
                self._cipher(key_id, version, wrapped),
                _context(incident_id, key_id.bytes),
            )
            for page, first, ends, sealed, key_id, version, wrapped in rows
            if sealed is not None  # None = nothing wanted of it is there
        }
        return [_open(shelves.get(request[0] >> _SLOT_BITS), request) for request in wanted]

    def forget(self) -> None:
        """Forget opened data keys. A key whose row was destroyed is not used again in any case."""
        self._ciphers.clear()

    def _cipher(self, key_id: uuid.UUID, kek_version: int, wrapped: bytes) -> AESGCM:
        """Return a data key, opened; its row is there, so it was not destroyed."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            try:
                cipher = AESGCM(self._keys.unwrap(kek_version, wrapped, key_id.bytes))
            except InvalidTag:
                raise KeyRingError("a data key does not open: is this the key ring that it was made with?") from None
            self._ciphers[key_id] = cipher
            if len(self._ciphers) > _KEYS_REMEMBERED:
                self._ciphers.popitem(last=False)
        return cipher


def _seal_page(cipher: AESGCM, context: bytes, number: int, rows: Sequence[SealRequest]) -> Page:
    """Seal in one pass: the hot loop of the vault. A slot is given once, so it cannot repeat as a nonce."""
    encrypt = cipher.encrypt
    sealed = []
    for slot, (member, version, pseudonym, plaintext) in zip(_slots(number, len(rows)), rows, strict=True):
        if len(member) != ID_BYTES or len(pseudonym) != ID_BYTES:
            raise ValueError(f"member and pseudonym have {ID_BYTES} bytes")
        whom = context + member + version.to_bytes(4, "big") + pseudonym
        sealed.append(encrypt(slot.to_bytes(_NONCE_BYTES, "big"), plaintext, whom))
    return Page(number, list(accumulate(map(len, sealed), initial=0)), b"".join(sealed))


def _open(shelf: _Shelf | None, request: OpenRequest) -> bytes | Unopened:
    """Open one payload: the other hot loop."""
    if shelf is None:
        return Unopened.MISSING
    slot, member, version, pseudonym = request
    first, ends, sealed, cipher, context = shelf
    at = (slot & _PLACE) - first
    if at + 1 >= len(ends):
        return Unopened.MISSING
    whom = context + member + version.to_bytes(4, "big") + pseudonym
    try:
        return cipher.decrypt(slot.to_bytes(_NONCE_BYTES, "big"), sealed[ends[at] : ends[at + 1]], whom)
    except InvalidTag:
        return Unopened.TAMPERED


def _from_zero(ends: Sequence[int]) -> Sequence[int]:
    """Count where payloads end from where the first of them begins."""
    return [end - ends[0] for end in ends] if ends[0] else ends


def _slots(page: int, count: int) -> range:
    return range(page << _SLOT_BITS, (page << _SLOT_BITS) + count)


def _spans(slots: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the pages that these slots (sorted) are in, and for each its first and last place that is wanted."""
    pages = sorted({slot >> _SLOT_BITS for slot in slots})
    firsts = [slots[bisect_left(slots, page << _SLOT_BITS)] & _PLACE for page in pages]
    lasts = [slots[bisect_right(slots, (page << _SLOT_BITS) + _PLACE) - 1] & _PLACE for page in pages]
    return pages, firsts, lasts


def _context(incident_id: str, key_id: bytes) -> bytes:
    incident = incident_id.encode()
    return b"".join((_SCHEMA, len(incident).to_bytes(2, "big"), incident, key_id))
