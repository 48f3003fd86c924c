"""A key ring for tests, with made-up keys."""

from hashlib import blake2b

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.core.incident import KeyVersions
from services.core.keys import KEY_FILES, PURPOSES
from services.kit.vault.keys import KEY_BYTES, KeyRing

__all__ = ["FIRST_KEYS", "a_key", "a_ring"]

FIRST_KEYS = KeyVersions(*(1 for _ in KeyVersions._fields))  # of an incident that began before any rotation


def a_key(purpose: str, version: int = 1) -> bytes:
    """Return a key of the ring."""
    return blake2b(f"{purpose} {version}".encode(), digest_size=KEY_BYTES).digest()


def a_ring(*versions: int) -> KeyRing:
    """Return a ring with these versions of each key, the first alone where none is said."""
    given = versions or (1,)
    private = {version: X25519PrivateKey.from_private_bytes(a_key("unwrap", version)) for version in given}
    return KeyRing(
        peppers={purpose: {version: a_key(purpose, version) for version in given} for purpose in PURPOSES},
        wrapping={version: key.public_key() for version, key in private.items()},
        unwrapping=private,
        newest_versions=dict.fromkeys(KEY_FILES[:-1], max(given)),
    )
