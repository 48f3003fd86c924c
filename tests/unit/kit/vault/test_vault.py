"""Sealing alone, without a database: what is bound to what."""

import secrets
import struct
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.vault.keys import KeyRing, KeyRingError
from services.kit.vault.leaves import LEAF_PAYLOADS, read_leaf
from services.kit.vault.vault import PAGE_SLOTS, OpenRequest, Page, Payloads, Sealed, Unopened, Vault
from tests.keys import a_ring

IDS = st.binary(min_size=16, max_size=16)
VERSIONS = st.integers(1, 2**31 - 1)
INCIDENTS = st.text("abcXYZ019._-", min_size=1, max_size=64)
MEMBER, PSEUDONYM = b"m" * 16, b"p" * 16
ONE = Payloads([MEMBER], [1], [PSEUDONYM], [b"payload"])


def _of(rows: Sequence[tuple[bytes, int, bytes, bytes]]) -> Payloads:
    members, versions, pseudonyms, plaintexts = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Payloads(members, versions, pseudonyms, plaintexts)


def _ring() -> KeyRing:
    return a_ring()


class Row(NamedTuple):
    """What the query gives of a page."""

    page: int
    first: int
    ends: Sequence[int]
    sealed: bytes | None
    key_id: uuid.UUID
    kek_version: int
    wrapped: bytes


class Pages:
    """Stands in for a connection: answers the vault's one query from what was sealed."""

    def __init__(self, *stored: Sealed) -> None:
        self.pages = {page.number: (page, one) for one in stored for page in one.pages}

    async def fetch(
        self, _query: str, numbers: Sequence[int], firsts: Sequence[int], lasts: Sequence[int]
    ) -> list[Row]:
        """Return of each page that is there what lies between two places."""
        wanted = zip(numbers, firsts, lasts, strict=True)
        return [self._part(*self.pages[page], first, last) for page, first, last in wanted if page in self.pages]

    def _part(self, page: Page, one: Sealed, first: int, last: int) -> Row:
        ends = page.ends[first : last + 2]
        sealed = page.sealed[ends[0] : ends[-1]] if ends else None
        return Row(page.number, first, ends, sealed, one.key_id, one.kek_version, one.wrapped)


def _slot(page: int, place: int = 0) -> int:
    return page * PAGE_SLOTS + place


async def _open(pages: Pages, vault: Vault, *wanted: OpenRequest, incident: str = "lab") -> list[bytes | Unopened]:
    return await vault.fetch(pages, incident, wanted)  # type: ignore[arg-type]


@given(IDS, VERSIONS, IDS, INCIDENTS, IDS, VERSIONS, IDS, INCIDENTS, st.binary(max_size=300))
async def test_a_payload_opens_for_its_identity_and_for_no_other(
    member: bytes, version: int, pseudonym: bytes, incident: str,
    other_member: bytes, other_version: int, other_pseudonym: bytes, other_incident: str, plaintext: bytes,
) -> None:  # fmt: skip
    """Whatever is exchanged, it stays shut: member, version, pseudonym or incident, alone or together."""
    vault = Vault(_ring())
    pages = Pages(vault.seal(incident, {7: _of([(member, version, pseudonym, plaintext)])}))
    right = (_slot(7), member, version, pseudonym)

    assert [plaintext] == await _open(pages, vault, right, incident=incident)
    for asked, asked_of in (
        ((_slot(7), other_member, other_version, other_pseudonym), other_incident),
        ((_slot(7), other_member, version, pseudonym), incident),
        ((_slot(7), member, other_version, pseudonym), incident),
        ((_slot(7), member, version, other_pseudonym), incident),
        (right, other_incident),
    ):
        if (asked, asked_of) != (right, incident):
            assert [Unopened.TAMPERED] == await _open(pages, vault, asked, incident=asked_of)


@given(st.lists(st.tuples(IDS, VERSIONS, IDS, st.binary(max_size=60)), min_size=2, max_size=12), st.data())
async def test_everybody_gets_what_is_theirs_wherever_it_lies(
    rows: list[tuple[bytes, int, bytes, bytes]], data: st.DataObject
) -> None:
    """Whichever of them are asked for, in whatever order and from whichever pages."""
    cut = data.draw(st.integers(1, len(rows) - 1))
    vault = Vault(_ring())
    pages = Pages(vault.seal("lab", {3: _of(rows[:cut])}), vault.seal("lab", {9: _of(rows[cut:])}))
    slots = [_slot(3, at) for at in range(cut)] + [_slot(9, at) for at in range(len(rows) - cut)]
    asked = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1))

    found = await _open(pages, vault, *((slots[at], *rows[at][:3]) for at in asked))

    assert [rows[at][3] for at in asked] == found


@given(st.data())
async def test_a_flipped_bit_is_noticed(data: st.DataObject) -> None:
    """Ciphertext and tag are all of a piece, and so is their length."""
    vault = Vault(_ring())
    sealed = vault.seal("lab", {1: ONE})
    (page,) = sealed.pages
    flipped = bytearray(page.sealed)
    bit = data.draw(st.integers(0, len(flipped) * 8 - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    cut = data.draw(st.integers(0, len(flipped) - 1))
    for broken in (bytes(flipped), page.sealed[:cut]):
        pages = Pages(replace(sealed, pages=[replace(page, sealed=broken)]))
        assert [Unopened.TAMPERED] == await _open(pages, vault, (_slot(1), MEMBER, 1, PSEUDONYM))


async def test_somebody_elses_slot_opens_nothing() -> None:
    """A slot only says where to look: data in another place, or in another order, does not open."""
    vault = Vault(_ring())
    rows = [(MEMBER, 1, PSEUDONYM, b"payload"), (b"o" * 16, 1, b"q" * 16, b"another")]
    pages = Pages(vault.seal("lab", {1: _of(rows)}))

    assert [Unopened.TAMPERED] == await _open(pages, vault, (_slot(1, 1), MEMBER, 1, PSEUDONYM))


async def test_what_is_in_no_page_is_missing() -> None:
    """Nowhere, in a page that is not there, or beyond the end of one that is."""
    vault = Vault(_ring())
    pages = Pages(vault.seal("lab", {1: ONE}))
    wanted = [(slot, MEMBER, 1, PSEUDONYM) for slot in (0, _slot(2), _slot(1, 1), _slot(1, PAGE_SLOTS - 1))]

    assert [Unopened.MISSING] * 4 == [(await _open(pages, vault, one))[0] for one in wanted]


async def test_a_key_that_was_destroyed_opens_nothing_more_to_a_reader_that_used_it() -> None:
    """A reader that lives on after the erasure has forgotten with the database."""
    vault = Vault(_ring())
    pages = Pages(vault.seal("lab", {1: ONE}))
    asked = (_slot(1), MEMBER, 1, PSEUDONYM)
    assert [b"payload"] == await _open(pages, vault, asked)
    pages.pages.clear()

    assert [Unopened.MISSING] == await _open(pages, vault, asked)


async def test_another_key_ring_is_said_to_be_another() -> None:
    """A wrong keys file is a fault of the set-up, not a payload that was tampered with."""
    pages = Pages(Vault(_ring()).seal("lab", {1: ONE}))

    with pytest.raises(KeyRingError, match="is this the key ring"):
        await _open(pages, Vault(KeyRing(unwrapping={1: a_ring(2).unwrapping[2]})), (_slot(1), MEMBER, 1, PSEUDONYM))


def test_every_call_has_a_key_of_its_own() -> None:
    """A page that a lost transaction had the number of may be sealed again: never with the same key and nonce."""
    vault = Vault(_ring())
    first, second = vault.seal("lab", {1: ONE}), vault.seal("lab", {1: ONE})

    assert first.key_id != second.key_id
    assert first.pages[0].sealed != second.pages[0].sealed


def _people(count: int) -> list[tuple[bytes, int, bytes, bytes]]:
    return [(secrets.token_bytes(16), at + 1, secrets.token_bytes(16), b"x" * (at % 40)) for at in range(count)]


@pytest.mark.parametrize("count", [0, 1, LEAF_PAYLOADS - 1, LEAF_PAYLOADS, LEAF_PAYLOADS + 1, 3 * LEAF_PAYLOADS])
async def test_a_page_of_any_size_gives_everybody_what_is_theirs(count: int) -> None:
    """Alone, all together, and those of the second half, whose leaves lie in the middle of the page."""
    vault, rows = Vault(_ring()), _people(count)
    pages = Pages(vault.seal("lab", {5: _of(rows)}))
    asked = [(_slot(5, at), *row[:3]) for at, row in enumerate(rows)]

    assert [row[3] for row in rows] == await _open(pages, vault, *asked)
    assert [row[3] for row in rows[count // 2 :]] == await _open(pages, vault, *asked[count // 2 :])
    assert [[row[3]] for row in rows] == [await _open(pages, vault, one) for one in asked]


async def test_a_neighbour_gets_nothing_that_lies_beside_it() -> None:
    """Within a leaf, as between leaves, whom a payload is for decides, and not where it is looked for."""
    vault, rows = Vault(_ring()), _people(LEAF_PAYLOADS + 2)
    pages = Pages(vault.seal("lab", {5: _of(rows)}))
    turned = [(_slot(5, at), *row[:3]) for at, row in enumerate(rows[1:] + rows[:1])]

    assert [Unopened.TAMPERED] * len(rows) == await _open(pages, vault, *turned)


async def test_leaves_that_changed_places_do_not_open() -> None:
    """A leaf is bound to its place: no person's data can be put where another's is looked for."""
    vault, rows = Vault(_ring()), _people(2 * LEAF_PAYLOADS)
    sealed = vault.seal("lab", {5: _of([(*row[:3], b"as long") for row in rows])})
    (page,) = sealed.pages
    middle = page.ends[1]
    turned = replace(sealed, pages=[replace(page, sealed=page.sealed[middle:] + page.sealed[:middle])])
    asked = [(_slot(5, at), *rows[(at + LEAF_PAYLOADS) % len(rows)][:3]) for at in range(len(rows))]

    assert [Unopened.TAMPERED] * len(rows) == await _open(Pages(turned), vault, *asked)


async def test_a_broken_leaf_spoils_no_other() -> None:
    """Who lies in the other leaves of the page is told all the same."""
    vault, rows = Vault(_ring()), _people(2 * LEAF_PAYLOADS)
    sealed = vault.seal("lab", {5: _of(rows)})
    (page,) = sealed.pages
    broken = replace(sealed, pages=[replace(page, sealed=bytes(page.ends[1]) + page.sealed[page.ends[1] :])])
    asked = [(_slot(5, at), *row[:3]) for at, row in enumerate(rows)]

    found = await _open(Pages(broken), vault, *asked)

    assert [Unopened.TAMPERED] * LEAF_PAYLOADS + [row[3] for row in rows[LEAF_PAYLOADS:]] == found


@pytest.mark.parametrize("plain", [b"", b"\x01", b"\xff" * 20_000, b"\x02" + bytes(40)])
def test_what_is_sealed_and_no_leaf_is_refused(plain: bytes) -> None:
    """Who may seal cannot stop who opens: what does not read as a leaf is like what does not open."""
    with pytest.raises((IndexError, struct.error)):
        read_leaf(plain)


@given(st.lists(st.tuples(IDS, VERSIONS, IDS, st.binary(max_size=400)), max_size=8))
def test_a_payload_takes_its_length_and_whom_it_is_for(rows: list[tuple[bytes, int, bytes, bytes]]) -> None:
    """Two ids, a version and an end beside each; a count and a tag for all of them."""
    (page,) = Vault(_ring()).seal("lab", {1: _of(rows)}).pages

    assert ([0] if not rows else [0, 17 + sum(40 + len(row[3]) for row in rows)]) == page.ends
    assert page.ends[-1] == len(page.sealed)


@pytest.mark.parametrize(("member", "pseudonym"), [(15, 16), (17, 16), (16, 15), (16, 17), (0, 16)])
def test_ids_of_another_length_are_refused(member: int, pseudonym: int) -> None:
    """Side by side, a longer member with a shorter pseudonym would read as another pair."""
    request = _of([(secrets.token_bytes(member), 1, secrets.token_bytes(pseudonym), b"payload")])

    with pytest.raises(ValueError, match="16 bytes"):
        Vault(_ring()).seal("lab", {1: request})


def test_a_page_takes_no_more_than_it_has_slots() -> None:
    """One more would have the number of another page's first."""
    with pytest.raises(ValueError, match="1 pages"):
        Vault(_ring()).seal("lab", {1: _of([(MEMBER, 1, PSEUDONYM, b"")] * (PAGE_SLOTS + 1))})


def test_a_request_shows_nothing_of_its_payload() -> None:
    """A traceback with its local variables is no leak."""
    assert "payload" not in repr(ONE)
