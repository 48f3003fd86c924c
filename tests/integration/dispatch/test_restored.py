"""The drill: a database is set back to a backup of a moment ago, beside a mail server that went on."""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.core.access import Caller
from services.core.channel import CHANNELS
from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.dispatch.channel_pause import ChannelPause
from services.dispatch.channels.email import Smtp
from services.dispatch.mail_config import SmtpAddress
from services.dispatch.restored import RESTORED, Doubt, doubt_all
from services.kit.postgres import Pool
from services.kit.postgres.pool import connect_pool
from services.kit.postgres.programs import installed, server_user
from tests.integration.dispatch.bench import Bench, OwnedStage, a_payload
from tests.logins import own_login
from tests.principals import OPERATOR
from tests.unit.dispatch.people import some_notices

Restored = Callable[[], Awaitable[Pool]]


@pytest.fixture
async def backup(database_url: str, tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Restored]]]:
    """Return what makes a backup; that returns what restores it as another database, and dispatch's pool there."""
    name, pools = f"restored_{secrets.token_hex(4)}", list[Pool]()
    before = database_url.partition("?")[0].rpartition("/")[2]
    url = database_url.replace(f"/{before}?", f"/{name}?")

    async def restore() -> Pool:
        owner = await asyncpg.connect(database_url)
        await owner.execute(f'create database "{name}"')
        await owner.close()
        await _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", url, str(tmp_path / "backup"))
        await _doubted(url)
        pools.append(await connect_pool(own_login(url, "dispatch"), "dispatch"))
        return pools[-1]

    async def back_up() -> Restored:
        await _run("pg_dump", "--format=custom", "--file", str(tmp_path / "backup"), database_url)
        return restore

    yield back_up
    for pool in pools:
        await pool.close()
    owner = await asyncpg.connect(database_url)
    await owner.execute(f'drop database if exists "{name}" with (force)')
    await owner.close()


async def _run(program: str, *arguments: str) -> None:
    command = [str(installed(server_user(None)) / program), *arguments]
    done = await asyncio.to_thread(subprocess.run, command, env=os.environ, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


async def _doubted(url: str) -> list[Doubt]:
    """Do what `heraut restored` does."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "dispatch"})
    try:
        async with connection.transaction():
            return await doubt_all(connection, "request-1", datetime.now(UTC))
    finally:
        await connection.close()


async def _queue(bench: Bench, first: int, count: int) -> list[bytes]:
    notices = some_notices(25).pick(list(range(first, first + count)))
    await bench.seal(notices, [a_payload(email=f"p{at}@mail.example") for at in range(first, first + count)])
    await bench.take(notices)
    return sorted(notices.ids)


async def test_what_was_sent_since_the_backup_is_listed_and_not_sent_again(
    mails: Bench, mail_server: MailServer, backup: Callable[[], Awaitable[Restored]]
) -> None:
    """Whoever was queued then may have been told since: they are unknown, and who was told before stays told."""
    provider = Smtp(SmtpAddress(f"smtp://127.0.0.1:{mail_server.port}"), mails.clock)
    await _queue(mails, 0, 5)
    await mails.send(provider)
    doubtful = await _queue(mails, 5, 20)
    restore = await backup()
    await mails.send(provider)  # it went on: this is what the backup knows nothing of
    told = list(mail_server.taken)
    mails.pool = await restore()
    mails.stage = OwnedStage(mails.pool, mails.channel)
    pause = ChannelPause(mails.channel, mails.pool, mails.clock)
    await pause.look()
    standing = pause.standing.paused_by
    await pause.resume(Caller(OPERATOR.principal, "request-2"))
    mails.may_go = pause.may_go
    await mails.send(provider)

    assert 25 == len(told)
    assert told == list(mail_server.taken)
    assert RESTORED == standing
    assert {AttemptState.ACCEPTED: 5, AttemptState.UNKNOWN: 20} == await mails.states()
    async with mails.pool.acquire() as connection:
        listed = await mails.store.unknowns(connection, 0, 1000)
    assert doubtful == sorted(one for batch in listed for one in batch.notices.ids)


async def test_all_channels_are_paused_and_stay_so(mails: Bench, database_url: str) -> None:
    """What came into the queue meanwhile is listed the next time; who resumed a channel has it paused again."""
    first = await _doubted(database_url)
    await _queue(mails, 0, 3)
    again = await _doubted(database_url)

    assert [(channel, True, 0) for channel in CHANNELS] == first
    assert [(channel, False, 3 if channel is mails.channel else 0) for channel in CHANNELS] == again
