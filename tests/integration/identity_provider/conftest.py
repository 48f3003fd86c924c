"""Fixtures of these tests: the provider, a clock, and a verifier between them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.kit.principals import OidcVerifier
from services.kit.process import serve_http
from services.kit.testing import FakeClock
from tests.integration.identity_provider.server import ProviderServer, closed_after
from tests.unit.kit.principals.signers import AUDIENCE


@pytest.fixture
async def provider() -> AsyncIterator[ProviderServer]:
    """Run an identity provider."""
    server = ProviderServer()
    async with serve_http(server.app(), "127.0.0.1", 0) as url:
        server.url = url
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """Time stands still unless moved."""
    return FakeClock()


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    """Return what closes the verifiers of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def verifier(provider: ProviderServer, clock: FakeClock, opened: AsyncExitStack) -> OidcVerifier:
    """Return a verifier that finds the keys by itself; it waits a moment for an answer, so that a test need not."""
    return closed_after(OidcVerifier(provider.url, AUDIENCE, clock=clock, timeout=0.3), opened)
