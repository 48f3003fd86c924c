"""Who asks: bearer tokens of people and machines, verified."""

from services.kit.principals.bearer_jwt import (
    REASONS,
    MachineKey,
    MachineKeys,
    OidcVerifier,
    Reason,
    RefusedToken,
    Subject,
    key_id,
)
from services.kit.principals.identity_provider import IdentityProviderDown
from services.kit.principals.key_set import DEFAULT_ALGORITHMS

__all__ = [
    "DEFAULT_ALGORITHMS",
    "REASONS",
    "IdentityProviderDown",
    "MachineKey",
    "MachineKeys",
    "OidcVerifier",
    "Reason",
    "RefusedToken",
    "Subject",
    "key_id",
]
