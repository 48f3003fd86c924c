"""An event log as an operator sees it: its topics are made, checked, and taken away again."""

import asyncio
from functools import partial

import pytest
from notification.topics import COHORT

from services.kit.config import LOGS, ServiceConfig, load
from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog import Installation, installation_of


@pytest.fixture
def installation(log_settings: dict[str, str]) -> Installation:
    """Return each log in turn, its topics made."""
    return installation_of(load(ServiceConfig, log_settings))


async def _gone(installation: Installation) -> None:
    """Wait until the servers have noticed that topics were deleted."""
    async with asyncio.timeout(30):
        while await installation.topics():  # noqa: ASYNC110 - servers tell by no other means
            await asyncio.sleep(0.02)


async def test_a_log_that_is_ready_says_where_it_is(installation: Installation) -> None:
    """Nothing is missing, so making topics again makes none."""
    assert [] == list(await installation.make_topics((COHORT,)))
    assert await installation.check((COHORT,))


async def test_topics_that_are_missing_are_made(installation: Installation) -> None:
    """What was deleted is missed by the check, and made anew; a log in the database has nothing to miss."""
    before = set(await installation.topics())
    await installation.delete_topics()
    await _gone(installation)
    if installation.outside_database:
        with pytest.raises(ConfigError, match="topics are missing"):
            await installation.check((COHORT,))

    made = await installation.make_topics((COHORT,))

    assert before == set(made)
    assert await installation.check((COHORT,))


@pytest.mark.parametrize("word", [word for word, servers in LOGS.items() if servers])
async def test_servers_that_are_away_are_a_passing_fault(word: str) -> None:
    """Whoever asks for topics or a check is told that it may work later."""
    away = installation_of(load(ServiceConfig, {"HERAUT_LOG": word, str(LOGS[word]): "127.0.0.1:1"}))

    with_arguments = (
        partial(away.make_topics, ()),
        partial(away.check, ()),
        partial(away.grant, {}),
        partial(away.durability, ()),
    )
    for ask in (away.topics, away.delete_topics, *with_arguments):
        with pytest.raises(RetryableError):
            await ask()


async def test_a_log_says_how_well_it_keeps_what_it_acknowledged(installation: Installation) -> None:
    """A broker alone has one copy of each topic, and that is told; the database answers for its own log."""
    found = await installation.durability((COHORT,))

    assert () == found.wrong
    assert installation.outside_database == any("fewer than 3 copies" in words for words in found.weak)
