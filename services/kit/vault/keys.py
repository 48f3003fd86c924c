"""The key ring: key-encryption keys that wrap the vault's data keys, and the peppers of hashes, by purpose and version.

A JSON file that only its owner may read. What begins takes the newest version of each key; older versions still open
what they closed, and make the hashes of what began with them. Without the file every sealed payload is lost. A backup
of it must not lie beside the database's.
"""

import base64
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.kit.errors import HerautError, RetryableError
from services.kit.files import sync_folder, write_atomically, write_synced

__all__ = ["PURPOSES", "KeyRing", "KeyRingError", "KeyVersionError"]

KEY_BYTES = 32  # AES-256, and a full block for HMAC-SHA256
_NONCE_BYTES = 12  # random: a key may wrap 2^32 data keys so, at one a chunk (NIST SP 800-38D, 8.3)
_FORMAT = 1
# One pepper for each purpose, so that hashes made for one cannot be matched with those of another.
PURPOSES = ("match", "witness", "member", "content", "notice", "reference", "references", "lookup")


class KeyRingError(HerautError):
    """The key ring cannot be used; the message never holds key material."""


class KeyVersionError(KeyRingError, RetryableError):
    """The ring of this process lacks a key that was used elsewhere.

    What needs the key waits: it can be done once the process runs with the ring that has it. A hash made with another
    key would be another id, and somebody would be told twice.
    """

    def __init__(self, purpose: str, version: int) -> None:
        super().__init__(f"the key ring has no key {purpose!r} of version {version}: restart with the ring that has it")
        self.purpose, self.version = purpose, version


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """Keys by version. Never printed: its `repr` is the class alone."""

    keks: Mapping[int, bytes]
    peppers: Mapping[str, Mapping[int, bytes]]

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """Read a ring. Raises KeyRingError where it is missing, broken, or lacks a key."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise KeyRingError(f"there is no key ring at {path}") from None
        except (OSError, ValueError):
            raise KeyRingError(f"the key ring at {path} cannot be read") from None
        if not isinstance(document, dict) or document.get("version") != _FORMAT:
            raise KeyRingError(f"the key ring at {path} is not of format {_FORMAT}, the one known here")
        try:
            keks = _versions(document["kek"])
            peppers = {purpose: _versions(document["peppers"][purpose]) for purpose in PURPOSES}
        except (KeyError, ValueError, TypeError, AttributeError):
            raise KeyRingError(f"the key ring at {path} lacks a key, or one is not {KEY_BYTES} bytes") from None
        return cls(keks, peppers)

    @classmethod
    def create(cls, path: Path) -> "KeyRing":
        """Make a ring with one fresh key of each kind. Raises FileExistsError rather than lose another ring."""
        document = {
            "version": _FORMAT,
            "kek": {"1": _fresh()},
            "peppers": {purpose: {"1": _fresh()} for purpose in PURPOSES},
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        write_synced(temporary, json.dumps(document, indent=1).encode(), mode=0o600)
        try:
            os.link(temporary, path)  # unlike a rename, never over another ring
        finally:
            temporary.unlink()
        sync_folder(path.parent)  # keys lost with a power cut are lost with all that they sealed
        return cls.load(path)

    @classmethod
    def rotate(cls, path: Path) -> "KeyRing":
        """Add a fresh version of every key to a ring; the versions before stay. Raises KeyRingError, OSError.

        A reader sees the old file or the whole new one, and no other rotation comes in between.
        """
        lock = os.open(path.parent, os.O_RDONLY)  # a lock on the folder leaves no file behind
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cls.load(path)  # a ring that has a fault stays as it is
            document = json.loads(path.read_text(encoding="utf-8"))
            for keys in (document["kek"], *document["peppers"].values()):
                keys[str(max(map(int, keys)) + 1)] = _fresh()
            # Readable for whom it was before: containers read a mounted ring under a user of their own.
            write_atomically(path, json.dumps(document, indent=1), mode=path.stat().st_mode & 0o777)
        finally:
            os.close(lock)
        return cls.load(path)

    def pepper(self, purpose: str, version: int | None = None) -> tuple[int, bytes]:
        """Return this version of the pepper for a purpose, the newest where none is asked for, with its version.

        Raises KeyVersionError where the ring does not have it.
        """
        versions = self.peppers[purpose]
        version = max(versions) if version is None else version
        if version not in versions:
            raise KeyVersionError(purpose, version)
        return version, versions[version]

    def wrap(self, data_key: bytes, key_id: bytes) -> tuple[int, bytes]:
        """Wrap a data key with the newest key-encryption key; return the version of that key and the wrapped key."""
        version = max(self.keks)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return version, nonce + AESGCM(self.keks[version]).encrypt(nonce, data_key, key_id)

    def unwrap(self, version: int, wrapped: bytes, key_id: bytes) -> bytes:
        """Unwrap a data key. Raises KeyVersionError for an unknown version, InvalidTag where it is another id's."""
        if version not in self.keks:
            raise KeyVersionError("kek", version)
        return AESGCM(self.keks[version]).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id)

    def __repr__(self) -> str:
        return "KeyRing()"


def _versions(document: Mapping[str, str]) -> dict[int, bytes]:
    keys = {int(version): base64.b64decode(text, validate=True) for version, text in document.items()}
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise ValueError
    return keys


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def main(argv: list[Any]) -> int:
    """Make a key ring at the path given: `python -m services.kit.vault.keys PATH`."""
    if len(argv) != 1:
        print("usage: python -m services.kit.vault.keys PATH", file=sys.stderr)  # noqa: T201 - a command of its own
        return 2
    KeyRing.create(Path(argv[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
