"""Ties between identities and conflicts within one, as the command line fetches and shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.cli.console import number, table

__all__ = ["all_identities", "show_conflicts", "show_ties"]

_CURSORS = {"ties": ("next", "after"), "conflicts": ("nextConflict", "afterConflict")}


def all_identities(read: Callable[[dict[str, str]], Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the ties and conflicts that are asked for, page after page; `read` gets what a query asks for.

    A source gets conflicts alone, and who asks for ties of one state gets ties alone.
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
        for record in one["records"]:
            ref = record["memberRef"] or record["record"]
            rows.append([number(place), ref, *(record[key] for key in ("cohortId", "source", "kind", "reason"))])
        if one["others"]:
            rows.append([number(place), f"and {number(one['others'])} more", "", "", "", ""])
    table("Conflicts", ("conflict", "memberRef", "cohort", "source", "kind", "reason"), rows, left=6)
