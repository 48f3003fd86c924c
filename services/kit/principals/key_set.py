"""Public keys and the algorithms that each may verify: out of a JWKS (RFC 7517), or out of PEM."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from services.kit.config import DEFAULT_ALGORITHMS

__all__ = ["ASYMMETRIC", "DEFAULT_ALGORITHMS", "VerifyingKey", "asymmetric", "read_key_set", "read_pem"]

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EDWARDS = frozenset({"EdDSA"})
# Each has one curve (RFC 7518 3.4): a key of another one would change what the algorithm is worth.
_CURVES = {SECP256R1: "ES256", SECP384R1: "ES384", SECP521R1: "ES512"}
ASYMMETRIC = _RSA | _EDWARDS | frozenset(_CURVES.values())
_RSA_BITS = 2048  # the least that NIST SP 800-131A still allows

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class VerifyingKey(NamedTuple):
    """A public key, and which algorithms it may verify; there is at least one."""

    public: PublicKey
    algorithms: frozenset[str]


def asymmetric(algorithms: Iterable[str]) -> frozenset[str]:
    """Return the algorithms (RFC 7518 3.1). Raises ValueError where one is unsigned, symmetric or unknown."""
    names = frozenset(algorithms)
    if not names:
        raise ValueError("at least one algorithm is needed")
    if refused := sorted(names - ASYMMETRIC):
        # A symmetric algorithm would take the public key, which everybody knows, for its secret.
        raise ValueError(
            f"{', '.join(refused)}: an algorithm must sign with a private key: one of {', '.join(sorted(ASYMMETRIC))}"
        )
    return names


def read_key_set(document: Mapping[str, Any], algorithms: frozenset[str]) -> dict[str, VerifyingKey]:
    """Return the keys of a JWKS that may verify by one of these algorithms, by `kid`.

    Others are passed over, as RFC 7517 5 asks for: without `kid`, for encryption, private, short, of unknown kinds.
    Raises ValueError where it is no JWKS.
    """
    match document:
        case {"keys": [*entries]}:
            found = [(entry, _read_entry(entry, algorithms)) for entry in entries if isinstance(entry, dict)]
        case _:
            raise ValueError("this is no JWKS")
    # Where two have one id, the first counts.
    return {entry["kid"]: key for entry, key in reversed(found) if key}


@lru_cache(maxsize=1024)  # a machine's key is read once and not with each of its tokens
def read_pem(pem: str, algorithms: frozenset[str]) -> VerifyingKey:
    """Return a public key in PEM. Raises ValueError where it is none that fits one of the algorithms."""
    try:
        public = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is no public key in PEM") from None
    key = _fitting(public, algorithms)
    if key is None:
        raise ValueError(f"this public key fits none of {', '.join(sorted(algorithms))}")
    return key


def _read_entry(entry: dict[str, Any], algorithms: frozenset[str]) -> VerifyingKey | None:
    kid, use, operations = entry.get("kid"), entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    if not isinstance(kid, str) or use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    named = entry.get("alg")
    if named is not None and not isinstance(named, str):
        return None
    try:
        public = jwt.PyJWK(entry).key
    except jwt.PyJWTError:
        return None
    return _fitting(public, algorithms if named is None else algorithms & {named})


def _fitting(public: object, algorithms: frozenset[str]) -> VerifyingKey | None:
    """Return the key with those of the algorithms that it fits; a secret and a private key fit none."""
    if isinstance(public, RSAPublicKey):
        fitting = _RSA if public.key_size >= _RSA_BITS else frozenset()
    elif isinstance(public, EllipticCurvePublicKey):
        fitting = frozenset(name for curve, name in _CURVES.items() if isinstance(public.curve, curve))
    elif isinstance(public, Ed25519PublicKey):
        fitting = _EDWARDS
    else:
        return None
    both = fitting & algorithms
    return VerifyingKey(public, both) if both else None
