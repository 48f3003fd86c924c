"""Ties and conflicts, as the command line fetches and shows them."""

from typing import Any

import pytest

from services.cli.identity_list import all_identities, show_conflicts

RECORD = {"memberRef": "m-1", "record": "aa", "cohortId": "wave-1", "source": "lab", "kind": "held"}


def test_every_page_of_both_is_fetched() -> None:
    """Each goes on by its own cursor, and an answer that goes on with one has no more of the other."""
    pages: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {
        (): {"ties": [1], "next": 7, "conflicts": ["a"], "nextConflict": "0a"},
        (("after", "7"),): {"ties": [2], "next": None},
        (("afterConflict", "0a"),): {"conflicts": ["b"], "nextConflict": "0b"},
        (("afterConflict", "0b"),): {"conflicts": ["c"], "nextConflict": None},
    }

    found = all_identities(lambda query: pages[tuple(query.items())], {})

    assert {"ties": [1, 2], "conflicts": ["a", "b", "c"]} == found


def test_a_source_gets_conflicts_alone() -> None:
    """Its answers have no ties."""
    assert {"conflicts": []} == all_identities(lambda _: {"conflicts": [], "nextConflict": None}, {})


def test_records_stand_under_their_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    """By memberRef, or by the record's id where that is not found any more; who is not shown is counted."""
    records = [RECORD | {"reason": "deceased-conflict"}, RECORD | {"memberRef": None, "reason": "unreachable"}]
    show_conflicts([{"conflict": "0a", "records": records, "others": 3}])

    assert [
        "1\tm-1\twave-1\tlab\theld\tdeceased-conflict",
        "1\taa\twave-1\tlab\theld\tunreachable",
        "1\tand 3 more\t\t\t\t",
    ] == capsys.readouterr().out.split("\n")[1:4]
