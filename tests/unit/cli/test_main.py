"""The command line has the commands that work, and tells what is wrong in lines and exit statuses."""

import re
from collections.abc import Sequence
from pathlib import Path

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from services.cli.__main__ import heraut
from services.core.policy import KEYS, Policy
from services.kit.config import LOGS
from services.kit.vault.key_files import load_keys
from services.wire.incident_document import parse_incident

REGISTERED = [
    "channel",
    "cohort",
    "demo",
    "dlq",
    "doctor",
    "identity",
    "incident",
    "keys",
    "ledger",
    "migrate",
    "preview",
    "principal",
    "print",
    "receipts",
    "rejected",
    "restored",
    "serve",
    "settings",
    "topics",
    "unknown",
    "up",
    "watch",
]
SUBCOMMANDS = {
    "channel": ["list", "pause", "resume"],
    "cohort": [
        "approve",
        "cancel",
        "check",
        "figures",
        "pause",
        "problems",
        "release",
        "resume",
        "seal",
        "status",
        "submit",
        "template",
        "withdraw",
    ],
    "identity": ["list", "refuse", "settle", "tie", "unsettle", "untie"],
    "incident": ["acts", "approve", "check", "closures", "pause", "put", "resume", "show", "template"],
    "keys": ["init", "rotate"],
    "principal": ["add", "list", "revoke"],
    "print": ["again", "give-up", "jobs", "letters"],
    "receipts": ["load"],
    "rejected": ["again", "give-up", "list", "notices"],
    "unknown": ["list"],
    "dlq": ["list", "purge", "replay", "show"],
}


def _run(arguments: Sequence[str], **environ: str) -> Result:
    return CliRunner(env={"HERAUT_DATA_DIR": None, **environ}).invoke(heraut, arguments)


def test_the_commands_are_those_that_work() -> None:
    """The registered commands are those that do something."""
    context = click.Context(heraut)
    groups = {name: heraut.get_command(context, name) for name in SUBCOMMANDS}

    assert REGISTERED == heraut.list_commands(context)
    assert SUBCOMMANDS == {
        name: sorted(group.commands) for name, group in groups.items() if isinstance(group, click.Group)
    }


def test_the_template_is_a_document_that_is_taken() -> None:
    """Whoever begins with it has every rule of the policy before them, and each says what holds without it."""
    made = _run(["incident", "template"])
    document = orjson.loads(made.output)

    assert set(document["policy"]) == KEYS
    assert Policy() == parse_incident("lab", 1, document).policy


def test_keys_are_made_once_and_rotated_where_there_are_some(tmp_path: Path) -> None:
    """They lie beside the data directory; a rotation adds a version, and services are told to be restarted."""
    data, folder = tmp_path / "data", tmp_path / "data-keys"
    none = _run(["keys", "rotate", "--data", str(data)])
    made = _run(["keys", "init", "--data", str(data)])
    again = _run(["keys", "init", "--data", str(data)])
    rotated = _run(["keys", "rotate", "--data", str(data), "--json"])

    assert (2, 0, 2, 0) == (none.exit_code, made.exit_code, again.exit_code, rotated.exit_code)
    assert {"path": str(folder), "version": 2} == orjson.loads(rotated.output)
    assert 2 == load_keys(folder).pepper("member")[0]


@pytest.mark.parametrize("command", [[], *([name] for name in REGISTERED)])
def test_every_command_has_help(command: list[str]) -> None:
    """--help prints what a command does, with exit status 0."""
    result = _run([*command, "--help"])

    assert (0, True) == (result.exit_code, result.output.startswith("Usage:"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["demo", "--people", "0"],
        ["demo", "--supplements", "--waves", "1"],
        ["serve", "dispatch"],
        ["serve", "intake", "--channel", "letter"],
        ["cohort", "submit", "missing.csv", "--incident", "a", "--cohort", "b"],
        ["cohort", "release", "--incident", "a", "--cohort", "b"],
        ["cohort", "release", "--incident", "a", "--cohort", "b", "--all", "--canary", "5"],
        ["cohort", "release", "--incident", "a", "--cohort", "b", "--pace", "5/week"],
        ["cohort", "withdraw", "--incident", "a", "--cohort", "b"],
        ["cohort", "withdraw", "--incident", "a", "--cohort", "b", "--ref", "m-1", "--line", "1"],
        ["dlq", "show", "no-position"],
        ["dlq", "replay"],
        ["dlq", "replay", "--topic", "heraut.members.accepted.v1.deduplication.dlq"],
        ["dlq", "replay", "a/0/1", "--all"],
        ["dlq", "replay", "--all", "--topic", "typo"],
        ["dlq", "purge"],
        ["dlq", "purge", "a/0/1", "--all"],
        ["dlq", "list", "--topic", "typo"],
        ["dlq", "list", "--topic", "typo.dlq"],
        ["dlq", "list", "--topic", "heraut.members.accepted.v1"],
        ["dlq", "list", "--topic", "heraut.members.accepted.v1.tracking.dlq"],
    ],
)
def test_bad_usage_ends_with_two(arguments: list[str]) -> None:
    """Bad usage or input is exit status 2, without a traceback."""
    result = _run(arguments)

    assert (2, False) == (result.exit_code, "Traceback" in result.output)


def test_settings_are_listed_with_which_are_given_and_no_value(tmp_path: Path) -> None:
    """An operator sees what a process would read; a password is not shown."""
    secret = tmp_path / "token"
    listed = _run(["settings", "--json"], HERAUT_PORTAL_TOKEN_FILE=str(secret), HERAUT_LOG="kafka")
    told = {one["name"]: one for one in orjson.loads(listed.output)}

    assert ("HERAUT_PORTAL_TOKEN_FILE", True) == (
        told["HERAUT_PORTAL_TOKEN"]["given"],
        told["HERAUT_PORTAL_TOKEN"]["secret"],
    )
    assert ("HERAUT_LOG", "postgres") == (told["HERAUT_LOG"]["given"], told["HERAUT_LOG"]["default"])
    assert str(secret) not in listed.output
    assert (0, 1) == (_run(["settings", "KAFKA", "password"]).exit_code, _run(["settings", "papyrus"]).exit_code)


def test_version_says_which_commit_it_is() -> None:
    """Whoever asks for help can say what runs."""
    assert re.fullmatch(
        r"heraut, version \S+, commit (?:[0-9a-f]{12}|unknown), Python [\d.]+\n", _run(["--version"]).output
    )


def test_topic_that_has_no_dead_letters_is_told_with_the_one_that_is_meant() -> None:
    """A wrong name is no comfort: it does not say that there are none."""
    said = _run(["dlq", "list", "--topic", "heraut.members.accepted.v1"]).output

    assert said.endswith("did you mean heraut.members.accepted.v1.deduplication.dlq?\n")


@pytest.mark.parametrize("group", [None, *SUBCOMMANDS])
def test_help_cuts_no_line(group: str | None) -> None:
    """What a command does can be read to the end of its sentence."""
    assert "..." not in _run([*([group] if group else []), "--help"]).output.partition("Commands:")[2]


def test_every_bad_setting_is_a_line(tmp_path: Path) -> None:
    """An unknown name and a wrong value are told together, one line each."""
    result = _run(["up", "--data", str(tmp_path)], HERAUT_TYPO="1", HERAUT_LOG="papyrus")

    assert result.exit_code == 2
    assert [
        "heraut: HERAUT_TYPO is not a setting of Heraut",
        f"heraut: HERAUT_LOG: must be one of {', '.join(LOGS)}",
    ] == result.output.splitlines()


def test_a_document_that_is_no_json_is_told_by_line(tmp_path: Path) -> None:
    """The user reads in which line of the document the error is."""
    file = tmp_path / "incident.json"
    file.write_text('{"title":\n oops}', encoding="utf-8")
    result = _run(["incident", "put", str(file), "--data", str(tmp_path)])

    assert (2, True) == (result.exit_code, bool(re.search(r"not JSON.*line 2", result.output)))
