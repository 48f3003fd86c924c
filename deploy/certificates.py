"""Certificates of an authority of one's own: for brokers and machines that no other authority vouches for."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]

_CURVE = ec.SECP256R1()  # every TLS library knows it, and a key is made in no time (RFC 8446, 9.1)
# What a key may be used for, of an authority and of who it vouches for (RFC 5280, 4.2.1.3): strict readers ask for it.
_NOTHING = dict.fromkeys(
    ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
     "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False
)  # fmt: skip
_USE = {
    True: x509.KeyUsage(**_NOTHING | {"key_cert_sign": True, "crl_sign": True}),
    False: x509.KeyUsage(**_NOTHING | {"digital_signature": True}),
}
_BEHIND = timedelta(minutes=5)  # of clocks that a certificate made just now is shown to


class Authority:
    """Signs certificates. Its own key is in this process alone: whoever it vouches for is known from the beginning."""

    def __init__(self, name: str, lifetime: timedelta) -> None:
        self._name, self._lifetime = name, lifetime
        self._key = ec.generate_private_key(_CURVE)
        self._certificate = self._made(name, self._key, [])

    @property
    def pem(self) -> bytes:
        """Return its certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def signed(self, name: str, hosts: Sequence[str] = ()) -> bytes:
        """Return a new key and its certificate, in PEM; the certificate is good for these hosts and addresses."""
        key = ec.generate_private_key(_CURVE)
        certificate = self._made(name, key, hosts)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + certificate.public_bytes(serialization.Encoding.PEM)

    def _made(self, name: str, key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEHIND)
            .not_valid_after(now + self._lifetime)
            .add_extension(x509.BasicConstraints(ca=key is self._key, path_length=None), critical=True)
            .add_extension(_USE[key is self._key], critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
