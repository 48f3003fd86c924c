"""What `up` makes and holds in its data directory."""

import os
import stat
from pathlib import Path

import pytest

from services.cli.console import Fault
from services.cli.prepare import ensure_token, locked, missing_providers, service_environ
from services.cli.target import find_target, read_settings


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


def test_the_token_is_kept_and_private(tmp_path: Path) -> None:
    """The token is made once, and only its owner can read it."""
    settings = read_settings(tmp_path)
    ensure_token(settings)
    first = find_target(tmp_path).token
    ensure_token(settings)

    assert first
    assert first == find_target(tmp_path).token
    assert stat.S_IMODE((tmp_path / "operator.token").stat().st_mode) == 0o600


def test_services_do_not_get_the_operators_own_token(tmp_path: Path) -> None:
    """Services read the token that they accept from its file, and do not get the token of the command line."""
    environ = service_environ(read_settings(tmp_path), {"HERAUT_TOKEN": "mine", "PATH": "/bin"}, None)

    assert "HERAUT_TOKEN" not in environ
    assert environ["HERAUT_AUTH_TOKEN_FILE"] == str(tmp_path / "operator.token")


def test_without_a_provider_its_address_is_one_of_nobody(tmp_path: Path) -> None:
    """Every channel's service starts without a provider, and what goes that way waits."""
    environ = {"HERAUT_SMTP_URL": "smtp://mail.example"}

    assert ["HERAUT_PORTAL_URL"] == missing_providers(environ)
    made = service_environ(read_settings(tmp_path), environ, None)
    assert ("smtp://mail.example", "http://127.0.0.1:9") == (made["HERAUT_SMTP_URL"], made["HERAUT_PORTAL_URL"])
