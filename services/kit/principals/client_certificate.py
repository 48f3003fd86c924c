"""Certificates that callers show (mutual TLS): by what a principal is known, once TLS has proved who holds the key."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

__all__ = ["NAMED", "names_of", "read_certificate", "subject_name", "thumbprint_name"]

# One certificate, by the SHA-256 of its bytes (as `x5t#S256` of RFC 8705 has it, in hex); or whichever the authority
# signs for this subject, as RFC 4514 writes it: a renewed one is still the same caller's.
NAMED = re.compile(r"sha256:[0-9a-f]{64}|subject:[^\n]{1,400}", re.ASCII)


def thumbprint_name(der: bytes) -> str:
    """Return the name of one certificate."""
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def subject_name(subject: str) -> str:
    """Return the name of all certificates of a subject, however it is spaced. Raises ValueError."""
    name = x509.Name.from_rfc4514_string(subject)
    if not name.get_attributes_for_oid(NameOID.COMMON_NAME):
        raise ValueError("a subject needs a common name: CN=...,O=...")
    return f"subject:{name.rfc4514_string()}"


@lru_cache(maxsize=256)  # a caller shows the same one with each request
def names_of(der: bytes) -> tuple[str, ...]:
    """Return the names by which a principal may be known who shows this certificate."""
    try:
        subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except ValueError:  # some extension that the library does not take; TLS did
        return (thumbprint_name(der),)
    return thumbprint_name(der), f"subject:{subject}"


def read_certificate(file: Path) -> bytes:
    """Return the bytes of the first certificate in a PEM file. Raises ValueError, OSError."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)
    except ValueError:
        raise ValueError("this is no certificate in PEM") from None
