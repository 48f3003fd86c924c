"""Fixtures of dispatch's integration tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.core.channel import Channel
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, make_bench
from tests.integration.dispatch.set_back import SetBack

MakeBench = Callable[[Channel], "Bench"]


@pytest.fixture
async def letters(room_pool: RoomPool, tmp_path: Path) -> Bench:
    """Return a workbench for letters."""
    return make_bench(Channel.LETTER, await room_pool("dispatch"), await room_pool("intake"), tmp_path)


@pytest.fixture
async def mails(room_pool: RoomPool, tmp_path: Path) -> Bench:
    """Return a workbench for e-mails."""
    return make_bench(Channel.EMAIL, await room_pool("dispatch"), await room_pool("intake"), tmp_path)


@pytest.fixture
async def messages(room_pool: RoomPool, tmp_path: Path) -> Bench:
    """Return a workbench for portal messages."""
    return make_bench(Channel.PORTAL, await room_pool("dispatch"), await room_pool("intake"), tmp_path)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """Return a real SMTP server."""
    async with MailServer().serve() as server:
        yield server


@pytest.fixture
async def portal_server() -> AsyncIterator[PortalServer]:
    """Return a real portal."""
    async with PortalServer().serve() as server:
        yield server


@pytest.fixture
async def set_back(database_url: str, tmp_path: Path) -> AsyncIterator[SetBack]:
    """Return what keeps the database, and sets it back."""
    found = SetBack(database_url, tmp_path / "backup")
    yield found
    await found.drop()
