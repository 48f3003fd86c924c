"""A ledger as text: what was answered, told as a share of those who should be."""

from typing import Any

import pytest

from services.cli.ledger_table import show_ledger
from services.tracking.api import ledger_json
from services.tracking.ledger import CohortLine, Ledger, Line


@pytest.fixture
def answered() -> dict[str, Any]:
    """Return the answer for an incident of one cohort, half of it missing."""
    line = Line(declared=1_000, received=500, missing=500, accepted=500, notified=460, merged=40)
    return ledger_json(Ledger("lab", "A breach", (CohortLine("wave-1", "Lab", line, balanced=True, first_at=None),)))


def test_told_is_a_share_of_those_who_should_be(answered: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Who is missing is among them; the figures are those that were answered."""
    show_ledger(answered)

    names, cohort, all_cohorts = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    told = {"notified": "460", "to be told": "960", "told": "47%", "balanced": "yes"}
    assert [told, told] == [{name: row[names.index(name)] for name in told} for row in (cohort, all_cohorts)]
