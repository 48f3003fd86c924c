"""Creates or upgrades the database: schemas, tables, a role for each room, and exactly the grants it needs.

Safe to repeat and to run from several places at once. Migrations are `NNNN_{pre,post}_name.sql`; one that was
applied is never changed.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from services.core.rooms import ROOMS
from services.kit.errors import HerautError

__all__ = ["MigrationError", "MigrationReport", "migrate"]

_SERVICES = Path(__file__).parent.parent
_KIT = Path(__file__).parent
# Any number, as long as no other program on the same database uses it: "heraut" in letters of a keypad.
_ADVISORY_LOCK = 437288
# A migration waits this long for a lock and then gives up, rather than queueing everybody else behind it.
_LOCK_TIMEOUT = "4s"
_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


class MigrationError(HerautError):
    """The database cannot be brought to where the code is; nothing of the failing migration stays."""


@dataclass(slots=True)
class MigrationReport:
    """What was done."""

    applied: list[str] = field(default_factory=list)
    present: int = 0


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str  # "<room>/<file>"
    schema: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(admin_url: str, *, room_urls: Mapping[str, str] | None = None) -> MigrationReport:
    """Bring the database at `admin_url` (logged in as its owner) to where the code is.

    `room_urls` maps a room to the URL that it logs in with; its role gets that password. Raises MigrationError.
    """
    connection = await asyncpg.connect(admin_url, server_settings={"lock_timeout": _LOCK_TIMEOUT})
    try:
        await connection.execute("select pg_advisory_lock($1)", _ADVISORY_LOCK, timeout=120)
        async with connection.transaction():
            await _make_roles(connection, room_urls or {})
        report = await _apply_all(connection)
        async with connection.transaction():
            await _grant(connection)
        return report
    finally:
        await connection.close()


async def _apply_all(connection: "asyncpg.Connection[asyncpg.Record]") -> MigrationReport:
    await connection.execute(
        """create table if not exists public.heraut_migrations (
             name text primary key, checksum text not null,
             applied_at timestamptz not null default clock_timestamp())"""
    )
    rows = await connection.fetch("select name, checksum from public.heraut_migrations")
    known = {row["name"]: row["checksum"] for row in rows}
    report = MigrationReport()
    for migration in _migrations():
        if migration.name in known:
            if known[migration.name] != migration.checksum:
                raise MigrationError(f"{migration.name} was changed after it had been applied")
            report.present += 1
            continue
        await _apply(connection, migration)
        report.applied.append(migration.name)
    return report


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: _Migration) -> None:
    try:
        async with connection.transaction():
            if migration.schema in ROOMS:
                await connection.execute(f'create schema if not exists "{migration.schema}"')
            await connection.execute(f'set local search_path to "{migration.schema}"')
            await connection.execute(migration.text)
            await connection.execute("set local search_path to public")
            await connection.execute(
                "insert into public.heraut_migrations (name, checksum) values ($1, $2)",
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name}: {error}") from error


def _migrations() -> list[_Migration]:
    """Give all migrations in the order in which they are applied: kit's, then each room's, the stage's first."""
    found = [_Migration(f"kit/{path.name}", "public", path.read_text()) for path in _sorted(_KIT / "migrations")]
    stage = (_KIT / "sql" / "stage.sql").read_text()
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


async def _make_roles(connection: "asyncpg.Connection[asyncpg.Record]", room_urls: Mapping[str, str]) -> None:
    for room in ROOMS:
        role = f"heraut_{room}"
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            await connection.execute(f'create role "{role}" login')
        await connection.execute(f'alter role "{role}" set search_path to "{room}"')
        # The owner takes the role on where a room has no login of its own.
        await connection.execute(f'grant "{role}" to current_user')
        if url := room_urls.get(room):
            await _set_password(connection, role, url)


async def _set_password(connection: "asyncpg.Connection[asyncpg.Record]", role: str, url: str) -> None:
    parts = urlsplit(url)
    if unquote(parts.username or "") != role:
        raise MigrationError(f"HERAUT_DATABASE_URL_{role.removeprefix('heraut_').upper()} must log in as {role}")
    if parts.password:
        # ALTER ROLE takes no parameters: the server quotes the word itself.
        quoted = await connection.fetchval("select quote_literal($1::text)", unquote(parts.password))
        await connection.execute(f'alter role "{role}" password {quoted}')


async def _grant(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give each role what it needs and take away all else."""
    for room in ROOMS:
        role = f'"heraut_{room}"'
        await connection.execute(
            f"""
            grant usage on schema "{room}", log to {role};
            grant select, insert, update, delete on all tables in schema "{room}" to {role};
            grant usage, select on all sequences in schema "{room}" to {role};
            grant select, insert, delete on log.log to {role};
            grant select, insert, update on log.head, log.reader to {role};
            revoke all on all tables in schema vault from {role};
            """
        )
    await connection.execute(
        """
        revoke all on schema vault from public;
        grant usage on schema vault to heraut_intake, heraut_dispatch;
        grant insert on vault.keys, vault.payloads to heraut_intake;
        grant select on vault.keys, vault.payloads to heraut_dispatch;
        """
    )
