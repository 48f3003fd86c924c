"""What `heraut cohort` shows of intake's answers, and the status that it ends with."""

from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.client import Refused, incidents_instead
from services.cli.commands import cohort as commands
from services.cli.commands.cohort import _check_answer, _show_answer
from services.cli.console import Fault


def an_answer(**changed: Any) -> dict[str, Any]:
    """Return intake's answer to an upload of which all was taken."""
    stated = {"received": 3, "accepted": 3, "rejected": 0, "unreadable": 0, "warnings": 0, "problems": []}
    return stated | changed


def a_problem(line: int, problem: str, severity: str, ref: str | None = "m-1") -> dict[str, Any]:
    """Return one problem of an answer."""
    return {"line": line, "memberRef": ref, "field": "email", "problem": problem, "severity": severity}


@pytest.mark.parametrize("answer", [an_answer(), an_answer(warnings=3)])
def test_everybody_taken_is_done(answer: dict[str, Any]) -> None:
    """With warnings alone the people are taken: the command ends well."""
    _check_answer(answer)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"rejected": 2}, "2 rejected"),
        ({"unreadable": 1}, "1 unreadable"),
        ({"rejected": 2, "unreadable": 1, "warnings": 1}, "2 rejected, 1 unreadable"),
    ],
)
def test_whoever_was_not_taken_ends_the_command_with_one(changed: dict[str, int], told: str) -> None:
    """A script sees by the status that somebody is missing, and a human how many."""
    with pytest.raises(Fault) as caught:
        _check_answer(an_answer(**changed))

    assert (1, f"not everybody was taken: {told}") == (caught.value.exit_code, caught.value.message)


def test_warnings_and_rejections_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """The counts name both, and in the table what must be put right stands before what may."""
    problems = [a_problem(2, "invalid-email", "warning"), a_problem(3, "invalid-bsn", "error", None)]
    _show_answer(an_answer(accepted=2, rejected=1, warnings=1, problems=problems))
    shown = capsys.readouterr()

    assert ["error\t3\t", "warning\t2\tm-1"] == [line.rsplit("\t", 1)[0] for line in shown.out.splitlines()[1:]]
    assert "email is no e-mail address" in shown.out
    assert "3 received, 2 accepted, 1 rejected, 1 accepted with warnings" in shown.err


def test_body_that_cannot_be_read_is_told_by_its_first_lines() -> None:
    """A file of which no line is a record says so in some lines, not in a thousand."""
    problems = [{"line": at, "memberRef": None, "field": None, "problem": "invalid-json"} for at in range(1, 1_001)]
    refused = Refused(400, {"title": "No line can be read", "problems": problems})
    lines = refused.message.splitlines()

    assert (2, "No line can be read", "line 1: the record is no JSON: each line is one whole object") == (
        refused.exit_code,
        *lines[:2],
    )
    assert ("and 980 more", 22) == (lines[-1], len(lines))


def test_a_detail_that_leads_to_the_problems_is_not_told_beside_them() -> None:
    """They stand below it; one that says more is."""
    problems = [{"field": "controller.email", "problem": "must be an address"}]
    led = {"title": "It cannot be taken", "detail": "`problems` lists all faults.", "problems": problems}
    more = led | {"detail": "The old one stays."}

    assert ["It cannot be taken", "It cannot be taken: The old one stays."] == [
        Refused(400, body).message.splitlines()[0] for body in (led, more)
    ]


def test_columns_of_an_answer_are_told_in_words() -> None:
    """Where the server alone saw the header, what is likely meant is told as `check` tells it."""
    body = {"title": "The header row cannot be used", "problems": [{"field": "famlyName", "problem": "unknown-column"}]}

    assert "famlyName is no field of a member record; did you mean familyName?" in Refused(400, body).message


def test_incident_that_is_not_known_is_told_with_those_that_are() -> None:
    """A typo is seen at once, and so is that there is none yet."""
    assert ["did you mean lab? known are: lab, bank"] == incidents_instead("labb", ["lab", "bank"])
    assert ["known are: lab"] == incidents_instead("fire", ["lab"])
    assert ["no incident is known yet: `heraut incident put FILE`"] == incidents_instead("lab", [])


def test_a_release_that_is_stopped_names_cohorts_and_texts() -> None:
    """Who writes the texts sees which, and who waits for them."""
    problems = [{"field": "content.advice.en", "problem": "is still to be written", "cohortId": "wave-1"}]
    refused = Refused(409, {"title": "Texts are missing that people would read", "problems": problems})

    assert "wave-1: content.advice.en: is still to be written" == refused.message.splitlines()[1]


@pytest.mark.parametrize(
    ("released", "said"), [(True, "wave-1 released"), (False, "waits until somebody else does `heraut cohort approve`")]
)
def test_a_release_that_is_only_asked_for_says_so(
    released: bool,  # noqa: FBT001 - a row of a table
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody takes an asking for a release."""
    monkeypatch.setattr(commands, "call", lambda *_, **__: {"released": released})
    arguments = ["release", "--incident", "lab", "--cohort", "wave-1", "--all"]

    assert said in CliRunner().invoke(commands.cohort, arguments, catch_exceptions=False).output


@pytest.mark.parametrize(
    ("option", "body", "said"),
    [
        (["--canary", "500"], {"canary": 500}, "wave-1 released: a canary of 500"),
        (["--pace", "500/day"], {"perDay": 500}, "wave-1 released: 500 a day"),
        (["--all"], {"all": True}, "wave-1 released"),
    ],
)
@pytest.mark.parametrize("command", ["release", "approve"])
def test_a_release_says_how_much_may_go(
    command: str, option: list[str], body: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for and what is approved are said in the same words."""
    sent: list[Any] = []

    def call(*_: Any, json: Any) -> Any:
        sent.append(json)
        return {"released": True, "releaseAsked": None, **json}

    monkeypatch.setattr(commands, "call", call)
    shown = CliRunner().invoke(commands.cohort, [command, "--incident", "lab", "--cohort", "wave-1", *option])

    assert (0, [body]) == (shown.exit_code, sent)
    assert said in shown.output


def test_an_approval_of_whatever_was_asked_for_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an option it is what was asked for, and a pause says its id."""
    sent: list[Any] = []

    def call(*_: Any, json: Any) -> Any:
        sent.append(json)
        return {"released": True, "canary": 5, "perDay": None, "pauseId": "wave-1.4"}

    monkeypatch.setattr(commands, "call", call)
    names = ["--incident", "lab", "--cohort", "wave-1"]
    shown = [CliRunner().invoke(commands.cohort, [act, *names]).output for act in ("approve", "pause", "resume")]

    assert [{}, {}, {}] == sent
    assert ["released: a canary of 5", "paused: wave-1.4", "goes on"] == [
        said.partition("wave-1 ")[2].strip() for said in shown
    ]
