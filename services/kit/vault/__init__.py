"""The vault: sealed personal data, and the keys that it is sealed under."""

from services.kit.vault.keys import KeyRing, KeyVersionError
from services.kit.vault.vault import SealRequest, Unopened, Vault

__all__ = ["KeyRing", "KeyVersionError", "SealRequest", "Unopened", "Vault"]
