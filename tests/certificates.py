"""Real certificates for tests of TLS: an authority of this run's own, and what it signed for 127.0.0.1."""

from datetime import timedelta
from pathlib import Path

from deploy.certificates import Authority
from deploy.kafka.enforcing import Certificates

__all__ = ["made_authority", "made_certificates"]


def made_authority() -> Authority:
    """Make an authority of its own."""
    return Authority("tests", timedelta(days=1))


def made_certificates(folder: Path) -> Certificates:
    """Make an authority, and a certificate for the loopback address, in a folder."""
    authority = made_authority()
    made = Certificates(folder / "certificate", folder / "authority")
    made.certificate.write_bytes(authority.signed("127.0.0.1", ["127.0.0.1"]))
    made.certificate.chmod(0o600)
    made.authority.write_bytes(authority.pem)
    return made
