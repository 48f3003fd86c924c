"""What `up` makes and holds in its data directory."""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.console import Fault
from services.cli.prepare import ensure_principals, locked, missing_providers, service_environs
from services.cli.target import find_target, read_settings
from services.core.access import Principal, Role
from services.core.rooms import ROOMS, STAGES
from services.kit.principals import Account, changing, issue_token, load_accounts


def test_two_cannot_hold_one_directory(tmp_path: Path) -> None:
    """A second `up` is refused, and its user reads which process holds the directory."""
    with locked(tmp_path), pytest.raises(Fault, match=str(os.getpid())) as caught, locked(tmp_path):
        pass

    assert caught.value.exit_code == 2


def test_a_directory_can_be_held_again(tmp_path: Path) -> None:
    """Once the first `up` has ended, the next may begin."""
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        assert (tmp_path / "heraut.lock").exists()


def test_the_tokens_are_kept_and_private(tmp_path: Path) -> None:
    """An operator's and a scraper's token are made once, and only their owner can read them and the principals."""
    settings = read_settings(tmp_path)
    ensure_principals(settings)
    first = find_target(tmp_path).token
    ensure_principals(settings)
    files = ("operator.token", "scrape.token", "principals.json")

    assert first
    assert first == find_target(tmp_path).token
    assert {0o600} == {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files}
    assert first not in (tmp_path / "principals.json").read_text()


def test_a_token_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    """An installation that runs for years does not lock its operator out one day."""
    settings = read_settings(tmp_path)
    ensure_principals(settings)
    token, stored = issue_token(datetime.now(UTC), timedelta(days=30))
    (tmp_path / "operator.token").write_text(token)
    with changing(settings.principals_path) as change:
        operator = change.accounts.named("operator")
        assert operator
        change.accounts = change.accounts.with_account(replace(operator, tokens=(stored,)))
    ensure_principals(settings)

    assert token != find_target(tmp_path).token
    assert load_accounts(settings.principals_path).of_token(find_target(tmp_path).token or "", datetime.now(UTC))


def test_a_principal_made_before_the_first_start_leaves_it_with_an_operator(tmp_path: Path) -> None:
    """Who adds an auditor first can still release: there is a file by then, and nobody in it who may."""
    settings = read_settings(tmp_path)
    with changing(settings.principals_path) as change:
        change.accounts = change.accounts.with_account(Account(Principal("auditor", frozenset({Role.AUDITOR}))))
    ensure_principals(settings)
    accounts = load_accounts(settings.principals_path)

    assert {"auditor", "operator", "scrape"} == {account.name for account in accounts}
    assert accounts.of_token(find_target(tmp_path).token or "", datetime.now(UTC)) == accounts.named("operator")


def test_whom_somebody_revoked_is_not_made_again(tmp_path: Path) -> None:
    """The next `up` does not undo what was decided."""
    settings = read_settings(tmp_path)
    ensure_principals(settings)
    with changing(settings.principals_path) as change:
        change.accounts = change.accounts.without("operator")
    ensure_principals(settings)

    assert load_accounts(settings.principals_path).named("operator") is None


def test_services_do_not_get_the_operators_own_token(tmp_path: Path) -> None:
    """Services know callers by the hashes in the principals file, and do not get the token of the command line."""
    environs = service_environs(read_settings(tmp_path), {"HERAUT_TOKEN": "mine", "PATH": "/bin"}, ())

    assert set(STAGES) == environs.keys()
    assert not [stage for stage, environ in environs.items() if "HERAUT_TOKEN" in environ]
    assert {str(tmp_path / "principals.json")} == {environ["HERAUT_PRINCIPALS_FILE"] for environ in environs.values()}


def test_each_service_gets_its_own_login_and_nobody_elses(tmp_path: Path) -> None:
    """Neither the owner's, nor another room's: whether it was made here, or is a setting."""
    made = service_environs(read_settings(tmp_path), {"HERAUT_DATABASE_URL": "postgresql://owner@db/x"}, ROOMS)
    given = {f"HERAUT_DATABASE_URL_{room.upper()}_FILE": f"/run/secrets/{room}" for room in ROOMS}
    told = service_environs(read_settings(tmp_path), given, ())

    def logins(environ: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if "DATABASE" in name}

    for stage, room in STAGES.items():
        name = f"HERAUT_DATABASE_URL_{room.upper()}_FILE"
        assert {name: str(tmp_path / "logins" / f"{room}.url")} == logins(made[stage])
        assert {name: f"/run/secrets/{room}"} == logins(told[stage])


def test_a_providers_address_is_for_its_channel_alone(tmp_path: Path) -> None:
    """It may hold the password of a mail server."""
    environs = service_environs(read_settings(tmp_path), {"HERAUT_SMTP_URL": "smtp://u:p@mail.example"}, ())

    assert ["dispatch-email"] == [stage for stage, environ in environs.items() if "HERAUT_SMTP_URL" in environ]


def test_without_a_provider_its_address_is_one_of_nobody(tmp_path: Path) -> None:
    """Every channel's service starts without a provider, and what goes that way waits."""
    environ = {"HERAUT_SMTP_URL": "smtp://mail.example"}

    assert ["HERAUT_PORTAL_URL"] == missing_providers(environ)
    made = service_environs(read_settings(tmp_path), environ, ())
    assert "smtp://mail.example" == made["dispatch-email"]["HERAUT_SMTP_URL"]
    assert "http://127.0.0.1:9" == made["dispatch-portal"]["HERAUT_PORTAL_URL"]
