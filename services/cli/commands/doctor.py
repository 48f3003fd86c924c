"""`heraut doctor`: checks of the settings, of the connections that they name, and of the running system."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import click
from rich.markup import escape

from services.cli.console import Fault, out, print_json
from services.cli.finding import Finding, fault, look, well
from services.cli.mail_findings import Names, mail_findings
from services.cli.options import data_option, json_option
from services.cli.prepare import database_for_now, given_logins, producers_of
from services.cli.service_findings import service_findings
from services.cli.snapshot import take_snapshot
from services.cli.store_findings import disk_findings, store_findings
from services.cli.target import read_settings
from services.core.channel import channel_named
from services.core.rooms import ROOMS
from services.core.transport import Peer, database_peer
from services.core.version import this_commit, this_version
from services.dispatch.channels import ADAPTERS, PROVIDER_ADDRESSES
from services.dispatch.config import Config, ProviderAddress, provider_addresses
from services.dispatch.mail_config import EmailConfig
from services.kit.config import Choice, ServiceConfig, missing_settings
from services.kit.errors import HerautError
from services.kit.eventlog import compare_partitions, installation_of
from services.kit.postgres import check_login, connect_pool, made_logins
from services.kit.tracing import fault_of
from services.kit.vault import load_keys

__all__ = ["doctor", "face_finding", "peer_findings", "trace_findings", "without_provider"]


class _NotGivenError(Exception):
    """A setting that a check needs is not given, and need not be."""


_WEB = {"https": 443, "http": 80}  # ports of providers whose address takes another one's place
_PATIENCE = 10.0  # seconds for each check: a person is waiting


@click.command()
@click.option("--no-services", is_flag=True, help="Before anything runs: look at settings and connections alone.")
@data_option
@json_option
def doctor(data: Path, *, no_services: bool, as_json: bool) -> None:
    """Check configuration, connections and the running system. Exit status 1 where something is wrong.

    What works and still wants somebody's eye is marked, and ends with 0.
    """
    settings = read_settings(data)
    findings = [well("settings", f"log {settings.log}, {settings.partitions} partitions")]
    findings += [*trace_findings(settings), face_finding()]
    findings += [*peer_findings(settings, data), *asyncio.run(_examine(settings)), *asyncio.run(_mail(data))]
    if not no_services:
        findings += asyncio.run(_running(settings, data))
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        _show(findings)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


_MARKS = {"ok": "[green]✓[/]", "look": "[bold yellow]![/]", "FAULT": "[bold red]✗[/]"}


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        if out.is_terminal:
            out.print(f"  {_MARKS[finding.mark]} {finding.name:<16} {escape(finding.words)}")
        else:
            out.print(f"{finding.mark}\t{finding.name}\t{escape(finding.words)}")


async def _running(settings: ServiceConfig, data: Path) -> list[Finding]:
    """Look at the running services, and at what they leave in database and log."""
    own = f"{this_version()}, commit {this_commit()}"
    found = list(service_findings(await take_snapshot(data, ways=True), settings.partitions, own, without_provider()))
    try:
        async with asyncio.timeout(3 * _PATIENCE):
            found += [finding async for finding in store_findings(settings)]
    except (HerautError, asyncpg.PostgresError, OSError) as error:
        found.append(fault("store", f"cannot be looked at: {(str(error) or type(error).__name__).splitlines()[0]}"))
    return found


def without_provider() -> dict[str, str]:
    """Return, by channel, the settings that its provider needs and that are not given here."""
    missing = {channel.label: missing_settings(adapter.config, _setting) for channel, adapter in ADAPTERS.items()}
    shared = set(missing_settings(ServiceConfig, _setting))
    found = {name: [one for one in settings if one not in shared] for name, settings in missing.items()}
    return {name: _needed(name, settings) for name, settings in found.items() if settings}


def _needed(label: str, settings: list[str]) -> str:
    """Return settings in words, and by which one another provider is chosen."""
    own = _own_choices(ADAPTERS[channel_named(label)].config)
    return " and ".join(settings) + (f", or another provider by {own[0].setting}," if own else "")


def trace_findings(settings: ServiceConfig) -> list[Finding]:
    """Return whether traces can be sent, where they are asked for."""
    if not settings.otlp_url:
        return []
    wrong = fault_of(settings.otlp_url)
    return [Finding("traces", ok=wrong is None, words=wrong or "a span a block and act, to HERAUT_OTLP_URL")]


def face_finding() -> Finding:
    """Return in which scripts this machine prints names on letters; who has none is held as `unprintable`."""
    from services.rendering.letters.own_face import lacking  # noqa: PLC0415 - fonts take time, and few look

    if not (scripts := lacking()):
        return well("names on letters", "in every script that there are faces for")
    without = f"no face for {', '.join(scripts)}: letters to such names are held as unprintable"
    return look("names on letters", f"{without}; deploy/letters/faces.py --cjk installs faces")


def peer_findings(settings: ServiceConfig, data: Path) -> list[Finding]:
    """Return how each peer is reached, a line each."""
    found = [*_ways(settings.peers()), *_ways_to_providers(data)]
    for peer in settings.callers():
        wrong = peer.fault(settings.allow_plaintext)
        found.append(Finding(f"way to {peer.word}", ok=wrong is None, words=wrong or peer.way()))
    return found


def _ways(peers: list[Peer]) -> list[Finding]:
    """Return how each peer is reached; that the settings could be read means that none is reached in the open."""
    return [Finding(f"way to {peer.word}", ok=True, words=peer.way()) for peer in peers]


def _ways_to_providers(data: Path) -> list[Finding]:
    """Return the same for the providers whose settings are there."""
    found = []
    for channel, adapter in ADAPTERS.items():
        if not _is_set_up(adapter.config):
            continue
        try:
            config = read_settings(data, adapter.config)
            found += [way for way in _ways(config.peers()) if way not in _ways(ServiceConfig.peers(config))]
        except Fault as error:
            addresses = provider_addresses(adapter.config)
            found.append(fault(f"way to {addresses[0].provider if addresses else channel.label}", error.message))
    return found


def _is_set_up(config: type[Config]) -> bool:
    """Tell whether somebody chose a channel's provider, by a word or by its address."""
    addresses = provider_addresses(config)
    return bool(addresses and all(map(_given, addresses))) or any(
        _setting(choice.setting) for choice in _own_choices(config)
    )


def _own_choices(config: type[Config]) -> list[Choice]:
    return [choice for choice in config.choices if choice not in ServiceConfig.choices]


async def _mail(data: Path) -> list[Finding]:
    """Say how mails will be taken, where the settings name who is given them."""
    if not any(map(_given, provider_addresses(EmailConfig))):
        return []
    try:
        config = read_settings(data, EmailConfig)
    except Fault:
        return []  # it is said of the way there
    if not isinstance(config, EmailConfig):
        return []
    servers, selectors = (_words(name) for name in ("HERAUT_DNS_SERVERS", "HERAUT_MAIL_SELECTORS"))
    return [finding async for finding in mail_findings(config, Names(servers), selectors)]


def _words(name: str) -> list[str]:
    return (_setting(name) or "").replace(",", " ").split()


async def _examine(settings: ServiceConfig) -> list[Finding]:
    disks = disk_findings(*map(_deepest_there, (settings.data_dir, _print_place(settings))))
    checks: dict[str, Callable[[ServiceConfig], Awaitable[str]]] = {
        "database": _database,
        "event log": _event_log,
        "keys": _keys,
        "print folder": _print_folder,
        **{address.provider: partial(_provider_answers, address) for address in PROVIDER_ADDRESSES},
    }
    return [*[await _finding(name, check, settings) for name, check in checks.items()], *disks]


async def _finding(name: str, check: Callable[[ServiceConfig], Awaitable[str]], settings: ServiceConfig) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Finding(name, ok=True, words=await check(settings))
    except _NotGivenError:
        return look(name, "its address is not set: what goes that way waits")
    except Fault as error:
        return fault(name, error.message)
    except TimeoutError:
        return Finding(name, ok=False, words=f"no answer in {_PATIENCE:.0f} s")
    except (HerautError, asyncpg.PostgresError) as error:
        return Finding(name, ok=False, words=str(error).splitlines()[0])
    except OSError as error:
        return Finding(name, ok=False, words=error.strerror or type(error).__name__)


async def _database(settings: ServiceConfig) -> str:
    found = []
    async with database_for_now(settings) as owner:
        logins = made_logins(settings.logins_folder) | given_logins(settings)
        for room in ROOMS:
            if room not in logins:
                raise Fault(f"{room} has no login: run `heraut migrate`, or set HERAUT_DATABASE_URL_{room.upper()}")
            file = f"{settings.logins_folder / room}.url"
            if wrong := database_peer(file, logins[room]).fault(settings.allow_plaintext):
                raise Fault(wrong)
            found.append(await _room_works(logins[room], room, settings.partitions))
    embedded = owner is not None and not settings.database_urls
    return f"PostgreSQL {found[0]}{' (embedded)' if embedded else ''}, {len(found)} logins"


async def _room_works(url: str, room: str, partitions: int) -> str:
    """Log in as the room does, and return the server's version.

    Raises Fault where the login may not use the room's schema, ConfigError where it may do more, or where the database
    goes by other partitions.
    """
    pool = await connect_pool(url, room, max_size=1)
    try:
        await check_login(pool, room)
        async with pool.acquire() as connection:
            version = str(await connection.fetchval("show server_version")).split(" ")[0]
            if not await connection.fetchval("select has_schema_privilege($1, 'usage')", room):
                raise Fault(f"the role of {room} may not use its schema: run `heraut migrate`")
            await compare_partitions(connection, partitions)
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError, asyncpg.InvalidSchemaNameError):
        raise Fault(f"there is no role or schema of {room}: run `heraut migrate`") from None
    finally:
        await pool.close()
    return version


async def _event_log(settings: ServiceConfig) -> str:
    return await installation_of(settings).check(producers_of(settings))


async def _keys(settings: ServiceConfig) -> str:
    folder = settings.keys_folder
    load_keys(folder)
    return str(folder)


async def _print_folder(settings: ServiceConfig) -> str:
    folder = _print_place(settings)
    place = _deepest_there(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        raise Fault(f"{place} cannot be written to")
    return str(folder)


def _print_place(settings: ServiceConfig) -> Path:
    return Path(os.environ.get("HERAUT_PRINT_DIR") or settings.data_dir / "print")


def _deepest_there(folder: Path) -> Path:
    """Return the folder, or the nearest parent that exists, in which the folder would be made."""
    return next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())


async def _provider_answers(about: ProviderAddress, _settings: ServiceConfig) -> str:
    """Return the provider's address once a connection to it was opened; nothing is sent. Raises Fault."""
    name = _given(about)
    if name is None:
        raise _NotGivenError
    address, ports = _setting(name) or "", about.ports if name == about.setting else _WEB
    parts = urlsplit(address)
    if parts.scheme not in ports or not parts.hostname:
        raise Fault(f"{name} must begin with {' or '.join(f'{scheme}://' for scheme in ports)} and name a host")
    port = parts.port or ports[parts.scheme]
    try:
        _, writer = await asyncio.open_connection(parts.hostname, port)
    except socket.gaierror:
        raise Fault(f"{parts.hostname} is not known") from None
    writer.close()
    return f"{parts.hostname}:{port}"


def _given(about: ProviderAddress) -> str | None:
    """Return the setting with the address of a channel's provider, of the chosen one; None where it is unset."""
    configs = [adapter.config for adapter in ADAPTERS.values() if about in provider_addresses(adapter.config)]
    choices = [choice for config in configs for choice in _own_choices(config)]
    of_chosen = {
        name for choice in choices for name in choice.needed.get(_setting(choice.setting) or choice.default, ())
    }
    named = [name for name in (about.setting, *about.instead) if not about.instead or name in of_chosen]
    return next((name for name in named if _setting(name)), None)


def _setting(name: str) -> str | None:
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(name)
