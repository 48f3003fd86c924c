"""Keys are rotated between two uploads: intake's real application, and deduplication's real handler after it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientSession
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED
from notification.v1 import intake_pb2

from services.core.cohort import Cohort
from services.core.ids import member_id, notice_id
from services.core.incident import Incident, KeyVersions
from services.deduplication.handlers import DeduplicationHandler
from services.intake.api import Api
from services.intake.records.hashes import HashesByIncident
from services.kit.eventlog import Record
from services.kit.postgres import Connection, Pool
from services.kit.process import serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.vault import KeyRing, KeyVersionError, Vault
from services.kit.vault.key_files import load_keys, rotate_keys
from services.wire.incidents import decode_incidents
from services.wire.testing import FakeIncidents
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Scene, Sent, read_back
from tests.integration.intake.conftest import COHORT, PARTITIONS, Intake, a_document
from tests.keys import FIRST_KEYS
from tests.principals import authenticator

BANK = "/v1/incidents/bank/cohorts/wave-1"
FILE = "memberRef,bsn,familyName,email,dataCategories\n" + "".join(
    f"999990{number},{bsn},Vries,p{number}@example.nl,name\n"
    for number, bsn in enumerate(("999990019", "999990020", "999990032"))
)
MORE = FILE.splitlines(keepends=True)[0] + "9999900,999990019,Vries,p0@example.nl,name|bsn\n"


@asynccontextmanager
async def restarted(intake: Intake, folder: Path, keys: KeyRing) -> AsyncIterator[Intake]:
    """Run the application again, with another ring."""
    context = replace(intake.context, hashes=HashesByIncident(keys), vault=Vault(keys))
    clock = context.clock
    guard = authenticator(folder / "principals.json", clock)
    app = web_app(Health("intake", clock), new_registry(), guard, routes=Api(context).routes())
    headers = {"Authorization": f"Bearer {intake.tokens['operator']}"}
    async with serve_http(app, "127.0.0.1", 0) as url, ClientSession(url, headers=headers) as session:
        yield replace(intake, context=context, session=session, url=url, keys=keys)


@dataclass
class Deduplication:
    """The room on its own tables, fed with what intake wrote."""

    pool: Pool
    read: int = 0  # blocks of members

    async def follow(self, intake: Intake, keys: KeyRing) -> Sent:
        """Take the blocks that intake wrote since the last time, in a process that begins with this ring."""
        incidents = FakeIncidents()
        for block in await intake.blocks(INCIDENTS_CHANGED):
            for entry in decode_incidents(block):
                if isinstance(entry.value, Incident | Cohort):  # the other entries are made of these
                    incidents.put(entry.value)
        handler = DeduplicationHandler(incidents, lambda _: None, PARTITIONS, keys)
        rows = await intake.pool.fetch(
            "select partition, seq, block from log.log where topic = $1 order by at, seq", MEMBERS_ACCEPTED
        )
        records = [Record(MEMBERS_ACCEPTED, row["partition"], 0, "replay", 0, 0, row["block"]) for row in rows]
        await Scene(self.pool).took({row["partition"]: row["seq"] for row in rows})
        work = [handler.decode(record) for record in records[self.read :]]
        await handler.ready(work)
        self.read = len(records)
        async with self.pool.acquire() as proxy, proxy.transaction():
            return read_back(await handler.apply(cast("Connection", proxy), work))


@pytest.fixture
async def deduplication(room_pool: RoomPool) -> Deduplication:
    """Return the room, which has heard of nobody."""
    return Deduplication(await room_pool("deduplication"))


async def test_a_rotation_tells_nobody_again(intake: Intake, deduplication: Deduplication, tmp_path: Path) -> None:
    """The same file again changes nothing, a correction is the same person's, and a new incident uses the new keys."""
    await intake.put(COHORT, {"source": "lab", "autoRelease": True})
    await intake.upload(FILE, Idempotency_Key="once")
    first = await deduplication.follow(intake, intake.keys)
    people, blocks = await intake.people(), await intake.accepted()

    rotated = rotate_keys(tmp_path / "keys")
    async with restarted(intake, tmp_path, rotated) as after:
        status, answer = await after.upload(FILE)
        same_key, _ = await after.upload(FILE, Idempotency_Key="once")
        again = (await after.people(), await after.accepted())
        nobody = await deduplication.follow(after, rotated)
        await after.upload(MORE)
        corrected = await deduplication.follow(after, rotated)
        other = await _in_a_new_incident(after, deduplication, rotated)

    assert (3, 3) == (people, len(first.ids))
    assert (202, 3, 202) == (status, answer["accepted"], same_key)
    assert (people, blocks) == again
    assert [] == nobody.ids
    assert ([], 1) == (corrected.ids, len(corrected.recalled))
    assert set(first.ids) >= set(corrected.recalled)
    assert [("lab", 1), ("bank", 2)] == [
        (one.incident_id, version)
        for block in await intake.changes()
        for one in block.incidents
        for version in sorted({getattr(one.key_versions, purpose) for purpose in KeyVersions._fields})
    ]
    assert set(first.ids).isdisjoint(other.ids)


async def _in_a_new_incident(intake: Intake, deduplication: Deduplication, keys: KeyRing) -> Sent:
    """Send the same people to an incident that begins now; every id is made with the second keys."""
    before = len(await intake.accepted())
    await intake.put("/v1/incidents/bank", a_document())
    await intake.put(BANK, {"source": "lab", "autoRelease": True})
    await intake.upload(FILE, cohort=BANK)
    sent = await deduplication.follow(intake, keys)
    (_, member_key), (_, notice_key) = keys.pepper("member", 2), keys.pepper("notice", 2)
    accepted = [block for block in await intake.accepted() if block.incident_id == "bank"]
    members = {block.members[at : at + 16] for block in accepted for at in range(0, len(block.members), 16)}
    pseudonyms = {block.pseudonyms[at : at + 16] for block in accepted for at in range(0, len(block.pseudonyms), 16)}

    assert before < len(await intake.accepted())
    assert {member_id(member_key, "bank", "wave-1", f"999990{number}") for number in range(3)} == members
    assert {notice_id(notice_key, "bank", pseudonym, 1) for pseudonym in pseudonyms} == set(sent.ids)
    return sent


async def test_nobody_has_one_pseudonym_in_two_incidents(intake: Intake) -> None:
    """Who reads topics does not recognise a person from one incident in another."""
    await intake.put("/v1/incidents/bank", a_document())
    await intake.put(BANK, {"source": "lab"})
    await intake.upload(FILE)
    await intake.upload(FILE, cohort=BANK)

    assert 6 == await intake.pool.fetchval("select count(distinct pseudonym) from members")
    assert 6 == await intake.pool.fetchval("select count(distinct content) from members")


async def test_a_process_without_the_keys_takes_nothing(intake: Intake, tmp_path: Path) -> None:
    """Its ring is older than the incident: it says which key is missing, and makes no wrong hash."""
    old = load_keys(tmp_path / "keys")
    async with restarted(intake, tmp_path, rotate_keys(tmp_path / "keys")) as after:
        await after.put("/v1/incidents/bank", a_document())
        await after.put(BANK, {"source": "lab"})
    async with restarted(intake, tmp_path, old) as behind:
        status, answer = await behind.upload(FILE, cohort=BANK)
        lab, _ = await behind.upload(FILE)

    assert (503, 202) == (status, lab)
    assert "the key ring has no key 'match' of version 2" in answer["detail"]
    assert 3 == await intake.people()


async def test_blocks_wait_where_the_keys_are_missing(
    intake: Intake, deduplication: Deduplication, tmp_path: Path
) -> None:
    """Deduplication with an older ring than the incident decides nothing, and all of it once it has the key."""
    old = load_keys(tmp_path / "keys")
    rotated = rotate_keys(tmp_path / "keys")
    async with restarted(intake, tmp_path, rotated) as after:
        await after.put("/v1/incidents/bank", a_document())
        await after.put(BANK, {"source": "lab", "autoRelease": True})
        await after.upload(FILE, cohort=BANK)
        with pytest.raises(KeyVersionError, match="no key 'notice' of version 2"):
            await deduplication.follow(after, old)
        sent = await deduplication.follow(after, rotated)

    assert 3 == len(sent.ids)
    assert 3 == await deduplication.pool.fetchval("select count(*) from told")


async def test_an_incident_keeps_its_keys_in_later_versions(intake: Intake, tmp_path: Path) -> None:
    """Its document may change after a rotation; what its ids are made with does not."""
    async with restarted(intake, tmp_path, rotate_keys(tmp_path / "keys")) as after:
        await after.put("/v1/incidents/lab", a_document(title="Another title"))
    changes = [one for block in await intake.changes() for one in block.incidents]
    first_keys = intake_pb2.KeyVersions(**FIRST_KEYS._asdict())

    assert [(1, first_keys), (2, first_keys)] == [(one.version, one.key_versions) for one in changes]
