"""Ties and conflicts, as the command line fetches and shows them."""

from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.commands import identity as commands
from services.cli.identity_list import all_identities, show_conflicts, show_judgements

RECORD = {"memberRef": "m-1", "record": "aa", "version": 2, "cohortId": "wave-1", "source": "lab", "kind": "held"}


def test_every_page_of_all_is_fetched() -> None:
    """Each goes on by its own cursor, and an answer that goes on with one has no more of the other."""
    pages: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {
        (): {"ties": [1], "next": 7, "conflicts": ["a"], "nextConflict": "0a", "judgements": [], "nextJudgement": 1},
        (("afterJudgement", "1"),): {"judgements": ["j"], "nextJudgement": None},
        (("after", "7"),): {"ties": [2], "next": None},
        (("afterConflict", "0a"),): {"conflicts": ["b"], "nextConflict": "0b"},
        (("afterConflict", "0b"),): {"conflicts": ["c"], "nextConflict": None},
    }

    found = all_identities(lambda query: pages[tuple(query.items())], {})

    assert {"ties": [1, 2], "conflicts": ["a", "b", "c"], "judgements": ["j"]} == found


def test_a_source_gets_conflicts_alone() -> None:
    """Its answers have no ties."""
    assert {"conflicts": []} == all_identities(lambda _: {"conflicts": [], "nextConflict": None}, {})


def test_records_stand_under_their_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    """As the command takes them: by memberRef, or by id where that is not found any more. Others are counted."""
    records = [RECORD | {"reason": "deceased-conflict"}, RECORD | {"memberRef": None, "reason": "unreachable"}]
    show_conflicts([{"conflict": "0a", "records": records, "others": 3}])

    assert [
        "1\twave-1/m-1@2\tlab\theld\tdeceased-conflict",
        "1\taa@2\tlab\theld\tunreachable",
        "1\tand 3 more\t\t\t",
    ] == capsys.readouterr().out.split("\n")[1:4]


def test_what_was_said_of_records_stands_with_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it holds, was undone, or is about what a record does not say any more; a source sees not who decided."""
    records = [RECORD | {"holds": True}, RECORD | {"memberRef": None, "holds": False}]
    said = {"judgement": 4, "people": "one", "undoneAt": None, "records": records, "others": 0}
    undone = {"undoneAt": "2025-08-01", "judgement": 5, "records": records[:1], "others": 1}
    show_judgements([said | {"decidedBy": "operator", "evidence": "register"}, said | undone])

    assert [
        "4\tone\toperator\tregister\twave-1/m-1@2\tholds",
        "4\tone\toperator\tregister\taa@2\tcorrected since",
        "5\tone\t\t\twave-1/m-1@2\tundone",
        "5\tone\t\t\tand 1 more\t",
    ] == capsys.readouterr().out.split("\n")[1:5]


def test_settle_sends_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records by memberRef or by id, with the version if one is said; an `@` may stand in a memberRef."""
    sent: list[Any] = []
    answer = {"judgement": 4, "people": "one", "undone": False, "changed": True, "told": "maybe"}

    def call(*_: object, json: Any) -> dict[str, Any]:
        sent.append(json)
        return answer

    monkeypatch.setattr(commands, "call", call)
    given = ["settle", "wave-1/m/1@2", "0" * 32 + "@1", "wave-1/m@x", "--one", "--incident", "lab"]
    shown = CliRunner().invoke(commands.identity, [*given, "--evidence", "register"], catch_exceptions=False)

    assert [
        {"cohortId": "wave-1", "memberRef": "m/1", "version": 2}, {"record": "0" * 32, "version": 1},
        {"cohortId": "wave-1", "memberRef": "m@x"},
    ] == sent[0]["records"]  # fmt: skip
    assert "lab: judgement 4 (one) stands; somebody may have been told already: that stays\n" == shown.output


@pytest.mark.parametrize("given", [["wave-1/m-1"], ["wave-1/m-1", "m-2"], ["wave-1/m-1", "/m-2"]])
def test_settle_takes_records_by_name_alone(given: list[str]) -> None:
    """Two or more."""
    said = ["--different", "--incident", "lab", "--evidence", "person"]

    assert 2 == CliRunner().invoke(commands.identity, ["settle", *given, *said]).exit_code
