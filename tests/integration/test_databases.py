"""The tests' own databases: whatever a test did to its own, the next test has one that is as it was made."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.databases import Databases

Query = Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[Any]]

# A row in tables that refer to each other, one that lies beside its table, and numbers that were given.
ROWS = """
    insert into log.timeline (number) values (1);
    insert into log.timeline_head values (1, 'intake', 'a', 0, 1);
    insert into log.log (topic, partition, source, seq, block)
        values ('a', 0, 'intake', 1, decode(repeat('00', 9999), 'hex'));
    insert into log.dead_letter_acts (principal, request_id, topic, partition, position, act)
        values ('p', 'r', 'a', 0, 1, 'purge');
    select nextval('vault.page_numbers');
"""


def _asked(url: str, *statements: str) -> Any:
    """Execute statements, and return the first value of the last."""

    async def ask() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(ask())


def _number(url: str) -> int:
    """Return the number of a database, which stays the same under another name."""
    return int(_asked(url, "select oid from pg_database where datname = current_database()"))


def test_rows_and_numbers_are_gone_and_the_database_is_used_again(databases: Databases) -> None:
    """So it costs little, and the first number is 1 again."""
    before = _number(databases.lend())
    _asked(url := databases.lend(), ROWS, "select 1")
    counted = [
        f"(select count(*) from log.{table})" for table in ("timeline", "timeline_head", "log", "dead_letter_acts")
    ]

    assert 4 == _asked(url, f"select {'+'.join(counted)}")
    url = databases.lend()
    assert before == _number(url)
    assert 0 == _asked(url, f"select {'+'.join(counted)}")
    assert 0 == _asked(url, "select pg_relation_size('log.log') + pg_relation_size('log.log_pkey') - 8192")
    assert 1 == _asked(url, "select nextval('vault.page_numbers')")


@pytest.mark.parametrize(
    "change",
    [
        "create table public.mine (id int)",
        "alter table log.log disable row level security",
        "grant select on vault.pages to heraut_routing",
        "revoke select on log.log from heraut_routing",
        "create or replace function log.spend(token bytea, good_until timestamptz) returns boolean return true",
        "update public.heraut_migrations set checksum = ''",
        "analyze log.log",
        "do $$ begin execute format('alter database %I set jit to on', current_database()); end $$",
    ],
)
def test_who_changed_more_than_rows_has_the_database_to_itself(databases: Databases, change: str) -> None:
    """Also what no table shows: rights, rules, functions, and what the planner knows."""
    url = databases.lend()
    before = _number(url)
    _asked(url, ROWS, change, "select 1")

    assert before != _number(databases.lend())


def test_what_is_left_running_finds_no_way_back(databases: Databases) -> None:
    """Its session is ended, though it holds a lock, and the name that it knows is nobody's."""
    url = databases.lend()

    async def leave_running() -> None:
        left = await asyncpg.connect(url)
        await left.execute("begin; lock table log.log")
        databases_url = await asyncio.to_thread(databases.lend)
        assert databases_url != url
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await left.execute("select 1")
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(url)

    asyncio.run(leave_running())
