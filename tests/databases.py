"""Databases of tests, one after the other: a test gets that of the test before, with nothing left in it.

To make a database costs much more than to empty one: it is some hundreds of files, and checkpoints. What was written to
is emptied, and then the whole is compared with how it was made: tables with something in them, rows that migrations
gave, and every row of the catalogs. One that differs (a test made a table, or took a right away) is thrown away. Each
test has its database under a name of its own, so what an earlier test left running finds no way back.
"""

import asyncio
import itertools
from collections.abc import Iterable
from typing import TypeAlias

import asyncpg
import uvloop

__all__ = ["Databases", "named"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_numbers = itertools.count(1)
_PATIENCE = 30.0  # seconds, for sessions to end; it is a matter of milliseconds
_FIRST_OWN = 16384  # what PostgreSQL comes with has lower numbers (access/transam.h, FirstNormalObjectId)

# Tables that have a page, or had one when they were last counted. An emptied one is as it was made.
_FILLED = f"""
    select coalesce(array_agg(oid::regclass::text order by oid), '{{}}') from pg_class
    where oid >= {_FIRST_OWN} and relkind = 'r' and (pg_relation_size(oid) > 0 or reltuples >= 0)
"""
_RESTART_SEQUENCES = f"select setval(seqrelid, seqstart, false) from pg_sequence where seqrelid >= {_FIRST_OWN}"
_END_SESSIONS = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1"

# The catalogs of the database itself. The two that change when a table is emptied are asked for what they say.
_CATALOGS = """
    select relname from pg_class
    where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' and not relisshared
    and relname not in ('pg_class', 'pg_statistic')
"""
_OBJECTS = f"""
    select 'objects' as part, count(*) as rows, hashtext(string_agg(row(
        relname, relnamespace, reltype, relowner, relam, relkind, relpersistence, relnatts, relchecks, relhasrules,
        relhastriggers, relrowsecurity, relforcerowsecurity, relreplident, relispartition, relacl, reloptions
    )::text, '' order by oid)) as said from pg_class where oid >= {_FIRST_OWN}
    union all select 'planner', count(*), 0 from pg_statistic where starelid >= {_FIRST_OWN}
    union all select 'settings', count(*), 0 from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())
    union all select 'database', 1, hashtext(row(datdba, datallowconn, datconnlimit, datacl)::text)
        from pg_database where datname = current_database()
    union all select 'filled', 0, hashtext(({_FILLED})::text)
"""


def named(url: str, database: str) -> str:
    """Return the URL of another database of the server at `url`."""
    return url.replace("/heraut?", f"/{database}?")


class Databases:
    """Lends copies of a template, one at a time. It has a loop of its own, as its session outlives a test's."""

    def __init__(self, server: str, template: str, *, and_then: str = "") -> None:
        self._server, self._template = server, template
        self._and_then = and_then  # statements after which a copy is what these tests need
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._owner: Connection = self._runner.run(asyncpg.connect(server))
        self._name = ""  # of the database that is lent
        self._filled: list[str] = []  # when it was made
        self._question, self._answer = "", ""  # what tells whether it is as it was made

    def lend(self) -> str:
        """Return the URL of a database that is like a new one. That of the time before is gone."""
        return self._runner.run(self._lend())

    def close(self) -> None:
        """End the session."""
        self._runner.run(self._owner.close())
        self._runner.close()

    async def _lend(self) -> str:
        before, self._name = self._name, f"{self._template}_{next(_numbers)}"
        if before and await self._is_as_made(before):
            await self._owner.execute(f'alter database "{before}" rename to "{self._name}"')
        else:
            await self._owner.execute(f'drop database if exists "{before}" with (force)') if before else None
            await self._make()
        return named(self._server, self._name)

    async def _make(self) -> None:
        # Copied as files it takes a quarter of the time that it takes through the write-ahead log.
        await self._owner.execute(f'create database "{self._name}" template "{self._template}" strategy file_copy')
        connection = await asyncpg.connect(named(self._server, self._name))
        try:
            if self._and_then:
                await connection.execute(self._and_then)
            self._filled = await connection.fetchval(_FILLED)
            self._question = await _question(connection, self._filled)
            self._answer = await connection.fetchval(self._question)
        finally:
            await connection.close()

    async def _is_as_made(self, database: str) -> bool:
        """Empty a database that nobody uses any more, and tell whether it is as it was made."""
        await self._end_sessions(database)
        connection = await asyncpg.connect(named(self._server, database))
        try:
            written = [table for table in await connection.fetchval(_FILLED) if table not in self._filled]
            if written:
                await connection.execute(f"truncate {', '.join(written)} cascade")
            await connection.execute(_RESTART_SEQUENCES)
            return bool(self._answer == await connection.fetchval(self._question))
        finally:
            await connection.close()
            await self._end_sessions(database)  # a name is not given while any is about to end

    async def _end_sessions(self, database: str) -> None:
        """End all sessions of a database, also those of whoever a test killed or forgot."""
        async with asyncio.timeout(_PATIENCE):
            while await self._owner.fetchval(_END_SESSIONS, database):  # noqa: ASYNC110 - no event says when it is gone
                await asyncio.sleep(0.001)


async def _question(connection: Connection, given: Iterable[str]) -> str:
    """Return a query whose answer stays the same until something in the database is another than now.

    In a catalog rows are counted, and those that are younger; in a table with rows that migrations gave, all is read.
    """
    now = await connection.fetchval("select pg_current_xact_id()::xid::text")
    all_rows = "count(*), hashtext(string_agg(one::text, '' order by one::text))"
    younger = f"count(*), count(*) filter (where age(xmin) < age('{now}'::xid))"
    catalogs = [row["relname"] for row in await connection.fetch(_CATALOGS)]
    parts = [
        f"select 'pg_class', {younger} from pg_class where oid < {_FIRST_OWN}",
        *(f"select '{name}', {younger} from pg_catalog.{name}" for name in catalogs),
        *(f"select '{name}', {all_rows} from {name} one" for name in given),
    ]
    return f"select string_agg(found::text, ' ' order by part) from ({' union all '.join([_OBJECTS, *parts])}) found"
