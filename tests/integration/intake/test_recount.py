"""Intake's figures agree with its rows whatever was sent, at every moment; what was bent is found."""

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.__main__ import heraut
from services.cli.recount import recount
from tests.integration.intake.conftest import COHORT, Intake
from tests.integration.intake.test_uploads import HEADER, a_row, rows

OTHER = "/v1/incidents/lab/cohorts/wave-2"


async def _figures(database_url: str, incident_id: str | None = None) -> dict[tuple[str, str], tuple[int, int]]:
    """Return what intake counted and what its rows come to, by scope and figure."""
    found = await recount(database_url, incident_id)
    return {(one.scope, one.figure): (one.counted, one.rows) for one in found if one.room == "intake"}


async def _send(intake: Intake) -> None:
    """Send two cohorts, with everything that moves a figure and everything that must not."""
    await intake.put(OTHER, {"source": "lab", "declaredCount": 3})
    await intake.upload(rows(5) + a_row("bad", bsn="123456789") + a_row("worse", bsn="1"))
    await intake.upload(rows(5))  # the same again
    await intake.upload(HEADER + a_row("m-0", city="Breda"))  # a correction
    await intake.upload(HEADER + a_row("bad"))  # rejected, and right now
    await intake.upload(HEADER + a_row("m-1", bsn="1"))  # accepted, and wrong later: stays accepted
    await intake.upload(rows(4), cohort=OTHER)


async def test_figures_agree_after_everything_that_may_come(intake: Intake, database_url: str) -> None:
    """Repeats, corrections, rejections and records that are mended: each figure is what its rows come to."""
    await _send(intake)

    assert {
        ("lab/wave-1", "received"): (7, 7),
        ("lab/wave-1", "rejected"): (1, 1),
        ("lab/wave-1", "accepted"): (6, 6),
        ("lab/wave-1", "discarded"): (0, 0),
        ("lab/wave-2", "received"): (4, 4),
        ("lab/wave-2", "rejected"): (0, 0),
        ("lab/wave-2", "accepted"): (4, 4),
        ("lab/wave-2", "discarded"): (0, 0),
    } == await _figures(database_url)


async def test_figures_agree_after_records_were_taken_back(intake: Intake, database_url: str) -> None:
    """A member that is withdrawn stays accepted; a rejected record that is withdrawn is accepted, and discarded."""
    await _send(intake)
    for ref in ("m-2", "worse"):
        await intake.post(f"{COHORT}/withdrawals", {"memberRef": ref})
    figures = await _figures(database_url, "lab")

    assert {"received": (7, 7), "rejected": (0, 0), "accepted": (7, 7), "discarded": (1, 1)} == {
        figure: found for (scope, figure), found in figures.items() if scope == "lab/wave-1"
    }


@pytest.mark.usefixtures("intake")
async def test_a_cohort_of_which_nothing_came_is_counted(database_url: str) -> None:
    """Nothing and no rows agree; an incident that is not known has no figures at all."""
    assert {(0, 0)} == set((await _figures(database_url, "lab")).values())
    assert {} == await _figures(database_url, "la")


@pytest.mark.parametrize(
    ("bend", "found"),
    [
        ("delete from members where member = (select min(member) from members where cohort = 1)",
         ["lab/wave-1: intake counted 7 received, and has rows of 6",
          "lab/wave-1: intake counted 6 accepted, and has rows of 5"]),
        ("delete from rejections",
         ["lab/wave-1: intake counted 7 received, and has rows of 6",
          "lab/wave-1: intake counted 1 rejected, and has rows of 0"]),
        ("update totals set counts[3] = 5 where scope = 'lab/wave-2'",
         ["lab/wave-2: intake counted 5 accepted, and has rows of 4"]),
        ("update members set cohort = 77 where cohort = 2",
         ["?/77: intake counted 0 received, and has rows of 4",
          "?/77: intake counted 0 accepted, and has rows of 4",
          "lab/wave-2: intake counted 4 received, and has rows of 0",
          "lab/wave-2: intake counted 4 accepted, and has rows of 0"]),
        ("delete from totals where scope = 'lab/wave-2'",
         ["lab/wave-2: intake counted 0 received, and has rows of 4",
          "lab/wave-2: intake counted 0 accepted, and has rows of 4"]),
    ],
)  # fmt: skip
async def test_what_was_bent_is_found(intake: Intake, database_url: str, bend: str, found: list[str]) -> None:
    """A row that is gone, a counter that moved alone, rows of nobody: named by cohort and figure."""
    await _send(intake)
    await intake.pool.execute(bend)

    assert found == [str(one) for one in await recount(database_url) if not one.agrees]


async def _command(database_url: str, incident_id: str) -> tuple[int, dict[tuple[str, str], bool], str]:
    """Run `heraut ledger --recount`; return its exit status, which cohorts agree, and what it says of the others."""
    arguments = ["ledger", "--recount", "--incident", incident_id, "--json"]
    done = await asyncio.to_thread(CliRunner(env={"HERAUT_DATABASE_URL": database_url}).invoke, heraut, arguments)
    shown: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"cohorts": [], "agrees": False}
    cohorts = {(one["incidentId"], one["cohortId"]): one["agrees"] for one in shown["cohorts"]}
    assert shown["agrees"] == (done.exit_code == 0)
    return done.exit_code, cohorts, done.stderr


async def test_the_command_ends_with_1_where_any_differs_and_says_which(intake: Intake, database_url: str) -> None:
    """Who looks every night learns it from the exit status; an incident of which nothing is known is not in order."""
    await _send(intake)
    whole = await _command(database_url, "lab")
    await intake.pool.execute("delete from rejections")
    bent = await _command(database_url, "lab")
    status, cohorts, said = await _command(database_url, "lob")

    assert (0, {("lab", "wave-1"): True, ("lab", "wave-2"): True}, "") == whole
    assert (1, {("lab", "wave-1"): False, ("lab", "wave-2"): True}) == bent[:2]
    assert ["lab/wave-1: intake counted 7 received, and has rows of 6"] == bent[2].splitlines()[:1]
    assert (2, {}, True) == (status, cohorts, "no cohort of lob is known" in said)


async def test_figures_agree_at_every_moment(intake: Intake, database_url: str) -> None:
    """Figures and rows are read in one snapshot: what is committed meanwhile is in both, or in neither."""
    uploads = asyncio.gather(
        *(intake.upload(rows(2_000) + a_row("bad", bsn="1"), cohort=cohort) for cohort in (COHORT, COHORT)),
        *(intake.upload(HEADER + a_row(f"n-{at}") + a_row(f"bad-{at}", bsn="1")) for at in range(30)),
    )
    seen = set()
    while not uploads.done():
        figures = await _figures(database_url)
        assert {} == {name: both for name, both in figures.items() if both[0] != both[1]}
        seen.add(figures["lab/wave-1", "accepted"])
    await uploads

    assert len(seen) > 2
    assert (2_030, 2_030) == (await _figures(database_url))["lab/wave-1", "accepted"]
