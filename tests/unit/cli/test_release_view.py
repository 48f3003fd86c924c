"""How a release goes, in words: what is left of a canary, how hand-overs ended, who paused it and why."""

from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.commands import cohort as cohorts
from services.cli.commands import incident as incidents
from services.cli.release_view import release_lines, rule_rows


def _rule(rule: str, channel: str | None, count: int, of: int, *, above: float) -> dict[str, Any]:
    share = count / of if of else None
    about = {"rule": rule, "channel": channel, "count": count, "of": of}
    return {**about, "share": share, "above": above, "enough": of >= 50}


def _going(**changed: Any) -> dict[str, Any]:
    none = {"accepted": 0, "refused": 0}
    stated = {
        "released": True, "canary": 500, "perDay": None, "letGo": 480, "left": 20, "told": 470,
        "channels": {"portal": none, "email": {"accepted": 400, "refused": 9}, "letter": none},
        "complaints": 0, "bounced": 3, "returned": 0,
        "rules": [
            _rule("refused", "email", 9, 409, above=0.1),
            _rule("returned", "letter", 0, 0, above=0.05),
            _rule("complaints", None, 1, 40, above=0.02),
        ],
    }  # fmt: skip
    return stated | changed


def _stands(**changed: Any) -> dict[str, Any]:
    return {"paused": False, "pauseId": None, "pausedBy": None, "stopped": None, "releaseAsked": None} | changed


FOUND = {"rule": "refused", "channel": "email", "count": 52, "of": 409, "above": 0.1}


@pytest.mark.parametrize(
    ("going", "stands", "lines"),
    [
        (
            _going(),
            _stands(),
            [
                "released: a canary of 500: 480 let go, 20 left, 470 told",
                "hand-overs by email: 400 accepted, 9 refused",
                "as people counted: 3 bounced",
            ],
        ),
        (
            _going(released=False, left=None, bounced=0, channels={}),
            _stands(releaseAsked={"all": True}, releaseAskedBy="anna"),
            ["not released; anna asked for a release that waits"],
        ),
        (
            _going(canary=None, left=None, channels={}, bounced=0),
            _stands(paused=True, pauseId="wave-1.4", pausedBy="rule:refused", stopped=FOUND),
            [
                "released: 480 let go, 470 told",
                "paused by rule:refused: wave-1.4",
                "stopped: refused, 52 of 409 by email, more than 10%",
            ],
        ),
        (
            _going(canary=None, left=None, channels={}, bounced=0),
            _stands(paused=True, pauseId="wave-1.4"),
            ["released: 480 let go, 470 told", "paused by the pause of its incident: wave-1.4"],
        ),
        (
            _going(released=False, left=None, bounced=0, channels={}),
            _stands(cancelled=True),
            ["cancelled, for good: who was not told by then is not"],
        ),
    ],
    ids=["a canary", "asked for", "stopped", "paused with its incident", "cancelled"],
)
def test_a_release_in_words(going: dict[str, Any], stands: dict[str, Any], lines: list[str]) -> None:
    """Whoever looks sees whether it goes, how well, and whom to ask."""
    assert lines == list(release_lines(going, stands))


def test_rules_of_which_there_is_something_are_shown() -> None:
    """With how near they are, and whether there is enough to tell."""
    assert [
        ["refused", "email", "2.2%", "10%", "9 of 409"],
        ["complaints", "all", "2.5%", "2%", "1 of 40, too few to stop"],
    ] == rule_rows(_going())


def test_figures_are_sent_as_they_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are left out are not sent, and all that are known are shown."""
    sent: list[Any] = []

    def call(*path: Any, json: Any) -> Any:
        sent.append((path[-1], json))
        return {"complaints": 3, "bounced": 0, "returned": 40}

    monkeypatch.setattr(cohorts, "call", call)
    names = ["figures", "--incident", "lab", "--cohort", "wave-1"]
    shown = CliRunner().invoke(cohorts.cohort, [*names, "--complaints", "3"])
    nothing = CliRunner().invoke(cohorts.cohort, names)

    assert [("figures", {"complaints": 3})] == sent
    assert "lab/wave-1: 3 complaints, 0 bounced, 40 returned" in shown.output
    assert 2 == nothing.exit_code


@pytest.mark.parametrize(("action", "said"), [("pause", "lab paused: two seconds from now"), ("resume", "lab goes on")])
def test_an_incident_is_paused_and_resumed(action: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is paused is listed, and by whom where it was not with the incident."""
    pauses = [
        {"cohortId": "wave-1", "pauseId": "wave-1.4", "pausedBy": None},
        {"cohortId": "wave-2", "pauseId": "wave-2.2", "pausedBy": "rule:bounced"},
    ]
    monkeypatch.setattr(incidents, "call", lambda *path, json: {"pauses": pauses, "path": path, "json": json})
    shown = CliRunner().invoke(incidents.incident, [action, "lab"])

    assert said in shown.output
    assert "wave-1\twave-1.4\twith its incident\nwave-2\twave-2.2\trule:bounced" in shown.output
