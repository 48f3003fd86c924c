"""Tokens that machines sign: what opens, what does not, and that each opens once."""

import json
from typing import Any

import pytest

from services.kit.principals import REASONS, MachineKey, MachineKeys, OidcVerifier, RefusedToken, key_id
from services.kit.testing import FakeClock
from tests.unit.kit.principals.signers import AUDIENCE, FORGERIES, NOW, OURS, SIGNERS, Claims, Signer, an_rsa_key

MACHINE = "hospital-7"
KEYS = {signer.kid: MachineKey(MACHINE, signer.pem()) for signer in SIGNERS.values()}


def _claims(**changed: Any) -> Claims:
    return {"iss": MACHINE, "sub": MACHINE, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "1"} | changed


def _refusal(machines: MachineKeys, token: str, keys: dict[str, MachineKey] | None = None) -> str:
    with pytest.raises(RefusedToken) as refused:
        machines.verify(token, KEYS if keys is None else keys)
    assert (refused.value.reason, None) == (str(refused.value), refused.value.__cause__)
    assert refused.value.reason in REASONS
    return refused.value.reason


@pytest.fixture
def clock() -> FakeClock:
    """Time stands still unless moved."""
    return FakeClock()


@pytest.fixture
def machines(clock: FakeClock) -> MachineKeys:
    """Return what verifies the tokens of machines."""
    return MachineKeys(AUDIENCE, clock=clock)


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_a_machine_is_known_by_its_key(machines: MachineKeys, signer: Signer) -> None:
    """Each algorithm that is allowed without a setting opens."""
    assert MACHINE == machines.verify(signer.sign(_claims()), KEYS).subject


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["heraut-tracking", AUDIENCE]},
        {"iat": NOW - 329, "exp": NOW - 29},
        {"iat": NOW + 30},
        {"nbf": NOW + 30},
        {"iat": NOW + 0.5, "exp": NOW + 60.5},
        {"jti": "x" * 255},
    ],
    ids=str,
)
def test_a_token_at_the_edge_of_what_is_allowed_opens(machines: MachineKeys, changed: Claims) -> None:
    """Clocks may differ by thirty seconds, and a token may be for several services."""
    assert MACHINE == machines.verify(OURS.sign(_claims(**changed)), KEYS).subject


@pytest.mark.parametrize("wrong", FORGERIES)
def test_a_token_with_one_fault_opens_nothing(machines: MachineKeys, wrong: str) -> None:
    """The reason is a code that says nothing of the token."""
    forge, reason = FORGERIES[wrong]

    assert reason == _refusal(machines, forge(_claims()))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sub": "hospital-8"}, "wrong-issuer"),
        ({"iss": "hospital-8"}, "wrong-issuer"),
        ({"iss": "hospital-8", "sub": "hospital-8"}, "wrong-issuer"),
        ({"sub": 7}, "malformed"),
        ({"exp": NOW + 301}, "too-long-lived"),
        ({"exp": NOW + 10**9}, "too-long-lived"),
        ({"iat": NOW - 10**6}, "too-long-lived"),
        ({"jti": None}, "missing-claim"),
        ({"jti": ""}, "missing-claim"),
        ({"jti": 1}, "malformed"),
        ({"jti": "x" * 256}, "malformed"),
        ({"jti": "1\0"}, "malformed"),
    ],
    ids=str,
)
def test_a_machine_speaks_for_itself_and_for_minutes(machines: MachineKeys, changed: Claims, reason: str) -> None:
    """No key opens for another machine, and no token for longer than five minutes."""
    assert reason == _refusal(machines, OURS.sign(_claims(**changed)))


def test_one_machines_key_opens_for_no_other(machines: MachineKeys) -> None:
    """A machine that signs in another one's name is refused, although its signature holds."""
    other = Signer("rsa-8", "RS256", an_rsa_key())
    keys = KEYS | {other.kid: MachineKey("hospital-8", other.pem())}

    assert "wrong-issuer" == _refusal(machines, other.sign(_claims()), keys)
    assert "hospital-8" == machines.verify(other.sign(_claims(iss="hospital-8", sub="hospital-8")), keys).subject


def test_a_token_opens_once(machines: MachineKeys, clock: FakeClock) -> None:
    """A token that was seen on its way is worth nothing, until its very end."""
    token = OURS.sign(_claims(exp=NOW + 60))
    machines.verify(token, KEYS)

    assert "replayed" == _refusal(machines, token)
    clock.advance(89.9)
    assert "replayed" == _refusal(machines, token)
    clock.advance(0.1)
    assert "expired" == _refusal(machines, token)


def test_an_id_is_used_up_by_its_machine_alone_and_by_good_tokens_alone(machines: MachineKeys) -> None:
    """Nobody uses up the ids of others, with a bad token or with one of their own."""
    other = Signer("rsa-8", "RS256", an_rsa_key())
    keys = KEYS | {other.kid: MachineKey("hospital-8", other.pem())}
    machines.verify(other.sign(_claims(iss="hospital-8", sub="hospital-8")), keys)
    for wrong in ("signed by a stranger", "for another service", "expired"):
        _refusal(machines, FORGERIES[wrong][0](_claims()))

    assert MACHINE == machines.verify(OURS.sign(_claims()), keys).subject
    assert "replayed" == _refusal(machines, SIGNERS["ES256"].sign(_claims()))


def test_what_is_remembered_is_bounded(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that signs too many is refused until the first ones have expired, and none of them opens again."""
    monkeypatch.setitem(MachineKeys.verify.__globals__, "_TOKENS_REMEMBERED", 3)
    machines = MachineKeys(AUDIENCE, clock=clock)
    for jti, lasting in (("1", 300), ("2", 60), ("3", 300)):
        machines.verify(OURS.sign(_claims(jti=jti, exp=NOW + lasting)), KEYS)

    assert "too-many" == _refusal(machines, OURS.sign(_claims(jti="4")))
    clock.advance(90)
    assert MACHINE == machines.verify(OURS.sign(_claims(jti="4")), KEYS).subject
    assert "replayed" == _refusal(machines, OURS.sign(_claims(jti="1")))


def test_a_key_that_cannot_be_read_opens_nothing(machines: MachineKeys) -> None:
    """It is refused when it is registered; should it be there all the same, nobody is let in by it."""
    assert "unknown-key" == _refusal(machines, OURS.sign(_claims()), {OURS.kid: MachineKey(MACHINE, "no key")})
    assert "unknown-key" == _refusal(machines, OURS.sign(_claims()), {})
    with pytest.raises(ValueError, match="no public key in PEM"):
        machines.check("no key")
    machines.check(OURS.pem())


def test_algorithms_are_those_of_the_setting(clock: FakeClock) -> None:
    """A setting of one algorithm leaves no other."""
    machines = MachineKeys(AUDIENCE, clock=clock, algorithms=["ES256"])

    assert "wrong-algorithm" == _refusal(machines, OURS.sign(_claims()))
    assert MACHINE == machines.verify(SIGNERS["ES256"].sign(_claims()), KEYS).subject


def test_symmetric_algorithms_cannot_be_configured(clock: FakeClock) -> None:
    """They are refused before the first token comes."""
    with pytest.raises(ValueError, match="HS256: an algorithm must sign with a private key"):
        MachineKeys(AUDIENCE, clock=clock, algorithms=["RS256", "HS256"])
    with pytest.raises(ValueError, match="none: an algorithm must sign with a private key"):
        OidcVerifier("https://id.example", AUDIENCE, clock=clock, algorithms=["none"])


@pytest.mark.parametrize(
    "address",
    [
        "https://id.example",
        "https://id.example/realms/heraut/",
        "http://localhost:8080",
        "http://127.0.0.2",
        "http://[::1]:1",
    ],
)
def test_an_identity_provider_is_reached_safely(clock: FakeClock, address: str) -> None:
    """By https, or without leaving this machine."""
    OidcVerifier(address, AUDIENCE, clock=clock)
    OidcVerifier("whoever", AUDIENCE, clock=clock, jwks_url=address)


@pytest.mark.parametrize(
    "address",
    [
        "http://id.example",
        "http://10.0.0.1",
        "http://localhost.id.example",
        "http://127.0.0.1.id.example",
        "http://localhost@id.example",
        "ftp://localhost",
        "file:///etc/passwd",
        "//localhost",
        "https://",
        "localhost",
    ],
)
def test_an_identity_provider_is_not_reached_where_others_could_answer(clock: FakeClock, address: str) -> None:
    """Keys over a line that is not protected would be anybody's keys."""
    with pytest.raises(ValueError, match="https"):
        OidcVerifier(address, AUDIENCE, clock=clock)
    with pytest.raises(ValueError, match="https"):
        OidcVerifier("https://id.example", AUDIENCE, clock=clock, jwks_url=address)


def test_the_key_that_a_token_names_can_be_read_before_anything_is_verified() -> None:
    """So that a token finds the verifier that knows its key."""
    assert OURS.kid == key_id(OURS.sign(_claims()))
    for wrong in ("key id is missing", "key id is a number", "critical extension", "garbage"):
        with pytest.raises(RefusedToken) as refused:
            key_id(FORGERIES[wrong][0](json.loads(json.dumps(_claims()))))
        assert FORGERIES[wrong][1] == refused.value.reason
