"""Which keys verify what: out of a JWKS, out of PEM, and by which algorithms."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.kit.principals.key_set import DEFAULT_ALGORITHMS, asymmetric, read_key_set, read_pem
from tests.unit.kit.principals.signers import OURS, SIGNERS, STRANGER, Signer, an_rsa_key

PINNED = frozenset(DEFAULT_ALGORITHMS)
LARGER = Signer("ec-2", "ES384", ec.generate_private_key(ec.SECP384R1()))
OTHER_CURVE = Signer("ec-3", "ES256K", ec.generate_private_key(ec.SECP256K1()))
OTHER_EDWARDS = Signer("ed-2", "EdDSA", ed448.Ed448PrivateKey.generate())
SHORT = Signer("rsa-2", "RS256", an_rsa_key(1024))

# Entries of a JWKS that verify nothing here, by what keeps them from it.
UNUSABLE: dict[str, Any] = {
    "no id": OURS.jwk(kid=None),
    "id is a number": OURS.jwk(kid=1),
    "for encryption": OURS.jwk(use="enc"),
    "uses as a list": OURS.jwk(use=["sig"]),
    "operations without verify": OURS.jwk(key_ops=["encrypt"]),
    "operations as text": OURS.jwk(key_ops="verify"),
    "algorithm of encryption": OURS.jwk(alg="RSA-OAEP"),
    "algorithm not pinned": OURS.jwk(alg="RS512"),
    "symmetric algorithm": OURS.jwk(alg="HS256"),
    "list of algorithms": OURS.jwk(alg=["RS256"]),
    "algorithm of another kind": OURS.jwk(alg="ES256"),
    "other kind": OURS.jwk(kty="EC"),
    "no kind": OURS.jwk(kty=None),
    "modulus is a number": OURS.jwk(n=1),
    "exponent is nought": OURS.jwk(e="AA"),
    "private RSA key": OURS.jwk(d="AQAB"),
    "short coordinate": SIGNERS["ES256"].jwk(x="AAAA"),
    "other curve": SIGNERS["ES256"].jwk(crv="P-384"),
    "curve of key exchange": SIGNERS["EdDSA"].jwk(crv="X25519"),
    "private Edwards key": SIGNERS["EdDSA"].jwk(d="AAAA"),
    "secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "use": "sig"},
    "larger curve": LARGER.jwk(),
    "larger curve under a pinned algorithm": LARGER.jwk(alg="ES256"),
    "curve of coins": OTHER_CURVE.jwk(),
    "larger Edwards curve": OTHER_EDWARDS.jwk(),
    "short": SHORT.jwk(),
    "empty": {},
    "a list": [],
    "a text": "rsa-1",
    "null": None,
}


def _private_pem(signer: Signer) -> str:
    return str(signer.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "ascii")


@pytest.mark.parametrize("names", [["none"], ["HS256"], ["RS256", "HS512"], ["ES256K"], ["rs256"], ["*"], []])
def test_a_setting_of_other_algorithms_is_refused(names: list[str]) -> None:
    """Unsigned and symmetric algorithms cannot even be configured."""
    with pytest.raises(ValueError, match="algorithm"):
        asymmetric(names)


def test_a_refused_algorithm_is_named_with_those_to_choose_from() -> None:
    """Whoever wrote the setting reads what to write instead."""
    with pytest.raises(
        ValueError, match=r"^HS256, none: an algorithm must sign with a private key: one of ES256, .* RS256"
    ) as refused:
        asymmetric(["RS256", "none", "HS256"])

    assert "\n" not in str(refused.value)


def test_a_key_verifies_by_the_algorithms_that_fit_it() -> None:
    """Pinned algorithms meet the kind of the key, and the curve."""
    keys = read_key_set({"keys": [signer.jwk() for signer in SIGNERS.values()]}, PINNED)

    assert {"rsa-1": {"RS256", "PS256"}, "ec-1": {"ES256"}, "ed-1": {"EdDSA"}} == {
        kid: key.algorithms for kid, key in keys.items()
    }


def test_a_key_that_names_its_algorithm_verifies_by_that_alone() -> None:
    """`alg` narrows what `kty` would allow (RFC 7517, 4.4)."""
    keys = read_key_set({"keys": [OURS.jwk(alg="PS256", use=None, key_ops=["verify"])]}, PINNED)

    assert frozenset({"PS256"}) == keys[OURS.kid].algorithms


@pytest.mark.parametrize("entry", UNUSABLE.values(), ids=UNUSABLE)
def test_an_entry_that_cannot_verify_is_passed_over(entry: Any) -> None:
    """It costs the other keys nothing."""
    signer = SIGNERS["ES256"]
    keys = read_key_set({"keys": [entry, signer.jwk(kid="good")]}, PINNED)

    assert ["good"] == [*keys]


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    """Nobody replaces a key by adding one behind it."""
    keys = read_key_set({"keys": [OURS.jwk(), STRANGER.jwk()]}, PINNED)

    assert OURS.private.public_key() == keys[OURS.kid].public


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "[]"}], ids=str)
def test_what_is_no_key_set_is_no_empty_one(document: dict[str, Any]) -> None:
    """An answer that is something else withdraws no key."""
    with pytest.raises(ValueError, match="no JWKS"):
        read_key_set(document, PINNED)


@pytest.mark.parametrize(
    "pem",
    ["", "rsa-1", "key \ud7ff", _private_pem(OURS), OURS.pem()[:200]],
    ids=["empty", "a name", "not ASCII", "private", "cut"],
)
def test_what_is_no_public_key_is_refused(pem: str) -> None:
    """A private key is refused as well: it has no business here."""
    with pytest.raises(ValueError, match="no public key in PEM"):
        read_pem(pem, PINNED)


@pytest.mark.parametrize("signer", [LARGER, OTHER_CURVE, OTHER_EDWARDS, SHORT], ids=lambda signer: signer.kid)
def test_a_public_key_that_fits_no_algorithm_is_refused(signer: Signer) -> None:
    """Whoever registers it learns so at once."""
    with pytest.raises(ValueError, match="fits none of"):
        read_pem(signer.pem(), PINNED)
