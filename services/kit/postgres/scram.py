"""What PostgreSQL keeps of a password: enough to check it, and not the password (RFC 5803, RFC 7677)."""

import base64
import hashlib
import hmac
import secrets

__all__ = ["verifier"]

_ROUNDS = 4096  # PostgreSQL's own number


def verifier(password: str) -> str:
    """Return what ALTER ROLE takes in the place of a password, so that no statement has the password itself.

    Statements may be logged, and pg_stat_activity shows them. Raises ValueError for passwords beyond printable ASCII:
    they would have to be normalised before hashing by a standard of its own (SASLprep).
    """
    if not password.isascii() or not password.isprintable():
        raise ValueError("a password must be of printable ASCII")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_ROUNDS}:{texts[0]}${texts[1]}:{texts[2]}"
