"""`heraut principal`: who may do what."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from services.cli.console import Fault, print_json, say, table
from services.cli.options import Commands, data_option, json_option
from services.cli.target import read_settings
from services.core.access import Principal, Role
from services.kit.clock import SystemClock
from services.kit.config import ServiceConfig, duration
from services.kit.errors import ConfigError
from services.kit.eventlog import family_topics
from services.kit.files import write_atomically
from services.kit.principals import (
    Account,
    Accounts,
    MachineKeys,
    changing,
    issue_token,
    load_accounts,
    read_accounts,
    read_certificate,
    subject_name,
    thumbprint_name,
    with_token,
)

__all__ = ["principal"]

_COLUMNS = ("name", "roles", "speaks for", "known by", "until")


class _Lifetime(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else duration(str(value))
        except ValueError as error:
            self.fail(f"{value}: {error}", param, ctx)


@click.group(cls=Commands)
def principal() -> None:
    """Say who may do what: people and machines by name, with roles, and tokens that expire.

    Running services know of a change within a second or two.
    """


@principal.command()
@click.argument("name")
@click.option(
    "--role", "roles", multiple=True, type=click.Choice([role.value for role in Role]), help="May be given again."
)
@click.option(
    "--source", "sources", multiple=True, metavar="S", help="A source that it speaks for, with --role source."
)
@click.option("--subject", metavar="SUB", help="Its `sub` at the identity provider (HERAUT_AUTH_OIDC_ISSUER).")
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key (PEM) of a machine that signs its own JWTs.",
)
@click.option(
    "--certificate",
    "certificate_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A certificate (PEM) that it shows, this one alone (HERAUT_TLS_CLIENT_CA).",
)
@click.option(
    "--certificate-subject", metavar="CN=...", help="Whichever certificate has this subject, so renewed ones."
)
@click.option("--topic", metavar="T", help="The Kafka topic that it alone writes its events to.")
@click.option("--kafka-user", metavar="U", help="Who it is to the brokers: gets the right to write to its topic.")
@click.option("--expires", type=_Lifetime(), default="90d", show_default=True, help="How long the new token is good.")
@click.option("--no-token", is_flag=True, help="Make no token: it is known otherwise.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the token there, for its owner alone, in place of showing it.",
)
@data_option
@json_option
def add(name: str, data: Path, *, as_json: bool, **given: Any) -> None:
    """Add a principal, or give one that is there a further token.

    The token is shown once: only its hash is kept. With --role and the like, what is known of NAME is replaced; its
    tokens stay.
    """
    settings = read_settings(data)
    token, token_id = None, None
    with changing(settings.principals_path) as change:
        account = _account(name, change.accounts.named(name), given, settings)
        if not given["no_token"]:
            token, stored = issue_token(datetime.now(UTC), given["expires"])
            account, token_id = with_token(account, stored), stored.token_id
        changed = change.accounts.with_account(account)
        _expect_sound(changed)
        change.accounts = changed
    if token and given["token_file"]:
        write_atomically(given["token_file"], token, mode=0o600)
    _show_added(account, token if not given["token_file"] else None, token_id, as_json=as_json)


def _account(name: str, known: Account | None, given: dict[str, Any], settings: ServiceConfig) -> Account:
    """Return the account as it is to be. Raises Fault where nothing says what it may do."""
    topic = given["topic"] and _topic(given["topic"])
    changed = {"subject": given["subject"], "topic": topic, "kafka_user": given["kafka_user"]}
    changed = {key: value for key, value in changed.items() if value}
    if given["key_file"]:
        changed["keys"] = {given["key_file"].stem: _public_key(given["key_file"], settings)}
    if names := _certificate_names(given["certificate_file"], given["certificate_subject"]):
        changed["certificates"] = names
    if known is None and not given["roles"]:
        raise Fault(f"there is no principal {name}: --role says what a new one may do", 2)
    if given["roles"] or given["sources"]:
        roles = frozenset(map(Role, given["roles"])) or (known.principal.roles if known else frozenset())
        sources = frozenset(given["sources"]) or (known.principal.sources if known else frozenset())
        changed["principal"] = Principal(name, roles, sources)
    return replace(known or Account(Principal(name, frozenset())), **changed)


def _certificate_names(file: Path | None, subject: str | None) -> tuple[str, ...]:
    """Return by which certificates a principal is known. Raises Fault where one cannot be read."""
    try:
        names = [thumbprint_name(read_certificate(file))] if file else []
        return (*names, *([subject_name(subject)] if subject else []))
    except (ValueError, OSError) as error:
        raise Fault(f"{file or '--certificate-subject'}: {error}", 2) from None


def _topic(name: str) -> str:
    """Return the name of a topic that sources may write to. Raises ConfigError where it is none."""
    return family_topics([name])[0]


def _public_key(file: Path, settings: ServiceConfig) -> str:
    """Return a machine's public key. Raises Fault where no signature could be checked with it."""
    pem = file.read_text(encoding="utf-8", errors="replace")
    try:
        machines = MachineKeys(settings.auth_audience, clock=SystemClock(), algorithms=settings.auth_algorithms)
        machines.check(pem)
    except ValueError as error:
        raise Fault(f"{file}: {error}", 2) from None
    return pem


def _expect_sound(accounts: Accounts) -> None:
    """Raise Fault where the file, as it would be written, could not be read again."""
    try:
        read_accounts(accounts.as_file().encode())
    except ConfigError as error:
        raise Fault(re.sub(r"principals\[\d+\]\.", "", str(error)), 2) from None


def _show_added(account: Account, token: str | None, token_id: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": account.name, "token": token, "tokenId": token_id})
        return
    say(f"{account.name}: {', '.join(sorted(account.principal.roles))}" + (f"; token {token_id}" if token_id else ""))
    if token:
        click.echo(token)
        say("the token is shown this once; HERAUT_TOKEN or `Authorization: Bearer` is where it goes")


@principal.command("list")
@data_option
@json_option
def list_command(data: Path, *, as_json: bool) -> None:
    """List principals: what they may do, how they are known, and until when."""
    accounts = list(load_accounts(read_settings(data).principals_path))
    if as_json:
        print_json([_without_hashes(account.as_json()) for account in accounts])
    elif not accounts:
        say("there are no principals: `heraut principal add` makes one")
    else:
        table("Principals", _COLUMNS, map(_row, accounts), left=5)


def _without_hashes(account: dict[str, Any]) -> dict[str, Any]:
    tokens = [{key: value for key, value in token.items() if key != "sha256"} for token in account.get("tokens", ())]
    return account | {"tokens": tokens}


def _row(account: Account) -> Sequence[str]:
    now = datetime.now(UTC)
    tokens = [f"token {token.token_id}" for token in account.tokens]
    known_by = [*tokens, *_known_otherwise(account)]
    until = [
        f"{token.expires_at:%Y-%m-%d}" + (" (expired)" if token.expires_at <= now else "") for token in account.tokens
    ]
    roles, sources = sorted(account.principal.roles), sorted(account.principal.sources)
    return account.name, ", ".join(roles), ", ".join(sources), ", ".join(known_by) or "nothing", ", ".join(until)


def _known_otherwise(account: Account) -> Iterable[str]:
    if account.subject:
        yield f"subject {account.subject}"
    yield from (f"key {name}" for name in account.keys)
    yield from (f"certificate {name}" for name in account.certificates)
    if account.topic:
        yield f"topic {account.topic}"


@principal.command()
@click.argument("name")
@click.option("--token", "token_id", metavar="ID", help="This token alone, by its id as `list` shows it.")
@data_option
def revoke(name: str, token_id: str | None, data: Path) -> None:
    """Take back a principal with all its tokens, or one token of it."""
    with changing(read_settings(data).principals_path) as change:
        account = change.accounts.named(name)
        if account is None:
            raise Fault(f"there is no principal {name}", 2)
        if token_id is None:
            change.accounts = change.accounts.without(name)
        else:
            left = tuple(token for token in account.tokens if token.token_id != token_id)
            if len(left) == len(account.tokens):
                raise Fault(f"{name} has no token {token_id}", 2)
            change.accounts = change.accounts.with_account(replace(account, tokens=left))
    say(f"{name} is nobody any more" if token_id is None else f"token {token_id} of {name} opens nothing any more")
