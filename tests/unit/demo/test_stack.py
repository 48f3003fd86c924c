"""The demo starts servers for the event log that has them, and asks for the setting of any other."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from services.demo import stack
from services.demo.errors import DemoError
from services.demo.stack import StackWish, open_stack
from services.kit.config import LOGS


def _wish(log: str, settings: Mapping[str, str] = MappingProxyType({}), data: Path | None = None) -> StackWish:
    return StackWish(log=log, data=data, keep=False, environ=settings)


async def _open(wish: StackWish) -> None:
    async with open_stack(wish, "run"):
        pass


@pytest.mark.parametrize("word", [word for word, setting in LOGS.items() if setting is None])
def test_a_log_in_the_database_needs_no_servers(word: str) -> None:
    """Its blocks lie in the database that `up` starts."""
    assert stack._servers_to_start(_wish(word)) is None


@pytest.mark.parametrize("word", [word for word, setting in LOGS.items() if setting is not None])
def test_a_log_gets_its_own_servers_or_its_setting_is_asked_for(word: str) -> None:
    """No log is pointed at the servers of another one."""
    if word in stack._LOG_SERVERS:
        assert stack._LOG_SERVERS[word] == stack._servers_to_start(_wish(word))
    else:
        with pytest.raises(DemoError, match=f"set {LOGS[word]}"):
            stack._servers_to_start(_wish(word))


@pytest.mark.parametrize(("word", "setting"), [(word, setting) for word, setting in LOGS.items() if setting])
def test_nothing_is_started_for_a_log_that_is_configured(word: str, setting: str) -> None:
    """The setting says where the log is."""
    assert stack._servers_to_start(_wish(word, {setting: "somewhere"})) is None


def test_a_log_that_the_demo_does_not_know_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for by its own setting, and nothing is started before that."""
    monkeypatch.setattr(stack, "LOGS", {**LOGS, "stone": "HERAUT_STONE_DIR"})
    with pytest.raises(DemoError, match="set HERAUT_STONE_DIR"):
        asyncio.run(_open(_wish("stone", data=tmp_path)))

    assert [] == list(tmp_path.iterdir())
