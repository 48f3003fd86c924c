"""Principals: who is known to an installation, and how each is recognised."""

from services.kit.principals.accounts import Account, Accounts, read_accounts, with_token
from services.kit.principals.authenticator import Authenticator, PrincipalsFile, UnknownCaller, authenticator_of
from services.kit.principals.file import changing, load_accounts
from services.kit.principals.tokens import StoredToken, issue_token, token_id_of

__all__ = [
    "Account",
    "Accounts",
    "Authenticator",
    "PrincipalsFile",
    "StoredToken",
    "UnknownCaller",
    "authenticator_of",
    "changing",
    "issue_token",
    "load_accounts",
    "read_accounts",
    "token_id_of",
    "with_token",
]
