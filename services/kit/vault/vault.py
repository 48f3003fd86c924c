"""The vault: sealed personal data, the one place where it is kept and the one place to erase.

Payloads are sealed with AES-256-GCM under a data key that serves one chunk of people and is stored wrapped by a
key-encryption key. Each is sealed with whom it is for (member, version, pseudonym), the seal with what it belongs to
(incident, key, place). It is given for exactly that and nothing else, so a mix-up is a failure to open, and a person
never gets another person's news. Intake's role may insert, dispatch's may read; destroying the wrapped key erases the
chunk.

Payloads lie in *pages*: those that travel in one block lie side by side, and are most often asked for together. A page
is sealed in *leaves* of a few dozen people (see `leaves`). A payload is found by its *slot*, which travels with the
member's id. A row and an index entry for each person, in the order of hashes, would cost more than anything else in the
database. A slot proves nothing; what is sealed beside the payload does.
"""

import secrets
import uuid
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.core.ids import ID_BYTES
from services.kit.postgres import Connection, Queries
from services.kit.vault.keys import KEY_BYTES, KeyRing, KeyRingError
from services.kit.vault.leaves import LEAF_BITS, Leaf, Payloads, Unopened, opened, sealed_leaves

__all__ = ["PAGE_SLOTS", "OpenRequest", "Page", "Payloads", "Sealed", "Unopened", "Vault"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_SCHEMA = b"heraut-vault-3"  # what the associated data consists of; a change of it gets another number
_PER_KEY = 2**20  # far below the 2^32 messages that AES-GCM allows a key
_KEYS_REMEMBERED = 1024  # opened data keys: those of some sixteen million people, 200 bytes each
_SLOT_BITS = 16
PAGE_SLOTS = 1 << _SLOT_BITS  # a slot is its page's number, then its place in the page
_PLACE = PAGE_SLOTS - 1


# Whose payload is wanted: its slot, and member, version and pseudonym that it was sealed for. A plain tuple: `zip`
# makes them from columns at a fraction of the price.
OpenRequest = tuple[int, bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """Leaves side by side: the i-th lies between ends[i] and ends[i + 1]."""

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


class _Shelf(NamedTuple):
    """A page as far as it was asked for: its first leaf here, and what opens it."""

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

    def seal(self, incident_id: str, pages: Mapping[int, Payloads]) -> Sealed:
        """Seal payloads under a fresh data key, page by page; the keys are the pages' numbers.

        Raises ValueError for more than a key or a page should hold, and for ids that are not of 16 bytes: they lie
        side by side, and only a fixed length keeps one from being read as part of the other.
        """
        counts = [len(page.members) for page in pages.values()]
        if sum(counts) > _PER_KEY or any(count > PAGE_SLOTS for count in counts):
            raise ValueError(f"{sum(counts)} payloads under one key, in {len(pages)} pages")
        if not all(_are_ids(ids) for page in pages.values() for ids in (page.members, page.pseudonyms)):
            raise ValueError(f"member and pseudonym have {ID_BYTES} bytes")
        key_id = uuid.UUID(bytes=secrets.token_bytes(16))
        data_key = secrets.token_bytes(KEY_BYTES)
        kek_version, wrapped = self._keys.wrap(data_key, key_id.bytes)
        cipher, context = AESGCM(data_key), _context(incident_id, key_id.bytes)
        sealed = [_sealed_page(cipher, context, number, payloads) for number, payloads in pages.items()]
        return Sealed(key_id, incident_id, kek_version, wrapped, sealed)

    async def store(self, connection: Connection, incident_id: str, groups: Sequence[Payloads]) -> list[range]:
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
        return [_slots(number, len(group.members)) for number, group in zip(numbers, groups, strict=True)]

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
        return _payloads(shelves, wanted)

    async def last_page(self, connection: Connection) -> int:
        """Return the number of the page that was stored last on a connection."""
        return int(await connection.fetchval(_QUERIES["last_page"]))

    async def forget_synthetic(self, connection: Connection, pages: Sequence[int]) -> None:
        """Take away those of these pages that belong to synthetic people, and their keys. Others stay."""
        await connection.execute(_QUERIES["forget_synthetic"], list(pages))

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


def _sealed_page(cipher: AESGCM, context: bytes, number: int, payloads: Payloads) -> Page:
    leaves = list(sealed_leaves(cipher, context, _slots(number, len(payloads.members)), payloads))
    return Page(number, list(accumulate(map(len, leaves), initial=0)), b"".join(leaves))


def _payloads(shelves: Mapping[int, _Shelf], wanted: Sequence[OpenRequest]) -> list[bytes | Unopened]:
    """Open what is wanted: the hot loop of reading. Each leaf is opened once."""
    bearers: dict[int, OpenRequest] = {}  # by slot: whoever may have what lies there
    plaintexts: dict[int, bytes] = {}
    shut: set[int] = set()
    for number in sorted({request[0] >> LEAF_BITS for request in wanted}):
        leaf = _leaf(shelves, number)
        if leaf is None:
            continue
        if leaf is Unopened.TAMPERED:
            shut.add(number)
            continue
        slots = range(number << LEAF_BITS, (number << LEAF_BITS) + len(leaf.members))
        whom = zip(slots, leaf.members, leaf.versions, leaf.pseudonyms, strict=True)
        bearers.update(zip(slots, whom, strict=True))
        plaintexts.update(zip(slots, leaf.plaintexts, strict=True))
    return [
        plaintexts[request[0]] if bearers.get(request[0]) == request else _why(request[0], bearers, shut)
        for request in wanted
    ]


def _leaf(shelves: Mapping[int, _Shelf], number: int) -> Leaf | Literal[Unopened.TAMPERED] | None:
    """Open a leaf; None where nothing is there."""
    shelf = shelves.get(number >> (_SLOT_BITS - LEAF_BITS))
    if shelf is None:
        return None
    at = number % (PAGE_SLOTS >> LEAF_BITS) - shelf.first
    if at + 1 >= len(shelf.ends):
        return None
    sealed = shelf.sealed[shelf.ends[at] : shelf.ends[at + 1]]
    return opened(shelf.cipher, shelf.context, number << LEAF_BITS, sealed) or Unopened.TAMPERED


def _why(slot: int, bearers: Mapping[int, OpenRequest], shut: AbstractSet[int]) -> Unopened:
    """Tell why nothing is given: it is for somebody else or does not open, or nothing is there."""
    return Unopened.TAMPERED if slot in bearers or slot >> LEAF_BITS in shut else Unopened.MISSING


def _are_ids(ids: Sequence[bytes]) -> bool:
    return set(map(len, ids)) <= {ID_BYTES}


def _from_zero(ends: Sequence[int]) -> Sequence[int]:
    """Count where leaves end from where the first of them begins."""
    return [end - ends[0] for end in ends] if ends[0] else ends


def _slots(page: int, count: int) -> range:
    return range(page << _SLOT_BITS, (page << _SLOT_BITS) + count)


def _spans(slots: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the pages that these slots (sorted) are in, and for each its first and last leaf that is wanted."""
    pages = sorted({slot >> _SLOT_BITS for slot in slots})
    firsts = [slots[bisect_left(slots, page << _SLOT_BITS)] for page in pages]
    lasts = [slots[bisect_right(slots, (page << _SLOT_BITS) + _PLACE) - 1] for page in pages]
    return pages, _leaves_within(firsts), _leaves_within(lasts)


def _leaves_within(slots: Sequence[int]) -> list[int]:
    """Return the place of each slot's leaf in its page."""
    return [(slot & _PLACE) >> LEAF_BITS for slot in slots]


def _context(incident_id: str, key_id: bytes) -> bytes:
    incident = incident_id.encode()
    return b"".join((_SCHEMA, len(incident).to_bytes(2, "big"), incident, key_id))
