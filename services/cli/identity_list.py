"""Ties between identities, conflicts within one and judgements, as the command line fetches and shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.cli.console import number, table

__all__ = ["all_identities", "show_conflicts", "show_judgements", "show_ties"]

_CURSORS = {
    "ties": ("next", "after"),
    "conflicts": ("nextConflict", "afterConflict"),
    "judgements": ("nextJudgement", "afterJudgement"),
}


def all_identities(read: Callable[[dict[str, str]], Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the ties, conflicts and judgements that are asked for, page after page; `read` gets what a query asks for.

    A source gets no ties, and who asks for ties of one state gets ties alone.
    """
    found = {**read({**asked})}
    for listed, (following, after) in _CURSORS.items():
        at = found.pop(following, None)
        while at is not None:
            more = read({**asked, after: str(at)})
            found[listed] += more[listed]
            at = more[following]
    return found


def show_ties(ties: Sequence[Mapping[str, Any]]) -> None:
    """Print ties, with the fields that agree."""
    rows = [
        [number(one["tie"]), one["state"], one["decidedBy"], one["cohortId"], ", ".join(one["fields"])] for one in ties
    ]
    table("Ties", ("tie", "stands", "decided by", "shown in", "fields that agree"), rows, left=5)


def show_conflicts(conflicts: Sequence[Mapping[str, Any]]) -> None:
    """Print records that contradict each other, those of one conflict under its number."""
    rows = []
    for place, one in enumerate(conflicts, 1):
        rows += [
            [number(place), _named(record), *(record[key] for key in ("source", "kind", "reason"))]
            for record in one["records"]
        ]
        if one["others"]:
            rows.append([number(place), f"and {number(one['others'])} more", "", "", ""])
    table("Conflicts", ("conflict", "record", "source", "kind", "reason"), rows, left=5)


def show_judgements(judgements: Sequence[Mapping[str, Any]]) -> None:
    """Print what operators said of records, those of one judgement under its number."""
    rows = []
    for one in judgements:
        head = [number(one["judgement"]), one["people"], one.get("decidedBy", ""), one.get("evidence", "")]
        for record in one["records"]:
            stands = "undone" if one["undoneAt"] else "holds" if record["holds"] else "corrected since"
            rows.append([*head, _named(record), stands])
        if one["others"]:
            rows.append([*head, f"and {number(one['others'])} more", ""])
    table("Judgements", ("judgement", "people", "decided by", "evidence", "record", "stands"), rows, left=6)


def _named(record: Mapping[str, Any]) -> str:
    """Return a record as the command line takes it: in the version that this is said of."""
    ref = record["memberRef"]
    named = record["record"] if ref is None else f"{record['cohortId']}/{ref}"
    return f"{named}@{record['version']}"
