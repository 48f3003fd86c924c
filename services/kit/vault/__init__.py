"""The vault: sealed personal data, and the keys that it is sealed under."""

from services.kit.vault.key_files import convert_ring, create_keys, load_keys, rotate_keys
from services.kit.vault.keys import KeyRing, KeyRingError, KeyVersionError
from services.kit.vault.vault import Payloads, Unopened, Vault

__all__ = [
    "KeyRing",
    "KeyRingError",
    "KeyVersionError",
    "Payloads",
    "Unopened",
    "Vault",
    "convert_ring",
    "create_keys",
    "load_keys",
    "rotate_keys",
]
