"""The one place that knows which event logs there are."""

from typing import cast

import pytest
from notification.topics import COHORT

from services.kit.config import LOGS, ServiceConfig, load
from services.kit.eventlog import Output, choose, family_member, installation_of
from services.kit.eventlog.rights import Granted
from services.kit.postgres import Pool


def _config(word: str) -> ServiceConfig:
    setting = LOGS[word]
    return load(ServiceConfig, {"HERAUT_LOG": word, **({setting: "127.0.0.1:1"} if setting else {})})


def test_every_word_has_its_adapter() -> None:
    """Whatever the settings take can be opened, and nothing else is there."""
    assert LOGS.keys() == choose._LOADERS.keys()


@pytest.mark.parametrize("word", LOGS)
async def test_a_log_with_a_setting_lies_outside_the_database(word: str) -> None:
    """Settings, installation and log agree on where the blocks lie."""
    config = _config(word)
    installation = installation_of(config)
    log = installation.open("routing", cast("Pool", None))

    assert [LOGS[word] is not None] * 3 == [
        config.log_place is not None,
        installation.outside_database,
        log.outside_database,
    ]
    await log.close()


async def test_a_log_in_the_database_has_no_topics_to_make_or_delete() -> None:
    """The embedded log is there with its database."""
    log = installation_of(_config("postgres"))
    await log.delete_topics()

    member = family_member(COHORT, "lab")
    assert ((), (), Granted(enforced=True), "embedded in the database") == (
        await log.make_topics((member,)),
        await log.topics(),
        await log.grant({member: "lab"}),
        await log.check((member,)),
    )


async def test_a_log_inside_the_database_forwards_nothing() -> None:
    """It has no topics of others, so asking for it is a bug and not a passing fault."""
    log = installation_of(_config("postgres")).open("intake", cast("Pool", None))
    with pytest.raises(AssertionError, match="no topics of others"):
        await log.forward(Output("heraut.cohort.v1.intake.dlq", 0, b""))
