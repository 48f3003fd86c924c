"""A release takes effect after everything that was acknowledged before it: intake's process, deduplication's stage."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from services.kit.config import ServiceConfig, load
from services.kit.vault.key_files import load_keys
from tests.conftest import RoomPool
from tests.integration.intake.conftest import a_document
from tests.integration.malformed.process import intake_process
from tests.integration.release.deduplicating import EVERY_PARTITION, Deduplicating
from tests.integration.stage.room import Breaking
from tests.unit.intake.builders import a_record

COHORT = "/v1/incidents/lab/cohorts/wave-1"
PEOPLE = 40
KEYS = [f"{person:064x}" for person in range(2 * PEOPLE)]


@dataclass
class Installation:
    """Intake as its sources know it, and deduplication behind it."""

    source: ClientSession
    room: Deduplicating

    async def opened(self, cohort: str = COHORT, **said: Any) -> None:
        """Open a cohort."""
        async with self.source.put(cohort, json={"source": "lab", **said}) as response:
            assert response.ok

    async def sent(
        self, street: str, *, keys: Collection[str] = KEYS[:PEOPLE], cohort: str = COHORT, deceased: bool | None = None
    ) -> None:
        """Have everybody's record taken; it is durable when this returns."""
        said = {"street": street, "deceased": deceased, "bsn": None, "email": None, "portalId": None}
        rows = [a_record(memberRef=f"m-{at}", personKey=key, **said) for at, key in enumerate(keys)]
        headers = {"Content-Type": "application/x-ndjson"}
        async with self.source.post(
            f"{cohort}/members", data=b"\n".join(map(orjson.dumps, rows)), headers=headers
        ) as r:
            answer = await r.json()
            assert (202, len(rows)) == (r.status, answer["accepted"])

    async def uploaded(self, *records: Mapping[str, Any], cohort: str = COHORT) -> Any:
        """Send records, and return the answer."""
        headers = {"Content-Type": "application/x-ndjson"}
        body = b"\n".join(map(orjson.dumps, records))
        async with self.source.post(f"{cohort}/members", data=body, headers=headers) as response:
            return await response.json()

    async def filled(self) -> None:
        """Open the cohort and wait until everybody in it is known, by an old address."""
        await self.opened()
        await self.sent("Oude weg")
        await self.room.has_members(PEOPLE)

    async def put(self, **document: Any) -> int:
        """Put the incident's document; return its version."""
        async with self.source.put("/v1/incidents/lab", json=a_document(**document)) as response:
            assert response.ok
            return int((await response.json())["version"])

    async def released(self, cohort: str = COHORT) -> int:
        """Release a cohort; return the version that says so."""
        async with self.source.post(f"{cohort}/release", json={"all": True}) as response:
            assert response.ok
            return int((await response.json())["version"])


@pytest.fixture
async def installation(
    log_settings: dict[str, str], database_url: str, room_pool: RoomPool, tmp_path: Path
) -> AsyncIterator[Installation]:
    """Run intake on each log in turn; its incident is there."""
    config = load(ServiceConfig, {**log_settings, "HERAUT_DATABASE_URL": database_url})
    async with _intake(database_url, tmp_path, log_settings) as session:
        async with session.put("/v1/incidents/lab", json=a_document()) as response:
            assert response.ok
        keys = load_keys(tmp_path / "keys")
        yield Installation(session, Deduplicating(await room_pool("deduplication"), config, keys))


@asynccontextmanager
async def _intake(database_url: str, folder: Path, settings: Mapping[str, str]) -> AsyncIterator[ClientSession]:
    process = intake_process(database_url, folder, **settings)
    running = await asyncio.to_thread(process.__enter__)
    try:
        async with running.session() as session:
            yield session
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)


@pytest.mark.parametrize("behind", [EVERY_PARTITION, (3,)], ids=["all", "one"])
async def test_nobody_is_told_at_an_address_that_was_corrected_before_the_release(
    installation: Installation, behind: Collection[int]
) -> None:
    """Corrections acknowledged, then the release, with partitions of deduplication behind: they wait, others go."""
    room = installation.room
    async with room.running():
        await installation.filled()
        room.gate.shut = behind
        await installation.sent("Nieuwe weg")
        await room.knows("lab", "wave-1", await installation.released())
        early = await room.notices()
        room.gate.shut = ()
        told = await room.told(PEOPLE)

    assert not early.keys() & set(behind)
    assert {2} == {version for versions in told.values() for version in versions}
    assert PEOPLE == sum(map(len, told.values()))


async def test_nobody_is_told_over_a_channel_that_was_opened_after_a_correction(installation: Installation) -> None:
    """Released, corrected, and only then are letters opened: that waits where deduplication is behind, others go."""
    room = installation.room
    async with room.running():
        await installation.put(compromisedChannels=["letter"])
        await installation.filled()
        await room.knows("lab", "wave-1", await installation.released())
        room.gate.shut = (3,)
        await installation.sent("Nieuwe weg")
        await room.has_version("lab", await installation.put())
        early = await room.notices()
        room.gate.shut = ()
        told = await room.told(PEOPLE)

    assert 3 not in early
    assert {2} == {version for versions in told.values() for version in versions}
    assert PEOPLE == sum(map(len, told.values()))


async def test_nobody_is_told_what_was_corrected_under_another_identity(installation: Installation) -> None:
    """Known by name and birth date, corrected, and only then tied to a number elsewhere: no partition goes ahead."""
    room, names = installation.room, [f"Naam{chr(ord('a') + at)}" for at in range(20)]
    at_first = [_by_name(name, street="Oude weg") for name in names]
    async with room.running():
        await installation.opened()
        await installation.uploaded(*at_first)
        await room.has_members(len(names))
        room.gate.shut = range(4)
        await installation.uploaded(*(_by_name(name, street="Nieuwe weg") for name in names))
        numbered = [a_record(memberRef=name, familyName=name, bsn=bsn(at)) for at, name in enumerate(names)]
        await installation.uploaded(*numbered)
        await room.knows("lab", "wave-1", await installation.released())
        early = await room.notices()
        room.gate.shut = ()
        told = await room.told(len(names))

    assert {} == early
    assert {2: len(names)} == Counter(version for versions in told.values() for version in versions)


def _by_name(name: str, **said: Any) -> Mapping[str, Any]:
    return a_record(memberRef=f"of-{name}", familyName=name, bsn=None, personKey=None, **said)


def bsn(number: int) -> str:
    """Return one of the numbers that citizens may have."""
    first = [int(digit) for digit in f"{10_000_000 + 7 * number:08}"]
    last = sum(weight * digit for weight, digit in zip(range(9, 1, -1), first, strict=True)) % 11
    return "".join(map(str, first)) + str(last) if last < 10 else bsn(number + 1_000)


ON_THE_EMBEDDED_LOG = pytest.mark.parametrize("log_settings", ["postgres"], indirect=True)


@ON_THE_EMBEDDED_LOG
@pytest.mark.parametrize("behind", [range(4), range(4, 8)], ids=["low", "high"])
async def test_correction_that_moves_a_person_to_another_partition_is_not_overtaken(
    installation: Installation, behind: Collection[int]
) -> None:
    """Taken back in one partition, accepted in another, either of them behind: nobody is told as who they are not."""
    room = installation.room
    async with room.running():
        await installation.filled()
        room.gate.shut = behind
        await installation.sent("Nieuwe weg", keys=KEYS[PEOPLE:])
        await room.knows("lab", "wave-1", await installation.released())
        early = await room.notices()
        room.gate.shut = ()
        told = await room.told(PEOPLE)
        await room.knows("lab", "wave-1", 2)

    assert not early.keys() & set(behind)
    assert {2} == {version for versions in told.values() for version in versions}
    assert told == await room.notices()
    assert PEOPLE == sum(map(len, told.values()))


@ON_THE_EMBEDDED_LOG
async def test_what_another_cohort_said_before_the_release_counts(installation: Installation) -> None:
    """Whom another source calls deceased nobody writes to, though the cohort that says so is not released."""
    room, other = installation.room, COHORT.replace("wave-1", "other")
    async with room.running():
        await installation.opened()
        await installation.opened(other)
        await installation.sent("Oude weg")
        await room.has_members(PEOPLE)
        room.gate.shut = EVERY_PARTITION
        await installation.sent("Oude weg", cohort=other, deceased=True)
        await room.knows("lab", "wave-1", await installation.released())
        room.gate.shut = ()
        await room.has_members(2 * PEOPLE)
        await room.knows("lab", "wave-1", 2)

    assert {} == await room.notices()


@ON_THE_EMBEDDED_LOG
async def test_auto_release_that_is_set_late_waits_as_well(installation: Installation) -> None:
    """Set while people are corrected, it is a release like any other; set at the opening, it holds nobody up."""
    room, other = installation.room, COHORT.replace("wave-1", "other")
    async with room.running():
        await installation.filled()
        room.gate.shut = EVERY_PARTITION
        await installation.sent("Nieuwe weg")
        await installation.opened(autoRelease=True)
        await installation.opened(other, autoRelease=True)
        await installation.sent("Vers pad", keys=KEYS[PEOPLE:], cohort=other)
        await room.knows("lab", "wave-1", 2)
        early = await room.notices()
        room.gate.shut = ()
        told = await room.told(2 * PEOPLE)

    assert {} == early
    versions = [version for versions in told.values() for version in versions]
    assert (PEOPLE, PEOPLE) == (versions.count(1), versions.count(2))


@ON_THE_EMBEDDED_LOG
@pytest.mark.parametrize("later", ["nothing", "seal", "declared"])
async def test_a_restart_forgets_nothing_of_a_release(installation: Installation, later: str) -> None:
    """A process that begins after the release knows what it comes after, from whichever later version of the cohort."""
    room = installation.room
    async with room.running():
        await installation.filled()
    await installation.sent("Nieuwe weg")
    version = await installation.released()
    if later == "seal":
        async with installation.source.post(f"{COHORT}/seal") as response:
            version = (await response.json())["version"]
    elif later == "declared":
        await installation.opened(declaredCount=PEOPLE)
        version += 1
    room.gate.shut = EVERY_PARTITION
    async with room.running():
        await room.knows("lab", "wave-1", version)
    early = await room.notices()
    room.gate.shut = ()
    async with room.running():
        told = await room.told(PEOPLE)

    assert {} == early
    assert {2} == {version for versions in told.values() for version in versions}


@ON_THE_EMBEDDED_LOG
@pytest.mark.parametrize("step", ["batch: applied", "batch: committing", "batch: committed"])
async def test_a_commit_that_was_lost_lets_no_release_pass(installation: Installation, step: str) -> None:
    """The corrections before a release are lost with their commit, or only its answer is: taken once, then told."""
    room = installation.room
    async with room.running():
        await installation.filled()
    await installation.sent("Nieuwe weg")
    version = await installation.released()
    breaking = Breaking(step, ConnectionError("as the test asked"))
    async with room.running(breaking):
        await room.knows("lab", "wave-1", version)
        told = await room.told(PEOPLE)

    assert breaking.seen[step] >= 1
    assert {2} == {version for versions in told.values() for version in versions}
    assert PEOPLE == sum(map(len, told.values()))


@ON_THE_EMBEDDED_LOG
async def test_who_comes_after_the_release_of_an_open_cohort_goes_as_well(installation: Installation) -> None:
    """A cohort may be released while it is open: one with nobody in it lets go of everybody who comes, at once."""
    room = installation.room
    async with room.running():
        await installation.opened()
        await room.knows("lab", "wave-1", await installation.released())
        await installation.sent("Oude weg", keys=KEYS[: PEOPLE // 2])
        first = await room.told(PEOPLE // 2)
        await installation.sent("Oude weg")
        told = await room.told(PEOPLE)

    assert PEOPLE // 2 == sum(map(len, first.values()))
    assert PEOPLE == sum(map(len, told.values()))


@ON_THE_EMBEDDED_LOG
async def test_a_correction_that_arrives_during_a_release_loses_nobody(installation: Installation) -> None:
    """Everybody is told once: with the correction where it was acknowledged first, else as it was before."""
    room = installation.room
    async with room.running():
        await installation.filled()
        _, version = await asyncio.gather(installation.sent("Nieuwe weg"), installation.released())
        await room.knows("lab", "wave-1", version)
        told = await room.told(PEOPLE)
        await room.knows("lab", "wave-1", version)

    assert told == await room.notices()
    assert PEOPLE == sum(map(len, told.values()))
