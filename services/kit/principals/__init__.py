"""Principals: who is known to an installation, and how each is recognised."""

from services.kit.principals.accounts import Account, Accounts, read_accounts, with_token
from services.kit.principals.authenticator import Authenticator, PrincipalsFile, UnknownCaller, authenticator_of
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
from services.kit.principals.client_certificate import read_certificate, subject_name, thumbprint_name
from services.kit.principals.file import changing, load_accounts
from services.kit.principals.identity_provider import IdentityProviderDown
from services.kit.principals.key_set import DEFAULT_ALGORITHMS
from services.kit.principals.spent_tokens import SpentInDatabase, SpentTokens
from services.kit.principals.tokens import StoredToken, issue_token, token_id_of

__all__ = [
    "DEFAULT_ALGORITHMS",
    "REASONS",
    "Account",
    "Accounts",
    "Authenticator",
    "IdentityProviderDown",
    "MachineKey",
    "MachineKeys",
    "OidcVerifier",
    "PrincipalsFile",
    "Reason",
    "RefusedToken",
    "SpentInDatabase",
    "SpentTokens",
    "StoredToken",
    "Subject",
    "UnknownCaller",
    "authenticator_of",
    "changing",
    "issue_token",
    "key_id",
    "load_accounts",
    "read_accounts",
    "read_certificate",
    "subject_name",
    "thumbprint_name",
    "token_id_of",
    "with_token",
]
