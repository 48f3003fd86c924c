"""A caller is recognised by a token, or by a JWT that its machine signed; whatever else is shown is nobody's."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.core.access import Principal, Role
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError
from services.kit.principals import (
    Account,
    Authenticator,
    PrincipalsFile,
    UnknownCaller,
    authenticator_of,
    changing,
)
from services.kit.testing import FakeClock, make_principals

LAB = Principal("lab", frozenset({Role.SOURCE}), frozenset({"Lab B.V."}))
KEY = Ed25519PrivateKey.generate()


def _pem(key: Ed25519PrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.fixture
def clock() -> FakeClock:
    """Time stands still unless moved."""
    return FakeClock()


@pytest.fixture
def file(tmp_path: Path, clock: FakeClock) -> PrincipalsFile:
    """Return the principals: a lab whose machine signs its own JWTs, and a person of the identity provider."""
    person = Account(Principal("ann", frozenset({Role.OPERATOR})), subject="sub-ann")
    make_principals(tmp_path / "p.json", Account(LAB, keys={"lab-1": _pem(KEY)}), person)
    return PrincipalsFile(tmp_path / "p.json", clock)


@pytest.fixture
def authenticator(file: PrincipalsFile, clock: FakeClock) -> Authenticator:
    """Return the authenticator of an installation without an identity provider."""
    return authenticator_of(load(ServiceConfig, {}), file, clock)


def a_jwt(clock: FakeClock, key: Ed25519PrivateKey = KEY, kid: str = "lab-1", **changed: Any) -> str:
    """Return a JWT as the lab's machine makes it for one request."""
    now = int(clock.now().timestamp())
    claims = {"iss": "lab", "sub": "lab", "aud": "heraut", "iat": now, "exp": now + 60, "jti": "1"} | changed
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})


async def _reason(authenticator: Authenticator, credential: str) -> str:
    with pytest.raises(UnknownCaller) as caught:
        await authenticator.recognise(credential)
    return caught.value.reason


async def test_a_machine_signs_for_itself(authenticator: Authenticator, clock: FakeClock) -> None:
    """Its key is in the principals file; each JWT opens once, and for a minute."""
    assert LAB == await authenticator.recognise(a_jwt(clock))
    assert "replayed" == await _reason(authenticator, a_jwt(clock))
    late = a_jwt(clock, jti="2")
    clock.advance(120)
    assert "expired" == await _reason(authenticator, late)


async def test_no_machine_signs_for_another(authenticator: Authenticator, clock: FakeClock) -> None:
    """Neither with a key of its own, nor under another's name, nor for another installation."""
    tried = [
        a_jwt(clock, Ed25519PrivateKey.generate()),
        a_jwt(clock, kid="lab-2"),
        a_jwt(clock, iss="ann", sub="ann"),
        a_jwt(clock, aud="other"),
    ]

    assert ["bad-signature", "unknown-key", "wrong-issuer", "wrong-audience"] == [
        await _reason(authenticator, one) for one in tried
    ]


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ("", "no-credential"),
        ("x", "unknown-principal"),
        ("é", "malformed"),
        ("a.b.c", "malformed"),
        ("x" * 9_000, "malformed"),
        ("heraut_00000000_" + "A" * 43, "unknown-principal"),
    ],
)
async def test_what_nobody_has_opens_nothing(authenticator: Authenticator, credential: str, reason: str) -> None:
    """Each for its reason, a short code."""
    assert reason == await _reason(authenticator, credential)


async def test_who_is_removed_from_the_file_is_nobody(
    authenticator: Authenticator, tmp_path: Path, clock: FakeClock
) -> None:
    """A machine's JWT too opens nothing once its principal is gone."""
    with changing(tmp_path / "p.json") as change:
        change.accounts = change.accounts.without("lab")
    clock.advance(1)

    assert "unknown-key" == await _reason(authenticator, a_jwt(clock))


async def test_a_file_that_is_gone_locks_nobody_out(
    authenticator: Authenticator, tmp_path: Path, clock: FakeClock
) -> None:
    """A mount that fails for a moment changes nothing for those who are known."""
    (tmp_path / "p.json").unlink()
    clock.advance(1)

    assert LAB == await authenticator.recognise(a_jwt(clock))


@pytest.mark.parametrize(
    "settings",
    [
        {"HERAUT_AUTH_ALGORITHMS": "HS256"},
        {"HERAUT_AUTH_ALGORITHMS": "none"},
        {"HERAUT_AUTH_OIDC_ISSUER": "http://idp.example.org"},
    ],
)
def test_settings_that_would_open_the_door_are_refused(
    file: PrincipalsFile, clock: FakeClock, settings: dict[str, str]
) -> None:
    """A shared secret, no signature, or an identity provider reached in plain text."""
    with pytest.raises(ConfigError):
        authenticator_of(load(ServiceConfig, settings), file, clock)


def test_a_token_lives_as_long_as_it_was_given(tmp_path: Path) -> None:
    """Tokens that the tests make do not expire under them."""
    make_principals(tmp_path / "p.json", LAB)
    (token,) = next(iter(PrincipalsFile(tmp_path / "p.json", FakeClock()).accounts)).tokens

    assert timedelta(days=36_500) == token.expires_at - token.created_at
