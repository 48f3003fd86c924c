"""The problems of a cohort's records, as the command line fetches and shows them."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.cli.console import number, out, say, table
from services.cli.problem_words import in_words
from services.core.ledger import HoldReason

__all__ = ["all_problems", "print_csv", "show_problems", "work_in"]

# A longer table does not fit on a screen; --csv and --json have everybody, and a pipe gets everybody too.
_SHOWN = 100
_NOBODYS_WORK = frozenset({"UNRELEASED", "PAUSED", "UNPRINTED"})  # they wait for an operator
_COLUMNS = ("kind", "memberRef", "line", "what", "since")


async def all_problems(read: Callable[[dict[str, str]], Awaitable[Any]]) -> dict[str, Any]:
    """Return all problems of a cohort, page after page; `read` gets the page that a query asks for."""
    page = await read({})
    problems = page["problems"]
    while page["next"]:
        page = await read({"after": page["next"]})
        problems += page["problems"]
    return {"incidentId": page["incidentId"], "cohortId": page["cohortId"], "problems": problems}


async def print_csv(pieces: AsyncIterator[bytes]) -> None:
    """Write CSV to standard output, as it comes."""
    async for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def show_problems(problems: Sequence[Mapping[str, Any]]) -> None:
    """Print problems: on a terminal the first of them."""
    if not problems:
        say("nobody is rejected, held or told apart from others")
        return
    shown = problems[:_SHOWN] if out.is_terminal else problems
    table("Problems", _COLUMNS, [_row(one) for one in shown], left=len(_COLUMNS))
    if len(shown) < len(problems):
        say(f"and {number(len(problems) - len(shown))} more; --csv or --json has all of them")


def work_in(row: Mapping[str, Any]) -> str | None:
    """Return in words how many records of a ledger's row are work for their source, and why; None where none is."""
    held = row.get("heldReasons") or {}
    figures = [(row.get("rejected"), "rejected")]
    figures += [(held.get(one.key), f"held ({one.value})") for one in HoldReason if one.name not in _NOBODYS_WORK]
    figures += [(row.get("identityConflicts"), "with an identity that is somebody else's too")]
    figures += [(row.get("uncorrected"), "by which somebody was told what is not theirs")]
    return ", ".join(f"{number(count)} {words}" for count, words in figures if count) or None


def _row(one: Mapping[str, Any]) -> list[str]:
    what = in_words(", ".join(one["fields"]) or None, one["reason"])
    return [_cell(one["kind"]), _cell(one["memberRef"]), _cell(one["line"]), what, _cell(one["since"])]


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
