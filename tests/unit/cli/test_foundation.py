"""What `up` makes and holds in its data directory."""

import os
import stat
from pathlib import Path

import pytest

from services.cli.console import Fault
from services.cli.foundation import ensure_token, locked, service_environ
from services.cli.surroundings import read_settings, surroundings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith("HERAUT_")]:
        monkeypatch.delenv(name)


def test_two_cannot_hold_one_directory(tmp_path: Path) -> None:
    """A second `up` is refused, and told by whom."""
    with locked(tmp_path), pytest.raises(Fault, match=str(os.getpid())) as caught, locked(tmp_path):
        pass

    assert caught.value.exit_code == 2


def test_a_directory_can_be_held_again(tmp_path: Path) -> None:
    """Once the first one ended, the next may begin."""
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        assert (tmp_path / "heraut.lock").exists()


def test_the_token_is_kept_and_private(tmp_path: Path) -> None:
    """It is made once, and only its owner can read it."""
    settings = read_settings(tmp_path)
    ensure_token(settings)
    first = surroundings(tmp_path).token
    ensure_token(settings)

    assert first
    assert first == surroundings(tmp_path).token
    assert stat.S_IMODE((tmp_path / "operator.token").stat().st_mode) == 0o600


def test_addresses_follow_the_ports_where_nothing_runs(tmp_path: Path) -> None:
    """Without services.json, intake is at the port and tracking at the next."""
    around = surroundings(tmp_path)

    assert ["http://127.0.0.1:8080", "http://127.0.0.1:8081"] == [around.address(n) for n in ("intake", "tracking")]


def test_services_do_not_get_the_operators_own_token(tmp_path: Path) -> None:
    """Services know the token that they ask for, by its file; the command line's is not theirs."""
    environ = service_environ(read_settings(tmp_path), {"HERAUT_TOKEN": "mine", "PATH": "/bin"}, None)

    assert "HERAUT_TOKEN" not in environ
    assert environ["HERAUT_AUTH_TOKEN_FILE"] == str(tmp_path / "operator.token")
