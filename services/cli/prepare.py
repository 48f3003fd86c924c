"""What `up` prepares before it starts the services: data directory, keys, token, ports, database, topics."""

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from services.cli.console import Fault, say
from services.cli.target import SCRAPE_TOKEN_FILE, SERVICE_NAMES, TOKEN_FILE
from services.core.access import Principal, Role
from services.core.environment import is_for
from services.core.rooms import ROOMS, STAGES
from services.dispatch.channels import PROVIDER_ADDRESSES
from services.kit.config import ServiceConfig
from services.kit.errors import ConfigError
from services.kit.eventlog import Granted, compare_partitions, installation_of
from services.kit.files import write_atomically
from services.kit.postgres import EmbeddedPostgres, MigrationReport, Side, made_logins, make_logins, migrate, role_of
from services.kit.principals import Account, changing, issue_token, load_accounts, token_id_of
from services.kit.vault import convert_ring, create_keys

__all__ = [
    "apply_migrations",
    "compare_with",
    "database_for_now",
    "embedded_database",
    "ensure_keys",
    "ensure_principals",
    "given_logins",
    "grant_rooms",
    "grant_topics",
    "locked",
    "make_topics",
    "missing_providers",
    "producers_of",
    "service_environs",
    "wait_for_ports",
]

_LOCK_FILE = "heraut.lock"
# Longer than an incident takes; a token that was copied somewhere and forgotten ends some day.
_LIFETIME = timedelta(days=365)
# The operator's user of the log's servers: a room that has its own does not get it.
_LOG_LOGIN = frozenset({"HERAUT_KAFKA_SASL_USERNAME", "HERAUT_KAFKA_SASL_PASSWORD", "HERAUT_KAFKA_SASL_PASSWORD_FILE"})
# While no provider is set, nobody listens and the notices for its channel stay in flight. A default that might be
# somebody's real mail server would send notices that nobody meant to send yet.
_NOBODY = {address.setting: address.of_nobody for address in PROVIDER_ADDRESSES}


@contextlib.contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data directory, which is made where it is missing. Raises Fault where another `up` holds it.

    The kernel releases the lock when the process ends, also after kill -9.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Fault(f"cannot use {data} as the data directory: {error.strerror}", 2) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode() or "unknown"
        raise Fault(f"another heraut (process {holder}) runs on {data}", 2) from None
    try:
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def _is_held(data: Path) -> bool:
    """Return whether an `up` holds the data directory now."""
    try:
        with locked(data):
            return False
    except Fault:
        return True


def ensure_keys(settings: ServiceConfig) -> None:
    """Make the keys where they are missing. A ring of one file in the data directory becomes them, once.

    Raises Fault where HERAUT_KEYS_DIR names a folder that does not exist.
    """
    folder, ring = settings.keys_folder, settings.data_dir / "keys.json"
    if folder.exists():
        return
    if settings.keys_dir:
        raise Fault(f"HERAUT_KEYS_DIR: {folder} does not exist", 2)
    if ring.exists():
        convert_ring(ring, folder)
    else:
        create_keys(folder)


def ensure_principals(settings: ServiceConfig) -> None:
    """Make an operator and a scraper, with their tokens in the data directory, where nobody has these roles yet.

    Tokens of theirs that end soon are made anew; whom somebody revoked is not made again: the token is still there.
    Raises Fault where HERAUT_PRINCIPALS_FILE names a file that does not exist.
    """
    path = settings.principals_path
    if settings.principals_file:
        if not path.exists():
            raise Fault(f"HERAUT_PRINCIPALS_FILE: {path} does not exist", 2)
        return
    new = not path.exists()
    with changing(path) as change:
        for role, file in ((Role.OPERATOR, TOKEN_FILE), (Role.SCRAPE, SCRAPE_TOKEN_FILE)):
            kept = settings.data_dir / file
            account = change.accounts.named(role.value)
            if new or not (kept.exists() or any(role in one.principal.roles for one in change.accounts)):
                account = Account(Principal(role.value, frozenset({role})))
            if account and _ends_soon(account, kept):
                token, stored = issue_token(datetime.now(UTC), _LIFETIME)
                change.accounts = change.accounts.with_account(replace(account, tokens=(stored,)))
                write_atomically(kept, token, mode=0o600)


def _ends_soon(account: Account, file: Path) -> bool:
    """Tell whether the token in a file has to be made anew: it ends soon, or there is none at all."""
    try:
        token_id = token_id_of(file.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return not account.tokens
    soon = datetime.now(UTC) + _LIFETIME / 4
    return any(token.token_id == token_id and token.expires_at < soon for token in account.tokens)


def service_environs(
    settings: ServiceConfig, environ: Mapping[str, str], logins: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Return the environment of each service: what is for all, its own login, and no other's.

    `logins` are the rooms whose logins were made in the data directory.
    """
    data = settings.data_dir.resolve()
    made = {
        "HERAUT_DATA_DIR": str(data),
        "HERAUT_HTTP_HOST": settings.http_host,
        "HERAUT_PRINT_DIR": environ.get("HERAUT_PRINT_DIR") or str(data / "print"),
        "HERAUT_KEYS_DIR": str(settings.keys_folder.resolve()),
        "HERAUT_PRINCIPALS_FILE": str(settings.principals_path.resolve()),
        "PYTHONUNBUFFERED": "1",
        **{name: _NOBODY[name] for name in missing_providers(environ)},
    }
    # A login that was made lies in a file, where no list of processes shows it.
    given = {name.removesuffix("_FILE") for name in environ}
    for room in logins:
        if (name := f"HERAUT_DATABASE_URL_{room.upper()}") not in given:
            made[f"{name}_FILE"] = str((settings.logins_folder / f"{room}.url").resolve())
    everything = dict(environ) | made
    return {
        service: {
            name: value
            for name, value in everything.items()
            if is_for(name, service) and not (name in _LOG_LOGIN and STAGES[service] in settings.kafka_users)
        }
        for service in SERVICE_NAMES
    }


def missing_providers(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the providers' settings that are missing."""
    return [name for name in _NOBODY if not environ.get(name) and not environ.get(f"{name}_FILE")]


async def embedded_database(settings: ServiceConfig) -> EmbeddedPostgres | None:
    """Start the database of the data directory, or attach to it; return None where another one is configured."""
    if settings.database_urls:
        return None
    server = EmbeddedPostgres(settings.data_dir)
    await server.ensure_running()
    return server


@contextlib.asynccontextmanager
async def database_for_now(settings: ServiceConfig) -> AsyncIterator[str | None]:
    """Return the owner's URL of the database, None where only the rooms' own logins are configured.

    An embedded database that did not run before is stopped at the end.
    """
    if settings.database_urls:
        yield settings.database_urls.get("HERAUT_DATABASE_URL")
        return
    server = EmbeddedPostgres(settings.data_dir)
    was_running = server.server_pid is not None
    try:
        yield await server.ensure_running()
    finally:
        if not was_running and not _is_held(settings.data_dir):
            await server.stop()


async def apply_migrations(settings: ServiceConfig, owner: str, side: Side | None = None) -> MigrationReport:
    """Bring the database at the owner's URL up to date, or one side of it, with a login for each room.

    That is the one its setting names, else one that is made, in the data directory. Raises ConfigError where it cannot
    be written there, and where it would take the place of one that was made elsewhere.
    """
    given = given_logins(settings)
    missing = [room for room in ROOMS if room not in given]
    if settings.database_urls:
        await _refuse_others_logins(
            owner, [room for room in missing if room not in made_logins(settings.logins_folder)]
        )
    try:
        made = make_logins(settings.logins_folder, owner, missing)
    except OSError as error:
        raise ConfigError(
            f"the rooms' logins cannot be kept in {settings.logins_folder} ({error.strerror}): set"
            " HERAUT_DATABASE_URL_<ROOM> for each room"
        ) from None
    return await migrate(owner, room_urls=given | made, side=side)


async def _refuse_others_logins(owner: str, rooms: Sequence[str]) -> None:
    """Leave logins alone that were made elsewhere: services that run with them would be shut out.

    Raises ConfigError where a room logs in to this server already.
    """
    connection = await asyncpg.connect(owner)
    try:
        roles = [role_of(room) for room in rooms]
        there = await connection.fetch("select rolname from pg_roles where rolname = any($1) and rolcanlogin", roles)
    finally:
        await connection.close()
    if there:
        role = there[0][0]
        raise ConfigError(
            f"{role} logs in to this server already, with a password that is not in this data directory: set"
            f" HERAUT_DATABASE_URL_{role.removeprefix('heraut_').upper()}, or `alter role {role} nologin` first"
        )


def given_logins(settings: ServiceConfig) -> dict[str, str]:
    """Return the URLs that rooms log in with by their settings, by room."""
    urls = {room: settings.database_urls.get(f"HERAUT_DATABASE_URL_{room.upper()}") for room in ROOMS}
    return {room: url for room, url in urls.items() if url}


async def compare_with(settings: ServiceConfig, database: str) -> None:
    """Compare HERAUT_PARTITIONS with what the migrated database at this URL goes by. Raises ConfigError."""
    connection = await asyncpg.connect(database)
    try:
        await compare_partitions(connection, settings.partitions)
    finally:
        await connection.close()


async def make_topics(settings: ServiceConfig) -> list[str]:
    """Make the topics that are missing and return their names. A log in the database needs none.

    Of upstream's topics there are those that a principal writes to.
    """
    return list(await installation_of(settings).make_topics(producers_of(settings)))


def producers_of(settings: ServiceConfig) -> dict[str, str | None]:
    """Return upstream's topics, each with the brokers' name for the principal that writes to it."""
    return load_accounts(settings.principals_path).producers


async def grant_topics(settings: ServiceConfig) -> Granted:
    """Let each of upstream's topics be written by its principal alone, where the brokers know that principal."""
    named = {topic: user for topic, user in producers_of(settings).items() if user}
    return await installation_of(settings).grant(named)


async def grant_rooms(settings: ServiceConfig) -> Granted:
    """Let each room's user of the brokers do what the contracts give the room, and nothing else."""
    return await installation_of(settings).grant_rooms(settings.kafka_users, producers_of(settings))


async def wait_for_ports(settings: ServiceConfig, patience: float) -> None:
    """Wait until the services' ports are free. Raises Fault where one is still taken after `patience` seconds.

    Services whose supervisor was killed drain before they end, and hold their ports meanwhile.
    """
    until, told = time.monotonic() + patience, False
    while taken := _taken_ports(settings):
        name, port = taken[0]
        if not told:
            say(f"port {port} is taken: waiting for services that end, {patience:.0f} s at most")
            told = True
        if time.monotonic() > until:
            raise Fault(f"port {port} is taken: set {name} to another, or to 0 for any free one", 2)
        await asyncio.sleep(0.5)


def _taken_ports(settings: ServiceConfig) -> list[tuple[str, int]]:
    """Return the ports that services are to listen at and somebody holds, each with the name of its setting."""
    http = ("HERAUT_HTTP_PORT", settings.http_host, settings.http_port)
    metrics = ("HERAUT_METRICS_PORT", settings.metrics_host, settings.metrics_port)
    wanted = [
        (name, host, first + at) for name, host, first in (http, metrics) if first for at in range(len(SERVICE_NAMES))
    ]
    return [(name, port) for name, host, port in wanted if not _is_free(host, port)]


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True
