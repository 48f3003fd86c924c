"""What sources see of the members that deduplication holds, and how it goes away: both rooms, on each log."""

import asyncio
from typing import Any

from tests.integration.release.test_release import COHORT, KEYS, Installation, installation
from tests.unit.intake.builders import a_record
from tests.waiting import until

__all__ = ["installation"]  # the fixture

IDENTITIES = "/v1/incidents/lab/identities"
NOWHERE = {"email": None, "portalId": None, "street": None}
ANOTHER = {"familyName": "Bakker", "birthDate": "1981-01-01"}


async def _listed(installation: Installation) -> list[tuple[Any, ...]]:
    async with installation.source.get(f"{COHORT}/problems") as response:
        return [(p["kind"], p["memberRef"], p["reason"]) for p in (await response.json())["problems"]]


async def _shows(installation: Installation, *expected: tuple[str, str, str]) -> None:
    """Wait until exactly this is listed."""

    async def shows() -> bool:
        return sorted(expected) == sorted(await _listed(installation))

    await until(shows)


async def test_problems_come_and_go(installation: Installation) -> None:
    """Rejected, held and conflicting records are listed, and are not once they were corrected, after sealing too."""
    records = [
        a_record(memberRef="bad", bsn="1"),
        a_record(memberRef="nowhere", bsn="999990020", **NOWHERE),
        a_record(memberRef="one", bsn="999990032"),
        a_record(memberRef="another", bsn="999990032", **ANOTHER),
    ]
    async with installation.room.running(), asyncio.timeout(60.0):
        await installation.opened()
        await installation.uploaded(*records)
        await _shows(
            installation,
            ("rejected", "bad", "invalid-bsn"),
            ("held", "nowhere", "unreachable"),
            ("conflicting", "one", "identity-conflict"),
            ("conflicting", "another", "identity-conflict"),
        )
        async with installation.source.post(f"{COHORT}/seal") as response:
            assert response.ok
        await installation.uploaded(
            a_record(memberRef="bad"),
            a_record(memberRef="nowhere", bsn="999990020"),
            a_record(memberRef="another", bsn="999990044", **ANOTHER),
        )
        await _shows(installation)


async def test_who_is_parted_from_others_is_held_for_them_no_more(installation: Installation) -> None:
    """In whichever partitions the two identities lie: what is said last of a record holds."""
    pairs = [
        (
            a_record(memberRef=f"n-{at}", houseNumber=str(at + 1), bsn=None, personKey=key, deceased=True),
            a_record(memberRef=f"k-{at}", houseNumber=str(at + 1), bsn=None, deceased=False),
        )
        for at, key in enumerate(KEYS[:6])
    ]
    refs = [record["memberRef"] for pair in pairs for record in pair]
    async with installation.room.running(), asyncio.timeout(60.0):
        await installation.opened()
        await installation.uploaded(*(record for pair in pairs for record in pair))
        await _shows(installation, *(("held", ref, "deceased-conflict") for ref in refs))
        async with installation.source.get(IDENTITIES) as response:
            listed = await response.json()
        for tie in listed["ties"]:
            async with installation.source.post(IDENTITIES, json={"action": "untie", "tie": tie["tie"]}) as response:
                assert response.ok
        await _shows(installation)

    assert [2] * 6 == [len(conflict["records"]) for conflict in listed["conflicts"]]
