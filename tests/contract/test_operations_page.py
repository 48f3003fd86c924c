"""The page of whoever runs Heraut: its commands are read as the command line does, and those that renew are done."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli.__main__ import heraut
from services.kit.principals.tokens import token_id_of
from services.kit.vault.key_files import load_keys
from tests.page_commands import commands_of, fenced, parse

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = (DEPLOY / "README.md").read_text(encoding="utf-8")


def _part(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("command", commands_of(PAGE))
def test_a_command_is_one(command: str) -> None:
    """With options that it has."""
    parse(command)


def test_what_the_page_leads_to_is_there() -> None:
    """Every link is to a file of the repository, or a part of the page."""
    links = re.findall(r"\]\(([^)]+)\)", PAGE)

    assert [] == [link for link in links if not (DEPLOY / link.partition("#")[0]).exists()]
    assert [
        "Sizing",
        "Install on Kubernetes",
        "Rotate",
        "Drain",
        "The first hour of an incident",
        "Trace",
        "Upgrade",
        "Backup and restore",
    ] == (re.findall(r"^## (.+)$", PAGE, re.MULTILINE))


def test_alerts_that_it_names_are_alerts() -> None:
    """Each has its own page."""
    runbooks = {path.stem for path in (DEPLOY / "prometheus" / "runbooks").iterdir()}

    assert set(re.findall(r"\bHeraut[A-Z]\w+", PAGE)) <= runbooks


def _do(line: str) -> str:
    """Do a command as it stands, and return what it says."""
    words = shlex.split(line)
    settings = dict(word.split("=", 1) for word in words[: words.index("heraut")])
    done = CliRunner().invoke(heraut, words[len(settings) + 1 :], env=settings, catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    return done.output


def test_keys_and_tokens_are_made_and_renewed_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line: after it there is a second version of each key, and the first one still opens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets").mkdir(mode=0o700)
    for line in fenced(_part("Install on Kubernetes"), "sh")[0].splitlines():
        _do(line)
    before = load_keys(tmp_path / "secrets" / "keys")
    keys, tokens = fenced(_part("Rotate"), "sh")
    _do(keys)
    after = load_keys(tmp_path / "secrets" / "keys")

    assert (before.newest("match") + 1, before.newest("unwrap") + 1) == (after.newest("match"), after.newest("unwrap"))
    assert {"scrape_token", "operator_token", "principals.json", "keys"} == {
        path.name for path in (tmp_path / "secrets").iterdir()
    }
    add, listing, revoke = tokens.splitlines()
    _do("heraut principal add lab --role source --source Lab --token-file first.token")
    _do(add)
    first, second = (token_id_of((tmp_path / f"{name}.token").read_text(encoding="utf-8")) for name in ("first", "lab"))
    _do(revoke.replace("ID", str(first)))
    listed = _do(listing)

    assert (False, True) == (str(first) in listed, str(second) in listed)
