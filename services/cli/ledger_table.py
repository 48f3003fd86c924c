"""A ledger as a table: its cohorts, the terms of its equations, and how many were told of those who should be."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from services.cli.console import Fault, out, table
from services.core.ledger import Disposition, percent

__all__ = ["cohort_row", "show_cohorts", "show_ledger"]

# Header and key of each term of the ledger's equations (interfaces: the ledger).
_EQUATIONS = ("declared", "missing", "received", "rejected", "accepted")
# By the words of a column's title, the key in an answer.
_TERMS = {term: term for term in _EQUATIONS} | {one.name.lower().replace("_", " "): one.value for one in Disposition}

_COLUMN_WIDTH = 14  # ten digits with their spaces, or a cohort's name


def show_ledger(one: Mapping[str, Any]) -> None:
    """Print the ledger of an incident: its cohorts and their sum."""
    total = {"cohortId": "all", **one["totals"], "balanced": one["balanced"]}
    show_cohorts(f"Ledger of {one['incidentId']}", [*one["cohorts"], total])


def show_cohorts(title: str | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print cohorts of a ledger: a column for each on a terminal where all fit side by side, else a line for each."""
    lines = [_cells(row) for row in rows]
    names = ("cohort", "source", *_TERMS, "to be told", "told", "balanced")
    if out.is_terminal and len(rows) * _COLUMN_WIDTH + 12 <= out.width:
        # The equations are read downwards. The sources' names are left out: they are wider than a column of figures.
        turned = [list(row) for row in zip(names, *lines, strict=True) if row[0] != "source"]
        table(title, turned[0], turned[1:])
    else:
        table(title, names, lines, left=2)


def _cells(row: Mapping[str, Any]) -> list[Any]:
    balanced = Text("yes", style="green") if row.get("balanced") else Text("NO", style="bold red")
    terms = [row.get(key) for key in _TERMS.values()]
    return [row["cohortId"], row.get("source") or "", *terms, row.get("toBeTold"), percent(row.get("told")), balanced]


def cohort_row(one: Mapping[str, Any], cohort_id: str) -> dict[str, Any]:
    """Return the row of one cohort in a ledger. Raises Fault where the ledger has no such cohort."""
    for row in one["cohorts"]:
        if row["cohortId"] == cohort_id:
            return dict(row)
    known = ", ".join(row["cohortId"] for row in one["cohorts"]) or "none yet"
    raise Fault(f"{one['incidentId']} has no cohort {cohort_id}; it has {known}", 2)
