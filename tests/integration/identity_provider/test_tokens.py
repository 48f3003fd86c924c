"""People's tokens, against a real server that plays the identity provider: who is let in, and who is not."""

import pytest

from services.kit.principals import OidcVerifier, Subject
from tests.integration.identity_provider.server import DISCOVERY, KEYS, ProviderServer, claims, refusal
from tests.unit.kit.principals.signers import AUDIENCE, FORGERIES, OURS, SIGNERS, STRANGER, Claims, Signer


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
async def test_whoever_the_provider_vouches_for_is_known(
    provider: ProviderServer, verifier: OidcVerifier, signer: Signer
) -> None:
    """By each algorithm that is allowed without a setting, for one audience or among several."""
    person = Subject(provider.url, "5f2a", "Ada de Vries")

    assert person == await verifier.verify(signer.sign(claims(provider, name="Ada de Vries")))
    assert person == await verifier.verify(
        signer.sign(claims(provider, aud=["account", AUDIENCE], name="Ada de Vries"), typ="at+jwt")
    )
    assert [DISCOVERY, KEYS] == provider.asked


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, None),
        ({"preferred_username": "ada"}, "ada"),
        ({"name": "Ada", "preferred_username": "ada"}, "Ada"),
        ({"name": "Zoë Ångström"}, "Zoë Ångström"),
        ({"name": ["Ada"], "preferred_username": ""}, None),
        ({"name": "Ada\n2025-09-01 root"}, None),
        ({"name": "\ud800"}, None),
        ({"name": "A" * 256, "preferred_username": "ada"}, "ada"),
    ],
)
async def test_a_name_is_shown_where_it_can_be(
    provider: ProviderServer, verifier: OidcVerifier, changed: Claims, name: str | None
) -> None:
    """A name that could forge a log line or fill a screen is left out, and nobody is kept out for it."""
    assert name == (await verifier.verify(OURS.sign(claims(provider, **changed)))).name


@pytest.mark.parametrize("wrong", FORGERIES)
async def test_a_token_with_one_fault_opens_nothing(
    provider: ProviderServer, verifier: OidcVerifier, wrong: str
) -> None:
    """The reason is a code that says nothing of the token; no address but the provider's two is ever asked."""
    forge, reason = FORGERIES[wrong]

    assert reason == await refusal(verifier, forge(claims(provider)))
    assert {DISCOVERY, KEYS} >= {*provider.asked}
    assert len(provider.asked) <= 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sub": ""}, "missing-claim"),
        ({"sub": 7}, "malformed"),
        ({"sub": "5f2a\0"}, "malformed"),
        ({"sub": "\ud800"}, "malformed"),
        ({"sub": "x" * 256}, "malformed"),
    ],
    ids=str,
)
async def test_a_subject_can_be_stored_as_it_is(
    provider: ProviderServer, verifier: OidcVerifier, changed: Claims, reason: str
) -> None:
    """No token brings what a table or a log line could not hold."""
    assert reason == await refusal(verifier, OURS.sign(claims(provider, **changed)))


@pytest.mark.parametrize("part", ["jku", "x5u"])
async def test_no_token_says_where_its_key_is(provider: ProviderServer, verifier: OidcVerifier, part: str) -> None:
    """An address in the header is not even asked."""
    stranger = Signer("stranger", "RS256", STRANGER.private)
    token = stranger.sign(claims(provider), jwk=stranger.jwk(), **{part: f"{provider.url}/stranger"})

    assert "unknown-key" == await refusal(verifier, token)
    assert [DISCOVERY, KEYS] == provider.asked
