"""The vault: sealed personal data, the one place where it is kept and the one place to erase.

A payload is sealed with AES-256-GCM under a data key that serves one chunk of people and is stored wrapped by a
key-encryption key. Its associated data is whom it is for: member, version, pseudonym, incident, key. It opens with
exactly that and nothing else, so a mix-up of rows is a failure to open and never somebody else's news.
Intake's role may insert, dispatch's may read; destroying the wrapped key erases the chunk.
"""

import secrets
import struct
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.core.ids import ID_BYTES
from services.kit.errors import HerautError
from services.kit.keys import KEY_BYTES, KeyRing, KeyRingError
from services.kit.postgres import binary_copy

__all__ = ["MISSING", "Missing", "OpenRequest", "SealRequest", "Sealed", "TamperedError", "Vault"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_SCHEMA = b"heraut-vault-1"  # what the associated data consists of; a change of it gets another number
_NONCE_BYTES = 12
_PER_KEY = 2**20  # far below the 2^32 messages that AES-GCM allows a key
_KEYS_REMEMBERED = 1024  # opened data keys: those of some sixteen million people, 200 bytes each


class SealRequest(NamedTuple):
    """A payload, and whom it is for."""

    member: bytes
    version: int
    pseudonym: bytes
    plaintext: bytes

    def __repr__(self) -> str:
        return f"SealRequest({self.member.hex()}, {self.version})"  # a traceback is no place for what is sealed


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
        self._ciphers: OrderedDict[uuid.UUID, AESGCM] = OrderedDict()

    def seal(self, incident_id: str, rows: Sequence[SealRequest]) -> Sealed:
        """Seal payloads under a fresh data key.

        Raises ValueError for more than a key should serve, and for ids that are not of 16 bytes: in the associated
        data they lie side by side, and only a fixed length keeps one from being read as part of the other.
        """
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
            """select key.key_id, key.kek_version, key.wrapped, payload.sealed
               from unnest($1::bytea[], $2::int[]) with ordinality as wanted(member, version, place)
               left join vault.payloads as payload using (member, version)
               left join vault.keys as key on key.key_id = payload.key_id
               order by wanted.place""",
            [request.member for request in wanted],
            [request.version for request in wanted],
        )
        return [
            MISSING
            if key_id is None
            else self._open(request, key_id, self._cipher(key_id, kek_version, wrapped), sealed)
            for request, (key_id, kek_version, wrapped, sealed) in zip(wanted, rows, strict=True)
        ]

    def forget(self) -> None:
        """Forget opened data keys. Those whose row was destroyed are not used any more in any case."""
        self._ciphers.clear()

    def _cipher(self, key_id: uuid.UUID, kek_version: int, wrapped: bytes) -> AESGCM:
        """Give a data key, opened; its row is there, so it was not destroyed."""
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

    @staticmethod
    def _open(request: OpenRequest, key_id: uuid.UUID, cipher: AESGCM, sealed: bytes) -> bytes:
        identity = _identity(request.member, request.version, request.pseudonym)
        context = _context(request.incident_id, key_id.bytes)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context + identity)
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            raise TamperedError(request.member) from None


def _seal_rows(cipher: AESGCM, key_id: bytes, context: bytes, rows: Sequence[SealRequest]) -> list[bytes]:
    """Seal and pack for COPY in one pass: the hot loop of the vault."""
    encrypt, pack = cipher.encrypt, _ROW.pack
    packed = []
    for number, (member, version, pseudonym, plaintext) in enumerate(rows):
        if len(member) != ID_BYTES or len(pseudonym) != ID_BYTES:
            raise ValueError(f"member and pseudonym have {ID_BYTES} bytes")
        nonce = number.to_bytes(_NONCE_BYTES, "big")  # a counter cannot repeat under a key that is used once
        # As `_identity` does, without a call a row.
        sealed = encrypt(nonce, plaintext, context + member + version.to_bytes(4, "big") + pseudonym)
        head = pack(4, ID_BYTES, member, 4, version, 16, key_id, len(sealed) + _NONCE_BYTES)
        packed.append(head + nonce + sealed)
    return packed


# COPY's binary row: number of fields, then length and bytes of each; member ids have 16 bytes.
_ROW = struct.Struct("!hi16sIIi16si")


def _context(incident_id: str, key_id: bytes) -> bytes:
    incident = incident_id.encode()
    return b"".join((_SCHEMA, len(incident).to_bytes(2, "big"), incident, key_id))


def _identity(member: bytes, version: int, pseudonym: bytes) -> bytes:
    return member + version.to_bytes(4, "big") + pseudonym
