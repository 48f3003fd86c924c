"""An operator settles what two rooms found to contradict: from records over HTTP to notices and the ledger."""

import asyncio
from collections import Counter
from typing import Any

from services.core.ledger import COUNTERS
from services.tracking.ledger import Line, Totals, hear, ledger_of
from tests.integration.release.test_release import COHORT, Installation, installation
from tests.unit.intake.builders import a_record
from tests.waiting import until

__all__ = ["installation"]  # the fixture

IDENTITIES = "/v1/incidents/lab/identities"
# Two records of one number, day and month swapped: once they are two people's, once one person's.
TWO = [a_record(memberRef="a", bsn="999990032"), a_record(memberRef="b", bsn="999990032", birthDate="1970-05-03")]
ONE = [a_record(memberRef="c", bsn="999990044"), a_record(memberRef="d", bsn="999990044", birthDate="1970-05-03")]


async def _conflicts(installation: Installation) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each conflict, by the first of their memberRefs."""
    async with installation.source.get(IDENTITIES) as response:
        conflicts = (await response.json())["conflicts"]
    by_ref = [sorted(one["records"], key=lambda record: record["memberRef"]) for one in conflicts]
    return {records[0]["memberRef"]: records for records in by_ref}


async def _settled(installation: Installation, people: str, records: list[dict[str, Any]]) -> Any:
    seen = [{"record": one["record"], "version": one["version"]} for one in records]
    said = {"action": "settle", "people": people, "records": seen, "evidence": "register", "reference": "case-17"}
    async with installation.source.post(IDENTITIES, json=said) as response:
        assert 200 == response.status
        return await response.json()


async def _line(installation: Installation) -> Line:
    """Return the cohort as the ledger has it, by the counts of both rooms."""
    totals = [
        Totals("deduplication", row["scope"], dict(zip(COUNTERS["deduplication"], row["counts"], strict=False)), 0)
        for row in await installation.room.totals()
    ]
    async with installation.source.get(COHORT) as response:
        cohort = await response.json()
    counts = Counter({name: cohort[name] for name in ("received", "rejected", "accepted")})
    heard = hear([*totals, Totals("intake", "lab/wave-1", counts, 0)])
    assert heard["lab/wave-1"].agrees
    (line,) = ledger_of("lab", "", (), heard).cohorts
    return line.line


async def test_what_was_held_is_told_as_the_operator_says(installation: Installation) -> None:
    """Two notices where they are two people, one where it is one; the list is empty, and the ledger has everybody."""
    room = installation.room
    async with room.running(), asyncio.timeout(60.0):
        await installation.put(policy={"onIdentityConflict": "hold"})
        await installation.opened()
        await installation.uploaded(*TWO, *ONE)
        await room.knows("lab", "wave-1", await installation.released())

        async def is_listed() -> bool:
            return [2, 2] == [len(records) for records in (await _conflicts(installation)).values()]

        await until(is_listed)
        listed, held = await _conflicts(installation), await _line(installation)
        settled = [
            await _settled(installation, "different", listed["a"]),
            await _settled(installation, "one", listed["c"]),
        ]

        async def is_over() -> bool:
            return not await _conflicts(installation) and not (await _line(installation)).held

        await until(is_over)
        after = await _line(installation)

    assert (4, 4, 0) == (held.held, held.conflicting, held.in_flight)
    assert [(True, "maybe")] * 2 == [(one["changed"], one["told"]) for one in settled]
    assert (0, 0, 3, 1, 4) == (after.held, after.conflicting, after.in_flight, after.merged, after.accepted)
