"""Sealing alone, without a database: what is bound to what."""

import secrets
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.keys import PURPOSES, KeyRing, KeyRingError
from services.kit.vault import MISSING, Missing, OpenRequest, Sealed, SealRequest, TamperedError, Vault

IDS = st.binary(min_size=16, max_size=16)
VERSIONS = st.integers(1, 2**31 - 1)
INCIDENTS = st.text("abcXYZ019._-", min_size=1, max_size=64)
_HEAD = 54  # bytes of a packed row in front of the nonce


def _ring(kek: bytes = b"k" * 32) -> KeyRing:
    return KeyRing({1: kek}, {purpose: {1: b"p" * 32} for purpose in PURPOSES})


class Row(NamedTuple):
    """A row of the vault with its key's, as the query gives it."""

    key_id: uuid.UUID | None
    kek_version: int | None
    wrapped: bytes | None
    sealed: bytes | None


class Rows:
    """Stands in for a connection: answers the vault's one query from what was sealed."""

    def __init__(self, *stored: Sealed) -> None:
        self.rows = {
            (row[6:22], int.from_bytes(row[26:30], "big")): Row(one.key_id, one.kek_version, one.wrapped, row[_HEAD:])
            for one in stored
            for row in one.rows
        }

    async def fetch(self, _query: str, members: Sequence[bytes], versions: Sequence[int]) -> list[Row]:
        """Give a row for each asked for, in order."""
        return [self.rows.get(asked, Row(None, None, None, None)) for asked in zip(members, versions, strict=True)]


async def _open(rows: Rows, vault: Vault, *wanted: OpenRequest) -> list[bytes | Missing]:
    return await vault.fetch(rows, wanted)  # type: ignore[arg-type]


@given(IDS, VERSIONS, IDS, INCIDENTS, IDS, VERSIONS, IDS, INCIDENTS, st.binary(max_size=300))
async def test_a_payload_opens_for_its_identity_and_for_no_other(
    member: bytes, version: int, pseudonym: bytes, incident: str,
    other_member: bytes, other_version: int, other_pseudonym: bytes, other_incident: str, plaintext: bytes,
) -> None:  # fmt: skip
    """Whatever is exchanged, it stays shut: member, version, pseudonym or incident, alone or together."""
    vault = Vault(_ring())
    rows = Rows(vault.seal(incident, [SealRequest(member, version, pseudonym, plaintext)]))
    right = OpenRequest(member, version, pseudonym, incident)
    wrong = OpenRequest(other_member, other_version, other_pseudonym, other_incident)
    moved = Rows()

    assert [plaintext] == await _open(rows, vault, right)
    for asked in (
        wrong,
        right._replace(member=other_member),
        right._replace(version=other_version),
        right._replace(pseudonym=other_pseudonym),
        right._replace(incident_id=other_incident),
    ):
        moved.rows = {(asked.member, asked.version): next(iter(rows.rows.values()))}
        if asked != right:
            with pytest.raises(TamperedError) as caught:
                await _open(moved, vault, asked)
            assert asked.member == caught.value.member


@given(st.data())
async def test_a_flipped_bit_is_noticed(data: st.DataObject) -> None:
    """Nonce, ciphertext and tag are all of a piece, and so is their length."""
    vault = Vault(_ring())
    rows = Rows(vault.seal("lab", [SealRequest(b"m" * 16, 1, b"p" * 16, b"payload")]))
    key, row = next(iter(rows.rows.items()))
    sealed = bytearray(row.sealed or b"")
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    cut = data.draw(st.integers(0, len(sealed)))
    for broken in (bytes(sealed), bytes(row.sealed or b"")[: min(cut, len(sealed) - 1)]):
        rows.rows[key] = row._replace(sealed=broken)
        with pytest.raises(TamperedError, match=(b"m" * 16).hex()):
            await _open(rows, vault, OpenRequest(b"m" * 16, 1, b"p" * 16, "lab"))


async def test_a_key_that_was_destroyed_opens_nothing_more_to_a_reader_that_used_it() -> None:
    """A reader that lives on after the erasure has forgotten with the database."""
    vault = Vault(_ring())
    rows = Rows(vault.seal("lab", [SealRequest(b"m" * 16, 1, b"p" * 16, b"payload")]))
    asked = OpenRequest(b"m" * 16, 1, b"p" * 16, "lab")
    assert [b"payload"] == await _open(rows, vault, asked)
    key, row = next(iter(rows.rows.items()))
    rows.rows[key] = Row(None, None, None, row.sealed)

    assert [MISSING] == await _open(rows, vault, asked)


async def test_another_key_ring_is_said_to_be_another() -> None:
    """A wrong keys file is a fault of the set-up, not a payload that was tampered with."""
    rows = Rows(Vault(_ring()).seal("lab", [SealRequest(b"m" * 16, 1, b"p" * 16, b"payload")]))

    with pytest.raises(KeyRingError, match="is this the key ring"):
        await _open(rows, Vault(_ring(b"x" * 32)), OpenRequest(b"m" * 16, 1, b"p" * 16, "lab"))


def test_every_call_has_a_key_of_its_own() -> None:
    """Nonces are counted from zero again, so a key must never come back."""
    vault = Vault(_ring())
    same = [SealRequest(b"m" * 16, 1, b"p" * 16, b"payload")]
    first, second = vault.seal("lab", same), vault.seal("lab", same)

    assert first.key_id != second.key_id
    assert first.rows[0][_HEAD:] != second.rows[0][_HEAD:]


@pytest.mark.parametrize(("member", "pseudonym"), [(15, 16), (17, 16), (16, 15), (16, 17), (0, 16)])
def test_ids_of_another_length_are_refused(member: int, pseudonym: int) -> None:
    """Side by side, a longer member with a shorter pseudonym would read as another pair."""
    request = SealRequest(secrets.token_bytes(member), 1, secrets.token_bytes(pseudonym), b"payload")

    with pytest.raises(ValueError, match="16 bytes"):
        Vault(_ring()).seal("lab", [request])


def test_a_request_shows_nothing_of_its_payload() -> None:
    """A traceback with its local variables is no leak."""
    assert "payload" not in repr(SealRequest(b"m" * 16, 1, b"p" * 16, b"payload"))
