"""Creates or upgrades the database: schemas, tables, a role for each room, and exactly the rights it needs.

Safe to repeat and to run from several places at once. Migrations are `NNNN_{pre,post}_name.sql`; one that was
applied is never changed. Those of `pre` only add, and run before the code of their release; those of `post` take away
what earlier code needed, and run once none of that runs any more. In between, both run side by side, with the rights
of both.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from services.core.rooms import ROOMS
from services.kit.errors import ConfigError, HerautError
from services.kit.postgres.logins import role_of
from services.kit.postgres.pool import Connection, Pool
from services.kit.postgres.scram import verifier
from services.kit.postgres.walls import raise_walls

__all__ = ["MigrationError", "MigrationReport", "Side", "check_migrated", "migrate"]

_KIT = Path(__file__).parent.parent
_SERVICES = _KIT.parent
# Any number, as long as no other program on the same database uses it: "heraut" on a keypad.
_ADVISORY_LOCK = 437288
# How long another migration of the same database is waited for.
_PATIENCE = 300.0
# A migration waits this long for a lock and then gives up, rather than queueing everybody else behind it.
_LOCK_TIMEOUT = "4s"
_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


class Side(StrEnum):
    """On which side of the code of its release a migration runs. The words stand in its name."""

    PRE = "pre"
    POST = "post"


# The first holds up the deployment of the code; the second may take its time (an index).
_STATEMENT_TIMEOUT = {Side.PRE: "60s", Side.POST: "30min"}


class MigrationError(HerautError):
    """The database cannot be brought to where the code is; nothing of the failing migration stays."""


@dataclass(slots=True)
class MigrationReport:
    """Which migrations were applied now, and how many had been applied before."""

    applied: list[str] = field(default_factory=list)
    present: int = 0
    waiting: list[str] = field(default_factory=list)  # of the other side, not applied yet


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str  # "<room>/<file>"
    schema: str
    text: str

    @property
    def side(self) -> Side:
        return _side_of(self.name)

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(
    admin_url: str, *, room_urls: Mapping[str, str] | None = None, side: Side | None = None
) -> MigrationReport:
    """Bring the database at `admin_url` (logged in as its owner) to where the code is; with `side`, that side alone.

    `room_urls` maps a room to the URL that it logs in with; its role gets that password. Rights and rules are taken
    away where no other code can need them: not with `pre`, and not where newer code was here.

    Raises MigrationError, also where newer code has taken away what this one needs.
    """
    connection = await asyncpg.connect(admin_url, server_settings={"application_name": "heraut-migrate"})
    try:
        await _wait_for_turn(connection)
        await connection.execute("select set_config('lock_timeout', $1, false)", _LOCK_TIMEOUT)
        async with connection.transaction():
            await _make_roles(connection, room_urls or {})
        report, newer = await _apply_all(connection, side)
        alone = side is not Side.PRE and not newer
        async with connection.transaction():
            await _grant(connection, revoke=alone)
            await raise_walls(connection, drop=alone)
        return report
    finally:
        await connection.close()


async def check_migrated(pool: Pool) -> None:
    """See that a room's database is where the code can work with it. Raises ConfigError."""
    async with pool.acquire() as connection:
        there = {row["name"] for row in await connection.fetch("select name from public.heraut_migrations")}
    if fault := _beyond(there):
        raise ConfigError(fault)
    if missing := [one.name for one in _migrations() if one.side is Side.PRE and one.name not in there]:
        raise ConfigError(f"the database lacks {missing[0]}: `heraut migrate --pre` comes before the code")


def _beyond(there: Iterable[str]) -> str | None:
    """Return what says that newer code has taken away what this one needs, None where it has not."""
    known = {one.name for one in _migrations()}
    newer = sorted(name for name in there if name not in known and _side_of(name) is Side.POST)
    if not newer:
        return None
    return f"the database is ahead of this code: {newer[0]} ran, which takes away what code before it needs"


def _side_of(name: str) -> Side:
    match = _NAME.fullmatch(name.split("/")[1])
    return Side(match[2]) if match else Side.PRE


async def _wait_for_turn(connection: Connection) -> None:
    """Wait until no other migration runs; the lock is held until the connection ends."""
    try:
        await connection.execute("select pg_advisory_lock($1)", _ADVISORY_LOCK, timeout=_PATIENCE)
    except TimeoutError:
        raise MigrationError(f"another migration of this database has been running for {_PATIENCE:.0f} s") from None


async def _apply_all(connection: Connection, side: Side | None) -> tuple[MigrationReport, bool]:
    """Apply what is missing; returns what was done, and whether newer code was here before."""
    await connection.execute(
        """create table if not exists public.heraut_migrations (
             name text primary key, checksum text not null,
             applied_at timestamptz not null default clock_timestamp())"""
    )
    rows = await connection.fetch("select name, checksum from public.heraut_migrations")
    there = {row["name"]: row["checksum"] for row in rows}
    found = _migrations()
    _check(found, there, side)
    report = MigrationReport(present=sum(one.name in there for one in found))
    for migration in found:
        if migration.name in there:
            continue
        if side not in (None, migration.side):
            report.waiting.append(migration.name)
            continue
        await _apply(connection, migration)
        report.applied.append(migration.name)
    return report, bool(there.keys() - {one.name for one in found})


def _check(found: Sequence[_Migration], there: Mapping[str, str], side: Side | None) -> None:
    """Check that these migrations go with what the database has. Raises MigrationError."""
    for one in found:
        if there.get(one.name, one.checksum) != one.checksum:
            raise MigrationError(f"{one.name} was changed after it had been applied")
    if fault := _beyond(there):
        raise MigrationError(fault)
    before = [one.name for one in found if one.side is Side.PRE and one.name not in there]
    if side is Side.POST and before:
        raise MigrationError(f"{before[0]} did not run yet: `heraut migrate --pre` comes first, and then the code")


async def _apply(connection: Connection, migration: _Migration) -> None:
    try:
        async with connection.transaction():
            if migration.schema in ROOMS:
                await connection.execute(f'create schema if not exists "{migration.schema}"')
            await connection.execute(f'set local search_path to "{migration.schema}"')
            await connection.execute(f"set local statement_timeout to '{_STATEMENT_TIMEOUT[migration.side]}'")
            await connection.execute(migration.text)
            await connection.execute("set local search_path to public")
            await connection.execute(
                "insert into public.heraut_migrations (name, checksum) values ($1, $2)",
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        # Without the error's DETAIL, which repeats values of rows.
        raise MigrationError(f"{migration.name}: {error.args[0] if error.args else type(error).__name__}") from None


def _migrations() -> list[_Migration]:
    """Return all migrations in the order in which they are applied: kit's, then each room's, the stage's first."""
    found = [_Migration(f"kit/{path.name}", "public", path.read_text()) for path in _sorted(_KIT / "migrations")]
    stage = (_KIT / "stage" / "schema.sql").read_text()
    for room in ROOMS:
        found.append(_Migration(f"{room}/0000_pre_stage.sql", room, stage))
        found += [
            _Migration(f"{room}/{path.name}", room, path.read_text())
            for path in _sorted(_SERVICES / room / "migrations")
        ]
    return found


def _sorted(folder: Path) -> Sequence[Path]:
    paths = sorted(folder.glob("*.sql"))
    wrong = [path.name for path in paths if not _NAME.fullmatch(path.name)]
    if wrong:
        raise MigrationError(f"{wrong[0]}: a migration is named NNNN_pre_name.sql or NNNN_post_name.sql")
    return paths


async def _make_roles(connection: Connection, room_urls: Mapping[str, str]) -> None:
    """Make a role for each room. It can log in once a URL said how."""
    for room in ROOMS:
        role = role_of(room)
        if not await _exists(connection, role):
            await connection.execute(f"create role {_quoted(role)} nologin")
        await connection.execute(f"alter role {_quoted(role)} set search_path to {_quoted(room)}")
        await connection.execute(f"grant {_quoted(role)} to current_user")
        if url := room_urls.get(room):
            await _make_login(connection, role, url)


async def _make_login(connection: Connection, role: str, url: str) -> None:
    """Let a room log in as its URL says: as its own role, or as a user who is given that role."""
    parts = urlsplit(url)
    login, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not login:
        raise MigrationError(f"{_setting_of(role)} names no user")
    if login == await connection.fetchval("select current_user::text"):
        raise MigrationError(f"{_setting_of(role)} logs in as the owner of the database: a room has a login of its own")
    if not await _exists(connection, login):
        await connection.execute(f"create role {_quoted(login)} login")
    if login != role:
        await connection.execute(f"grant {_quoted(role)} to {_quoted(login)}")
    await connection.execute(f"alter role {_quoted(login)} login")
    if password:
        try:
            stored = verifier(password)
        except ValueError:
            raise MigrationError(f"the password of {_setting_of(role)} must be of printable ASCII") from None
        await connection.execute(f"alter role {_quoted(login)} password '{stored}'")


def _setting_of(role: str) -> str:
    return f"HERAUT_DATABASE_URL_{role.removeprefix('heraut_').upper()}"


async def _exists(connection: Connection, role: str) -> bool:
    return await connection.fetchval("select 1 from pg_roles where rolname = $1", role) is not None


def _quoted(name: str) -> str:
    """Quote an identifier; ALTER ROLE takes no parameters."""
    return '"' + name.replace('"', '""') + '"'


async def _grant(connection: Connection, *, revoke: bool) -> None:
    """Grant each role the rights that it needs, and with `revoke` no others."""
    for room in ROOMS:
        role = f'"heraut_{room}"'
        if revoke:
            await connection.execute(
                f"""
                revoke all on all tables in schema log, vault from {role};
                revoke all on schema log, vault from {role};
                """
            )
        await connection.execute(
            f"""
            grant usage on schema "{room}", log to {role};
            grant select, insert, update, delete on all tables in schema "{room}" to {role};
            grant usage, select on all sequences in schema "{room}" to {role};
            grant select, insert, delete on log.log to {role};
            grant select, insert, update on log.head, log.reader to {role};
            grant select, insert on log.installation to {role};
            grant select on log.timeline, log.timeline_head to {role};
            grant execute on function log.spend to {role};
            grant select on public.heraut_migrations to {role};
            """
        )
    await connection.execute(
        """
        revoke all on schema vault from public;
        grant usage on schema vault to heraut_intake, heraut_dispatch;
        grant usage on sequence vault.page_numbers to heraut_intake;
        grant insert on vault.keys, vault.pages to heraut_intake;
        grant execute on function vault.forget_synthetic to heraut_intake;
        grant select on vault.keys, vault.pages to heraut_dispatch;
        """
    )
