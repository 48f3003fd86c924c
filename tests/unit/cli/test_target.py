"""A command finds the running services and the token that they accept."""

import json
from pathlib import Path

import pytest

from services.cli.console import Fault
from services.cli.target import find_target, permitted_caller, read_settings
from services.core.access import Act, Principal, Role
from services.kit.testing import make_principals


def test_addresses_follow_the_ports_where_nothing_runs(tmp_path: Path) -> None:
    """Without services.json, intake is at the port and tracking at the next."""
    target = find_target(tmp_path)

    assert ["http://127.0.0.1:8080", "http://127.0.0.1:8081"] == [target.address(n) for n in ("intake", "tracking")]


def test_addresses_of_running_services_come_from_their_file(tmp_path: Path) -> None:
    """With services.json, a service is where `up` says that it is."""
    (tmp_path / "services.json").write_text(json.dumps({"intake": "http://127.0.0.1:1"}), encoding="utf-8")

    assert "http://127.0.0.1:1" == find_target(tmp_path).address("intake")


def test_the_users_own_token_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HERAUT_TOKEN is taken before the one in the data directory."""
    (tmp_path / "operator.token").write_text("of the directory", encoding="utf-8")
    found = [find_target(tmp_path).token]
    monkeypatch.setenv("HERAUT_TOKEN", "of the user")
    found.append(find_target(tmp_path).token)

    assert ["of the directory", "of the user"] == found


def test_what_no_service_does_is_done_by_somebody(tmp_path: Path) -> None:
    """A command that goes past the services asks who runs it as they do."""
    path = tmp_path / "principals.json"
    roles = {"operator": Role.OPERATOR, "auditor": Role.AUDITOR}
    tokens = make_principals(path, *(Principal(name, frozenset({role})) for name, role in roles.items()))
    for token, words in (("nobody's", "not accepted"), (tokens["auditor"], "auditor may not do this")):
        (tmp_path / "operator.token").write_text(token, encoding="utf-8")
        with pytest.raises(Fault, match=words):
            permitted_caller(tmp_path, Act.DEAD_LETTER_REPLAYED)
    (tmp_path / "operator.token").write_text(tokens["operator"], encoding="utf-8")

    assert "operator" == permitted_caller(tmp_path, Act.DEAD_LETTER_REPLAYED).principal.name


def test_without_any_token_there_is_none(tmp_path: Path) -> None:
    """Commands that need no token work on a fresh directory."""
    assert find_target(tmp_path).token is None


def test_wrong_settings_are_a_fault_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is wrong ends a command with exit status 2."""
    monkeypatch.setenv("HERAUT_HTTP_PORT", "many")
    with pytest.raises(Fault, match="HERAUT_HTTP_PORT") as caught:
        read_settings(tmp_path)

    assert 2 == caught.value.exit_code
