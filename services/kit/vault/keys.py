"""The key ring of a process: the keys of hashes, and those that close or open the vault, by purpose and version.

What begins takes the newest version of each key; older versions still open what they closed, and make the hashes of
what began with them. A process has the keys of its own room alone: a key that it lacks is a fault, not another key.

The vault's data keys are sealed to a public key (HPKE, RFC 9180), so that whoever seals people's data cannot open it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from services.kit.errors import ConfigError, HerautError, RetryableError

__all__ = ["KEY_BYTES", "KeyFileError", "KeyRing", "KeyRingError", "KeyVersionError"]

KEY_BYTES = 32  # AES-256, a full block for HMAC-SHA256, and a key of X25519
_NONCE_BYTES = 12
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CONTEXT = b"heraut-vault-wrap-1"  # what a wrapped key consists of; a change of it gets another number


class KeyRingError(HerautError):
    """The keys cannot be used; the message never holds key material."""


class KeyFileError(KeyRingError, ConfigError):
    """The files of the keys cannot be used: nothing that needs them can start."""


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

    peppers: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    wrapping: Mapping[int, X25519PublicKey] = field(default_factory=dict)
    unwrapping: Mapping[int, X25519PrivateKey] = field(default_factory=dict)
    old_unwrapping: Mapping[int, bytes] = field(default_factory=dict)  # of a ring whose one key did both
    newest_versions: Mapping[str, int] = field(default_factory=dict)  # by purpose, of keys that are elsewhere too

    def pepper(self, purpose: str, version: int | None = None) -> tuple[int, bytes]:
        """Return this version of the key of hashes for a purpose, the newest where none is asked for, with its version.

        Raises KeyVersionError where the ring does not have it.
        """
        versions = self.peppers.get(purpose, {})
        version = max(versions, default=0) if version is None else version
        if version not in versions:
            raise KeyVersionError(purpose, version)
        return version, versions[version]

    def newest(self, purpose: str) -> int:
        """Return the version that what begins takes of a key, which this process need not have.

        Raises KeyVersionError where nobody said it.
        """
        if purpose not in self.newest_versions:
            raise KeyVersionError(purpose, 0)
        return self.newest_versions[purpose]

    def wrap(self, data_key: bytes, key_id: bytes) -> tuple[int, bytes]:
        """Wrap a data key with the newest public key; return the version of that key and the wrapped key.

        Raises KeyVersionError where this process may not seal.
        """
        version = max(self.wrapping, default=0)
        if version not in self.wrapping:
            raise KeyVersionError("wrap", version)
        return version, _SUITE.encrypt(data_key, self.wrapping[version], _CONTEXT + key_id)

    def unwrap(self, version: int, wrapped: bytes, key_id: bytes) -> bytes:
        """Unwrap a data key. Raises KeyVersionError for an unknown version, InvalidTag where it is another id's."""
        if version in self.old_unwrapping:
            key = AESGCM(self.old_unwrapping[version])
            return key.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id)
        if version not in self.unwrapping:
            raise KeyVersionError("unwrap", version)
        try:
            return _SUITE.decrypt(wrapped, self.unwrapping[version], _CONTEXT + key_id)
        except ValueError:  # no point of the curve
            raise InvalidTag from None

    def __repr__(self) -> str:
        return "KeyRing()"
