"""Signatures of webhooks: who sent a body, and when (Standard Webhooks, standardwebhooks.com, specification 1.0).

Each provider has a file of its own in a folder, which only its owner may read: `<provider>.json` with
`{"channel": "portal", "secrets": ["whsec_..."]}`. Several secrets hold at once, so that one can be replaced.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from services.core.channel import channel_named
from services.kit.errors import ConfigError
from services.kit.files import lies_open

__all__ = ["Signer", "Signers", "is_signed", "load_signers", "signed_by"]

_TOLERANCE: Final = 300  # seconds that a signature holds, before and after its time
_PREFIX: Final = "whsec_"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FEWEST, _MOST = 24, 64  # bytes of a secret, as the specification says
_LONGEST_ID: Final = 256  # characters
_MOST_SIGNATURES: Final = 16


class Signer(NamedTuple):
    """A provider that signs what it sends."""

    channel: int  # of the attempts that it speaks of
    secrets: Sequence[bytes]


Signers = Mapping[str, Signer]  # by the provider's name


def load_signers(folder: Path | None) -> Signers:
    """Read every provider's file; without a folder there are none. Raises ConfigError where one is broken or open."""
    if folder is None:
        return {}
    try:
        return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    except OSError as error:
        raise ConfigError(f"the webhooks' secrets in {folder} cannot be read: {error.strerror}") from None


def _read(path: Path) -> Signer:
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(f"{path}: a provider's name has lower-case letters, digits and hyphens")
    if lies_open(path):
        raise ConfigError(f"{path} is open to others: chmod 600")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        secrets = [base64.b64decode(one.removeprefix(_PREFIX), validate=True) for one in found["secrets"]]
        channel = int(channel_named(found["channel"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f'{path} is not {{"channel": "...", "secrets": ["whsec_..."]}}') from None
    if not secrets or not all(_FEWEST <= len(secret) <= _MOST for secret in secrets):
        raise ConfigError(f"{path}: a secret has {_FEWEST} to {_MOST} bytes")
    return Signer(channel, secrets)


def is_signed(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Tell whether one of these secrets signed the body lately; `now` is seconds since 1970."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (0 < len(message_id) <= _LONGEST_ID and timestamp.isascii() and timestamp.isdecimal()):
        return False
    if len(timestamp) > 12 or abs(int(timestamp) - now) > _TOLERANCE:  # later than the year 30000
        return False
    given = list(_signatures(headers.get("webhook-signature", "")))
    wanted = [signed_by(secret, message_id, timestamp, body) for secret in secrets]
    # Each pair is compared, and each to its end: how long it takes tells nothing.
    return sum(hmac.compare_digest(one, other) for one in given for other in wanted) > 0


def signed_by(secret: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    """Return the signature of a body: HMAC-SHA256 over its id, its time in seconds since 1970, and itself."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return hmac.new(secret, content, hashlib.sha256).digest()


def _signatures(header: str) -> Sequence[bytes]:
    """Return the signatures of version 1 in a header; others are left alone, as versions to come may stand beside."""
    found = []
    for one in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, encoded = one.partition(",")
        try:
            if version == "v1":
                found.append(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
