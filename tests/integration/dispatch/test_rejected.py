"""What a provider took and rejected afterwards: seen by operators, and handed over again or given up, once."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from notification.topics import NOTICES_RECALLED, TOTALS_CHANGED
from notification.v1 import deduplication_pb2
from prometheus_client import CollectorRegistry

from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.core.ledger import UNPRINTED
from services.core.receipts import ReceiptKind, ReceiptReason
from services.core.status import AttemptState
from services.dispatch.channels.notify import NOTIFY_EMAIL, NOTIFY_LETTER, open_notify_letters
from services.dispatch.config import LetterConfig
from services.dispatch.openapi import OPENAPI
from services.dispatch.rejected import api, deciding
from services.dispatch.rejected.api import RejectedApi
from services.dispatch.rejected.deciding import RejectedDeciding
from services.dispatch.rejected.store import RejectedStore
from services.kit.config import load
from services.kit.eventlog import Record
from services.kit.process import web_app
from services.kit.process.health import Health
from services.kit.testing import FakeClock, make_principals
from services.wire.receipts import encode_accepted
from services.wire.totals import decode_totals
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, a_payload, make_bench
from tests.integration.dispatch.test_api import Face
from tests.integration.dispatch.test_receipts import ended, said
from tests.principals import AUDITOR, LAB, OPERATOR, authenticator
from tests.unit.dispatch.people import an_id, some_notices

ACCEPTED, REFUSED, UNPRINTED_STATE = AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.UNPRINTED
TRAITS = {Channel.EMAIL: NOTIFY_EMAIL, Channel.LETTER: NOTIFY_LETTER}
INCIDENT = some_notices(1).incident_id
SEVERAL = 3


class RejectedFace(Face):
    """The routes of what was rejected, and mails of three people that their provider could not send."""

    def __init__(self, bench: Bench, principals: Path) -> None:
        self.bench, clock = bench, FakeClock()
        self._tokens = make_principals(principals, OPERATOR, AUDITOR, LAB)
        bench.of_provider = TRAITS[bench.channel]
        self.deciding = RejectedDeciding(bench.decisions, bench.stage, bench.traits)
        routes = RejectedApi(bench.pool, RejectedStore(bench.channel), self.deciding).routes()
        guard = authenticator(principals, clock)
        app = web_app(Health("dispatch", clock), CollectorRegistry(), guard, openapi=OPENAPI, routes=routes)
        self.client = TestClient(TestServer(app))
        self.ids = [an_id(number) for number in range(SEVERAL)]

    async def reject(self) -> None:
        """Hand over, and hear that it was not sent, of one after the other."""
        for one in self.ids:
            await ended(self.bench, some_notices(1, ids=[one]), ACCEPTED, partition=0)
            await self.hear([one])

    async def hear(self, ids: Collection[bytes]) -> None:
        """Take what follows from a technical failure."""
        about = [said(one, ReceiptKind.REFUSED, ReceiptReason.PROVIDER, channel=self.bench.channel) for one in ids]
        await self.take([Record(one.topic, 0, 0, "tracking", 1, 0, one.value) for one in encode_accepted(0, about)])

    async def take(self, records: Collection[Record]) -> None:
        """Let dispatch take blocks."""
        handler = self.bench.handler()
        async with self.bench.stage.fenced([0]) as transaction:
            work = [handler.decode(record) for record in records]
            transaction.emit(await handler.apply(transaction.connection, work))

    async def decide(self, act: str, incident_id: str = INCIDENT) -> int:
        """Decide as an operator, with nothing to wait for; returns about how many notices."""
        decided = (await self.post(f"/v1/rejected/{incident_id}/{act}"))[1]["notices"]
        await self.bench.tick()
        return int(decided)

    async def held(self) -> int:
        """Return how many dispatch says are held."""
        blocks = await self.bench._blocks(TOTALS_CHANGED)
        highest = {(row.source, row.scope): row.counts[UNPRINTED] for block in blocks for row in decode_totals(block)}
        return sum(highest.values())

    async def attempts(self) -> dict[tuple[int, AttemptState], int]:
        """Return how many attempts of each number are in each state."""
        rows = await self.bench.pool.fetch(
            "select attempt, state, count(*) as n from attempts join batches using (batch) group by 1, 2"
        )
        return {(row["attempt"], AttemptState(row["state"])): row["n"] for row in rows}


@pytest.fixture(params=[Channel.EMAIL, Channel.LETTER])
async def face(
    room_pool: RoomPool, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RejectedFace]:
    """Return the face on a fresh database; two batches make a page, and a transaction."""
    monkeypatch.setattr(api, "MOST_BATCHES", 2)
    monkeypatch.setattr(deciding, "_AT_ONCE", 2)
    bench = make_bench(request.param, await room_pool("dispatch"), await room_pool("intake"), tmp_path)
    made = RejectedFace(bench, tmp_path / "principals.json")
    async with made.client:
        yield made


def _recall(notice: bytes) -> Record:
    block = deduplication_pb2.NoticesRecalled(incident_id=INCIDENT, ids=notice, pseudonyms=bytes(16))
    return Record(NOTICES_RECALLED, 0, 0, "deduplication", 1, 0, block.SerializeToString())


async def test_what_was_rejected_is_held_and_listed(face: RejectedFace) -> None:
    """Operators and auditors see it, by incident and page by page; a source does not. The queue shows it too."""
    await face.reject()
    await face.hear(face.ids)
    status, found = await face.get("/v1/rejected", "auditor")
    ((channel, incident, notices, _, decided),) = [tuple(one.values()) for one in found["rejected"]]
    first = (await face.get(f"/v1/rejected/{INCIDENT}"))[1]
    second = (await face.get(f"/v1/rejected/{INCIDENT}?after={first['next']}"))[1]
    other = (await face.get("/v1/rejected/another"))[1]
    async with face.bench.pool.acquire() as connection:
        standing = await face.bench.store.standing(connection)

    assert (200, face.bench.channel.label, INCIDENT, SEVERAL, None) == (status, channel, incident, notices, decided)
    listed = [bytes.fromhex(one["noticeId"]) for page in (first, second) for one in page["notices"]]
    assert (sorted(face.ids), None, []) == (sorted(listed), second["next"], other["notices"])
    assert (403, 400) == (
        (await face.get("/v1/rejected", "lab"))[0],
        (await face.get(f"/v1/rejected/{INCIDENT}?after=x"))[0],
    )
    assert (SEVERAL, SEVERAL) == (await face.held(), standing[UNPRINTED_STATE][0])
    assert [] == await face.bench.refused()


async def test_made_again_it_is_another_attempt_once(face: RejectedFace) -> None:
    """By an operator, who is written down; what is said of the first attempt afterwards changes nothing."""
    await face.reject()
    refused, _ = await face.post(f"/v1/rejected/{INCIDENT}/again", "auditor")
    answers = [await face.decide(act) for act in ("again", "again", "give-up")]
    other = await face.decide("again", "another")
    await face.hear(face.ids)
    acts = await face.bench.pool.fetch("select act, job, sum(letters), principal from print_acts group by 1, 2, 4")

    assert (403, [SEVERAL, 0, 0], 0) == (refused, answers, other)
    assert {(1, REFUSED): SEVERAL, (2, AttemptState.TAKEN): SEVERAL} == await face.attempts()
    about = ("sent-again", f"{face.bench.channel.label}/{INCIDENT}", SEVERAL, "operator")
    assert ([about], 0) == ([tuple(row) for row in acts], await face.held())


async def test_given_up_it_goes_to_the_next_channel_once(face: RejectedFace) -> None:
    """By routing, with the channel among those tried."""
    await face.reject()
    answers = [await face.decide(act) for act in ("give-up", "again")]
    back = await face.bench.refused()

    assert [SEVERAL, 0] == answers
    assert {"refused:provider"} == {why for why, _, _ in back}
    assert bytes([face.bench.channel] * SEVERAL) == b"".join(tried for _, _, tried in back)
    ids = b"".join(ids for _, ids, _ in back)
    assert (sorted(face.ids), 0) == (sorted(ids[at : at + 16] for at in range(0, len(ids), 16)), await face.held())


async def test_who_was_called_back_is_not_handed_over_again(face: RejectedFace) -> None:
    """Its record says something else by now: it is stopped, be it recalled before the rejection or after it."""
    for one in face.ids:
        await ended(face.bench, some_notices(1, ids=[one]), ACCEPTED, partition=0)
    await face.take([_recall(face.ids[0])])
    await face.hear(face.ids)
    await face.take([_recall(face.ids[1])])
    again = await face.decide("again")
    given_up = await face.decide("give-up")

    assert (1, 0, 0) == (again, given_up, await face.held())
    states = {(1, AttemptState.STOPPED): 2, (1, REFUSED): 1, (2, AttemptState.TAKEN): 1}
    assert (states, []) == (await face.attempts(), await face.bench.refused())


async def test_a_letter_that_notify_cannot_print_is_told_by_its_second_attempt(letters: Bench, tmp_path: Path) -> None:
    """Taken, not valid, mended, and taken again under a reference of its own: each person once in the end."""
    face = RejectedFace(letters, tmp_path / "principals.json")
    notices = some_notices(2)
    await letters.seal(notices, [a_payload(houseNumber=str(at + 1)) for at in range(2)])
    await letters.take(notices)
    async with NotifyServer().serve() as server, face.client:
        settings = {"HERAUT_LETTER_PROVIDER": "notify", "HERAUT_NOTIFY_URL": server.url}
        config = load(LetterConfig, settings | {"HERAUT_NOTIFY_KEY": MADE_UP_KEY})
        provider = open_notify_letters(config, letters.clock)
        await letters.send(provider)
        await face.hear(notices.ids[:1])
        await face.decide("again")
        await letters.send(provider)
        await provider.close()

    names = sorted(one["reference"] for one in server.kept)
    assert sorted([f"{notices.ids[0].hex()}.1", f"{notices.ids[0].hex()}.2", f"{notices.ids[1].hex()}.1"]) == names
    assert {(1, REFUSED): 1, (1, ACCEPTED): 1, (2, ACCEPTED): 1} == await face.attempts()
