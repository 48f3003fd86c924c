"""The problems of a cohort's records, as the command line fetches and shows them."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from services.cli.problem_list import all_problems, print_csv, show_problems, work_in
from services.cli.problem_words import WORDS
from services.core.status import unprintable
from services.core.unsettled import SHOWN_AS


async def test_every_page_is_fetched() -> None:
    """A cohort may have more problems than one answer holds."""

    async def read(query: dict[str, str]) -> Any:
        line, following = (2, None) if query else (1, "r.1.00")
        return {"incidentId": "lab", "cohortId": "wave-1", "problems": [{"line": line}], "next": following}

    assert [{"line": 1}, {"line": 2}] == (await all_problems(read))["problems"]


async def test_csv_goes_to_standard_output_as_it_is(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Bytes and line ends are those of the service."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"kind\r\n"
        yield b"held\r\n"

    await print_csv(pieces())

    assert b"kind\r\nheld\r\n" == capfdbinary.readouterr().out


def test_problems_are_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, all of them, with tabs between the cells."""
    held: dict[str, Any] = {"kind": "held", "memberRef": "m-1", "line": None, "reason": "unreachable"}
    held |= {"fields": [], "since": "now"}
    rejected = held | {"kind": "rejected", "reason": "too-long", "fields": ["street", "city"], "line": 7}
    show_problems([held, rejected])
    first, second = capsys.readouterr().out.splitlines()[1:]

    assert first.startswith("held\tm-1\t\tthe record can be written to on no channel")
    assert second.startswith("rejected\tm-1\t7\tstreet, city is longer than its limit")


def test_every_reason_has_words() -> None:
    """Whatever is listed to a source says what to do, and not only its code."""
    assert {shown.reason for shown in SHOWN_AS.values()} | {unprintable(())} <= WORDS.keys()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"rejected": 0, "heldReasons": {"unreleased": 9}, "identityConflicts": 0}, None),
        ({"rejected": 2, "heldReasons": {"notAtAddress": 1}}, "2 rejected, 1 held (not at address)"),
    ],
)
def test_status_says_what_is_work_for_the_source(row: Mapping[str, Any], said: str | None) -> None:
    """Rejected and held by reason; whoever waits for a release is nobody's work."""
    assert said == work_in(row)
