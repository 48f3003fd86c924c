"""Tokens: random texts that a caller shows, of which only the hash is kept."""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

__all__ = ["StoredToken", "issue_token", "token_id_of"]

# The prefix lets scanners for leaked secrets find it, and tells a token from a JWT.
_PREFIX: Final = "heraut"
_ID_BYTES = 4  # names a token in lists and in `revoke`; a principal has few
_SECRET_BYTES = 32  # 256 bits: at least 128 are asked for, and nobody types it
_TOKEN = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """What is kept of a token. One SHA-256 is enough: nobody guesses 256 random bits."""

    token_id: str
    digest: str  # hex
    created_at: datetime
    expires_at: datetime

    def is_valid(self, text: str, now: datetime) -> bool:
        """Tell whether this is the token's text and the token has not expired. Takes the same time for every text."""
        same = hmac.compare_digest(self.digest, sha256(text.encode()).hexdigest())
        return same and now < self.expires_at


def issue_token(now: datetime, lifetime: timedelta) -> tuple[str, StoredToken]:
    """Return a new token's text, which is shown once, and what is kept of it."""
    token_id = secrets.token_hex(_ID_BYTES)
    text = f"{_PREFIX}_{token_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, StoredToken(token_id, sha256(text.encode()).hexdigest(), now, now + lifetime)


def token_id_of(text: str) -> str | None:
    """Return the id of a token; None where the text is not written like one."""
    match = _TOKEN.fullmatch(text)
    return match[1] if match else None
