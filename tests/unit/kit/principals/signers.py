"""Who signs tokens, well or badly: real keys, and one table of all that is wrong with a token."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.kit.principals import Reason
from services.kit.testing import FakeClock

NOW = int(FakeClock().now().timestamp())
AUDIENCE = "heraut-intake"

Claims = dict[str, Any]


@dataclass(frozen=True)
class Signer:
    """A private key, by which algorithm it signs, and under which id."""

    kid: str
    algorithm: str
    private: Any

    def sign(self, claims: Claims | bytes, **header: Any) -> str:
        """Return a token; a value of None leaves that part of the header out."""
        full = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | header
        signing = jwt.PyJWS().get_algorithm_by_name(self.algorithm)
        return compact(full, claims, lambda content: signing.sign(content, self.private))

    def pem(self) -> str:
        """Return the public key in PEM."""
        return str(self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "ascii")

    def jwk(self, **changed: Any) -> dict[str, Any]:
        """Return the public key as an entry of a JWKS; a value of None leaves that part out."""
        written = jwt.PyJWS().get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        full = written | {"kid": self.kid, "use": "sig"} | changed
        return {name: value for name, value in full.items() if value is not None}


def compact(header: Mapping[str, Any], claims: Claims | bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return the compact form (RFC 7515, 7.1), whatever it holds."""
    named = {name: value for name, value in header.items() if value is not None}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    content = _base64(json.dumps(named).encode()) + b"." + _base64(payload)
    return (content + b"." + _base64(sign(content))).decode()


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def an_rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a new key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


_RSA = an_rsa_key()
# One for each algorithm that is allowed without a setting, as they come.
SIGNERS = {
    "RS256": Signer("rsa-1", "RS256", _RSA),
    "PS256": Signer("rsa-1", "PS256", _RSA),
    "ES256": Signer("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": Signer("ed-1", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
}
OURS = SIGNERS["RS256"]
STRANGER = Signer(OURS.kid, "RS256", an_rsa_key())


def with_public_key_as_secret(claims: Claims) -> str:
    """Return a token signed with what everybody knows (CVE-2015-9235)."""
    secret = OURS.pem().encode()
    return compact({"alg": "HS256", "kid": OURS.kid}, claims, lambda it: hmac.digest(secret, it, hashlib.sha256))


def unsigned(claims: Claims, algorithm: str = "none") -> str:
    """Return a token without signature."""
    return compact({"alg": algorithm, "kid": OURS.kid}, claims, lambda _: b"")


def _tampered(claims: Claims) -> str:
    header, _, signature = OURS.sign(claims).split(".")
    payload = _base64(json.dumps(claims | {"sub": "somebody-else"}).encode()).decode()
    return f"{header}.{payload}.{signature}"


def _without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def _claims(**changed: Any) -> Callable[[Claims], str]:
    return lambda claims: OURS.sign(claims | changed)


def _header(**changed: Any) -> Callable[[Claims], str]:
    return lambda claims: OURS.sign(claims, **changed)


def _missing(name: str) -> Callable[[Claims], str]:
    return lambda claims: OURS.sign(_without(claims, name))


def _text(text: str) -> Callable[[Claims], str]:
    return lambda _: text


# From what is wrong to a token made of good claims, and why it is refused.
FORGERIES: Mapping[str, tuple[Callable[[Claims], str], Reason]] = {
    "unsigned": (unsigned, "wrong-algorithm"),
    "unsigned, in capitals": (lambda claims: unsigned(claims, "NONE"), "wrong-algorithm"),
    "unsigned, as if it were signed": (lambda claims: unsigned(claims, "RS256"), "bad-signature"),
    "public key as secret": (with_public_key_as_secret, "wrong-algorithm"),
    "no algorithm": (_header(alg=None), "wrong-algorithm"),
    "list of algorithms": (_header(alg=["RS256"]), "wrong-algorithm"),
    "algorithm not allowed": (_header(alg="RS512"), "wrong-algorithm"),
    "algorithm of another key": (_header(kid="ec-1"), "wrong-algorithm"),
    "algorithm of another signature": (_header(alg="PS256"), "bad-signature"),
    "signed by a stranger": (STRANGER.sign, "bad-signature"),
    "stranger's key in the header": (lambda c: STRANGER.sign(c, jwk=STRANGER.jwk()), "bad-signature"),
    "key id is a path": (_header(kid="../../../../dev/null"), "unknown-key"),
    "key id is SQL": (_header(kid="rsa-1' or '1'='1"), "unknown-key"),
    "key id is an address": (_header(kid="https://keys.example/rsa-1"), "unknown-key"),
    "key id is empty": (_header(kid=""), "unknown-key"),
    "key id is missing": (_header(kid=None), "unknown-key"),
    "key id is a number": (_header(kid=1), "malformed"),
    "critical extension": (_header(crit=["exp"], exp=NOW + 60), "malformed"),
    "critical extension that the library knows": (_header(crit=["b64"], b64=True), "malformed"),
    "empty list of critical extensions": (_header(crit=[]), "malformed"),
    "detached payload": (_header(b64=False), "malformed"),
    "other payload": (_tampered, "bad-signature"),
    "cut signature": (lambda claims: OURS.sign(claims)[:-2], "bad-signature"),
    "expired": (_claims(exp=NOW - 30), "expired"),
    "not valid yet": (_claims(nbf=NOW + 31), "not-yet-valid"),
    "issued in the future": (_claims(iat=NOW + 31), "not-yet-valid"),
    "for another service": (_claims(aud="heraut-tracking"), "wrong-audience"),
    "for other services": (_claims(aud=["heraut-tracking", "heraut"]), "wrong-audience"),
    "for a list of no texts": (_claims(aud=[AUDIENCE, 1]), "wrong-audience"),
    "for a pattern": (_claims(aud="*"), "wrong-audience"),
    "for nobody": (_claims(aud=[]), "missing-claim"),
    "by another issuer": (_claims(iss="https://other.example"), "wrong-issuer"),
    "by a list of issuers": (_claims(iss=["https://other.example"]), "wrong-issuer"),
    "expiry missing": (_missing("exp"), "missing-claim"),
    "expiry null": (_claims(exp=None), "missing-claim"),
    "issue missing": (_missing("iat"), "missing-claim"),
    "issuer missing": (_missing("iss"), "missing-claim"),
    "audience missing": (_missing("aud"), "missing-claim"),
    "subject missing": (_missing("sub"), "missing-claim"),
    "expiry as text": (_claims(exp=str(NOW + 60)), "malformed"),
    "expiry as truth": (_claims(exp=True), "malformed"),
    "expiry without end": (_claims(exp=float("inf")), "malformed"),
    "expiry is no number": (_claims(exp=float("nan")), "malformed"),
    "beginning null": (_claims(nbf=None), "malformed"),
    "payload is no JSON": (lambda _: OURS.sign(b"\xff{"), "malformed"),
    "payload is a list": (lambda _: OURS.sign(b"[]"), "malformed"),
    "payload is deep": (lambda _: OURS.sign(b"[" * 3000), "malformed"),
    "payload has a number without end": (lambda _: OURS.sign(b'{"exp":' + b"9" * 5000 + b"}"), "malformed"),
    "oversized": (_claims(roles="r" * 8192), "malformed"),
    "nothing": (_text(""), "malformed"),
    "dots": (_text("..."), "malformed"),
    "two parts": (_text("e30.e30"), "malformed"),
    "garbage": (_text("not a token"), "malformed"),
    "encrypted": (_text("e30.e30.e30.e30.e30"), "malformed"),
    "header is no object": (_text("W10.e30.e30"), "malformed"),
    "header is no UTF-8": (_text("_w.e30.e30"), "malformed"),
    "not ASCII": (lambda claims: OURS.sign(claims).replace(".", "\u2024"), "malformed"),
    "half a character": (_text("\ud800.e30.e30"), "malformed"),
}
