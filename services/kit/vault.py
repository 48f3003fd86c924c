"""The vault: sealed personal data, the one place where it is kept and the one place to erase.

A payload is sealed with AES-256-GCM under a data key that serves one chunk of people and is stored wrapped by a
key-encryption key. Its associated data is whom it is for: member, version, pseudonym, incident, key. It opens with
exactly that and nothing else, so a mix-up of rows is a failure to open and never somebody else's letter.
Intake's role may insert, dispatch's may read; destroying the wrapped key erases the chunk.
"""

import secrets
import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.kit.errors import HerautError
from services.kit.keys import KEY_BYTES, KeyRing
from services.kit.postgres import binary_copy

__all__ = ["MISSING", "Missing", "OpenRequest", "SealRequest", "Sealed", "TamperedError", "Vault"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_SCHEMA = b"heraut-vault-1"  # what the associated data consists of; a change of it gets another number
_NONCE_BYTES = 12
_PER_KEY = 2**20  # far below the 2^32 messages that AES-GCM allows a key


class SealRequest(NamedTuple):
    """A payload, and whom it is for."""

    member: bytes
    version: int
    pseudonym: bytes
    plaintext: bytes


class OpenRequest(NamedTuple):
    """Whose payload is wanted, by everything that it was sealed for."""

    member: bytes
    version: int
    pseudonym: bytes
    incident_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A data key and what was sealed under it, ready to be stored in one transaction."""

    key_id: uuid.UUID
    incident_id: str
    kek_version: int
    wrapped: bytes
    rows: Sequence[bytes]  # packed for COPY: member, version, key_id, sealed


class Missing:
    """Stands for a payload that is not there, or whose key was destroyed: erased, as far as anyone can tell."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class TamperedError(HerautError):
    """A payload does not open for whom it should be; names the member's id and nothing of the person."""

    def __init__(self, member: bytes) -> None:
        super().__init__(f"the payload of member {member.hex()} does not open for the identity that it is asked for")
        self.member = member


class Vault:
    """Seals and opens with one key ring."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._ciphers: dict[uuid.UUID, AESGCM | Missing] = {}

    def seal(self, incident_id: str, rows: Sequence[SealRequest]) -> Sealed:
        """Seal payloads under a fresh data key. Raises ValueError for more than a key should serve."""
        if len(rows) > _PER_KEY:
            raise ValueError(f"{len(rows)} payloads under one key")
        key_id = uuid.UUID(bytes=secrets.token_bytes(16))
        data_key = secrets.token_bytes(KEY_BYTES)
        kek_version, wrapped = self._keys.wrap(data_key, key_id.bytes)
        packed = _seal_rows(AESGCM(data_key), key_id.bytes, _context(incident_id, key_id.bytes), rows)
        return Sealed(key_id, incident_id, kek_version, wrapped, packed)

    async def store(self, connection: Connection, sealed: Sealed) -> None:
        """Write the key and what it sealed, as part of the caller's transaction.

        Plain inserts: the role that stores may not read. A (member, version) that is there raises
        asyncpg.UniqueViolationError, for a version is given once.
        """
        await connection.execute(
            "insert into vault.keys (key_id, incident_id, kek_version, wrapped) values ($1, $2, $3, $4)",
            sealed.key_id,
            sealed.incident_id,
            sealed.kek_version,
            sealed.wrapped,
        )
        await connection.copy_to_table(
            "payloads",
            schema_name="vault",
            columns=["member", "version", "key_id", "sealed"],
            format="binary",
            source=binary_copy(sealed.rows),
        )

    async def fetch(self, connection: Connection, wanted: Sequence[OpenRequest]) -> list[bytes | Missing]:
        """Give the payloads in the order asked for; MISSING where one was erased.

        Raises TamperedError where one does not open for its identity, KeyRingError where the ring lacks the key.
        """
        rows = await connection.fetch(
            """select payload.member, payload.version, payload.key_id, payload.sealed
               from vault.payloads as payload
               join unnest($1::bytea[], $2::int[]) as wanted(member, version) using (member, version)""",
            [request.member for request in wanted],
            [request.version for request in wanted],
        )
        found = {(member, version): (key_id, sealed) for member, version, key_id, sealed in rows}
        await self._load_ciphers(connection, {key_id for key_id, _ in found.values()})
        return [self._open(request, found) for request in wanted]

    def forget(self) -> None:
        """Forget opened data keys, so that destroyed ones are noticed."""
        self._ciphers.clear()

    async def _load_ciphers(self, connection: Connection, key_ids: set[uuid.UUID]) -> None:
        if len(self._ciphers) > 4096:  # a few MB; a chunk of 16,384 people has one key
            self.forget()
        unknown = [key_id for key_id in key_ids if key_id not in self._ciphers]
        if not unknown:
            return
        rows = await connection.fetch(
            "select key_id, kek_version, wrapped from vault.keys where key_id = any($1::uuid[])", unknown
        )
        opened = {key_id: self._keys.unwrap(version, wrapped, key_id.bytes) for key_id, version, wrapped in rows}
        for key_id in unknown:
            self._ciphers[key_id] = AESGCM(opened[key_id]) if key_id in opened else MISSING

    def _open(
        self, request: OpenRequest, found: Mapping[tuple[bytes, int], tuple[uuid.UUID, bytes]]
    ) -> bytes | Missing:
        row = found.get((request.member, request.version))
        if row is None:
            return MISSING
        key_id, sealed = row
        cipher = self._ciphers[key_id]
        if isinstance(cipher, Missing):
            return MISSING
        identity = _identity(request.member, request.version, request.pseudonym)
        context = _context(request.incident_id, key_id.bytes)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context + identity)
        except InvalidTag:
            raise TamperedError(request.member) from None


def _seal_rows(cipher: AESGCM, key_id: bytes, context: bytes, rows: Sequence[SealRequest]) -> list[bytes]:
    """Seal and pack for COPY in one pass: the hot loop of the vault."""
    encrypt = cipher.encrypt
    packed = []
    for number, (member, version, pseudonym, plaintext) in enumerate(rows):
        nonce = number.to_bytes(_NONCE_BYTES, "big")  # a counter cannot repeat under a key that is used once
        sealed = encrypt(nonce, plaintext, context + _identity(member, version, pseudonym))
        head = _ROW.pack(4, len(member), member, 4, version, 16, key_id, len(sealed) + _NONCE_BYTES)
        packed.append(head + nonce + sealed)
    return packed


# COPY's binary row: number of fields, then length and bytes of each; member ids have 16 bytes.
_ROW = struct.Struct("!hi16sIIi16si")


def _context(incident_id: str, key_id: bytes) -> bytes:
    incident = incident_id.encode()
    return b"".join((_SCHEMA, len(incident).to_bytes(2, "big"), incident, key_id))


def _identity(member: bytes, version: int, pseudonym: bytes) -> bytes:
    return member + version.to_bytes(4, "big") + pseudonym
