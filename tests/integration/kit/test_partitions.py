"""The number of partitions stays that of the first start: people are looked for where they were put."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from services.core.rooms import ROOMS
from services.demo.stack import without_settings
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog import compare_partitions, fix_partitions, installation_of
from services.kit.process import open_service
from tests.e2e.heraut_process import heraut
from tests.logins import login_settings, own_login

_WITHIN = 60.0  # seconds; a busy machine is slow, not wrong
OTHERS = pytest.mark.parametrize("other", [4, 16], ids=["lowered", "raised"])


async def _ends(settings: Mapping[str, str], folder: Path, partitions: int, time: str = "") -> tuple[int, str]:
    """Run a service until it is ready, and stop it; returns its exit status, and what it said in plain lines."""
    ready = folder / f"ready-{partitions}{time}"
    environ = {**without_settings(os.environ), **settings, "HERAUT_PARTITIONS": str(partitions)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.routing",
        "--ready-file",
        str(ready),
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(process.communicate())
    async with asyncio.timeout(_WITHIN):
        while not ready.exists() and not ended.done():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.02)
    with suppress(ProcessLookupError):
        process.terminate()
    _, errors = await ended
    lines = [line for line in errors.decode().splitlines() if not line.startswith("{")]
    return process.returncode or 0, "\n".join(lines)


@pytest.fixture
def settings(log_settings: dict[str, str], database_url: str) -> dict[str, str]:
    """Return the settings of a service on each log in turn; Kafka's topics have eight partitions."""
    address = {"HERAUT_HTTP_HOST": "127.0.0.1", "HERAUT_HTTP_PORT": "0"}
    return {**log_settings, **address, **login_settings(database_url)}


@OTHERS
async def test_a_service_does_not_start_with_another_number(
    settings: dict[str, str], tmp_path: Path, other: int
) -> None:
    """Lowered or raised, the process ends at once, says why in a line, and with its old number it starts again."""
    first = await _ends(settings, tmp_path, 8)
    changed = await _ends(settings, tmp_path, other)
    again = await _ends(settings, tmp_path, 8, "again")

    assert [(0, ""), (0, "")] == [first, again]
    assert 2 == changed[0]
    assert f"HERAUT_PARTITIONS is {other}, and this installation has 8" in changed[1]


@OTHERS
@pytest.mark.parametrize("log_settings", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
async def test_topics_decide_where_the_database_is_new(settings: dict[str, str], tmp_path: Path, other: int) -> None:
    """A first start on topics that are there has to go by theirs, and leaves no number behind that does not."""
    wrong = await _ends(settings, tmp_path, other)
    right = await _ends(settings, tmp_path, 8)

    assert (2, 0) == (wrong[0], right[0])
    assert re.search(f"heraut.members.accepted.v1 has 8 partitions, HERAUT_PARTITIONS asks for {other}", wrong[1])


@OTHERS
@pytest.mark.parametrize("log_settings", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
async def test_operators_are_told_of_topics_with_another_number(log_settings: dict[str, str], other: int) -> None:
    """`heraut topics` and `heraut doctor` ask the log as it is configured."""
    installation = installation_of(load(ServiceConfig, {**log_settings, "HERAUT_PARTITIONS": str(other)}))

    asked = (partial(installation.make_topics, ()), partial(installation.check, ()), installation.compare_partitions)
    for ask in asked:
        with pytest.raises(ConfigError, match=f"has 8 partitions, HERAUT_PARTITIONS asks for {other}"):
            await ask()


async def test_a_log_that_is_away_holds_up_the_first_start_alone(database_url: str) -> None:
    """Nothing is fixed before the log was asked; once it is, a service may start before its log."""
    logins = login_settings(database_url)
    away = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **logins}
    with pytest.raises(RetryableError):
        await _opened(away)
    await _opened(logins)
    await _opened(away)
    with pytest.raises(ConfigError, match="HERAUT_PARTITIONS is 4, and this installation has 8"):
        await _opened({**away, "HERAUT_PARTITIONS": "4"})


async def _opened(settings: Mapping[str, str]) -> None:
    async with open_service(load(ServiceConfig, settings), "routing"):
        pass


async def test_first_of_two_starts_decides(database_url: str) -> None:
    """Two services that start at the same time with different numbers: one of them is told."""
    numbers = (8, 4)
    connections = [await asyncpg.connect(own_login(database_url, room)) for room in ROOMS[:2]]
    fixing = [fix_partitions(connection, number) for connection, number in zip(connections, numbers, strict=True)]
    results = await asyncio.gather(*fixing, return_exceptions=True)
    stored = await connections[0].fetchval("select partitions from log.installation")
    with pytest.raises(ConfigError):
        await compare_partitions(connections[0], 99)
    for connection in connections:
        await connection.close()

    assert [None] == [result for result, number in zip(results, numbers, strict=True) if number == stored]
    assert [ConfigError] == [type(result) for result, number in zip(results, numbers, strict=True) if number != stored]


@OTHERS
async def test_commands_say_so_too(database_url: str, tmp_path: Path, other: int) -> None:
    """`heraut up` starts nothing on a database that goes by another number, and `heraut doctor` finds it."""
    logins = login_settings(database_url)
    settings = {**logins, "HERAUT_DATABASE_URL": database_url, "HERAUT_PARTITIONS": str(other)}
    await _opened(logins)
    up = heraut("up", "--data", str(tmp_path), **settings)
    doctor = heraut("doctor", "--data", str(tmp_path), "--json", **settings)
    said = f"HERAUT_PARTITIONS is {other}, and this installation has 8"

    assert (2, True, False) == (up.returncode, said in up.stderr, "starting" in up.stdout)
    assert 1 == doctor.returncode
    assert [False] == [one["ok"] for one in json.loads(doctor.stdout) if one["words"].startswith(said)]
