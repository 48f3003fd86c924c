"""Receipts on their way in: written down before they are acknowledged, and joined once their notice is known."""

import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from services.core.channel import Channel
from services.core.policy import Cascade, Policy
from services.core.receipts import Consequence, ReceiptKind, ReceiptReason
from services.kit.process.health import Health
from services.kit.process.http import serve_http, web_app
from services.kit.testing import make_principals
from services.tracking.receiving import ReceivingApi
from services.tracking.receiving.signing import Signer, signed_by
from services.wire.references import References
from tests.integration.tracking.test_api import an_incident
from tests.integration.tracking.test_handlers import ACCEPTED, Room, RoomPool, attempted, notice, received
from tests.keys import a_key
from tests.principals import AUDITOR, OPERATOR, authenticator

SECRET = b"s" * 32
PORTAL = Channel.PORTAL


class Face:
    """The routes on a database, with the handler that takes what comes in."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room = room
        signers = {"berichtenbox": Signer(int(PORTAL), [SECRET])}
        api = ReceivingApi(room.inbox, signers, room.clock)
        tokens = make_principals(folder / "principals.json", OPERATOR, AUDITOR)
        self.operator, self.auditor = tokens[OPERATOR.name], tokens[AUDITOR.name]
        guard = authenticator(folder / "principals.json", room.clock)
        self.app = web_app(
            Health("tracking", room.clock), room.registry, guard, routes=api.routes(), open_routes=api.open_routes()
        )
        self.client: ClientSession

    async def webhook(
        self, body: Any, *, provider: str = "berichtenbox", secret: bytes = SECRET, late: int = 0
    ) -> tuple[int, Any]:
        """Send a signed webhook; return the status of the answer and what it says."""
        raw, at = json.dumps(body).encode(), str(int(self.room.clock.now().timestamp()) - late)
        signature = base64.b64encode(signed_by(secret, "msg_1", at, raw)).decode()
        headers = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
        answer = await self.client.post(f"/v1/receipts/{provider}", data=raw, headers=headers)
        return answer.status, await answer.json(content_type=None)

    async def load(self, body: str, token: str | None = None) -> tuple[int, Any]:
        """Load a list of returned mail."""
        headers = {"Authorization": f"Bearer {token or self.operator}", "Content-Type": "text/csv"}
        answer = await self.client.post("/v1/receipts", data=body.encode(), headers=headers)
        return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def face(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[Face]:
    """Return the face of a tracking on a fresh database."""
    face = Face(Room(await room_pool("tracking")), tmp_path)
    async with serve_http(face.app, "127.0.0.1", 0) as url, ClientSession(url) as face.client:
        yield face


def reference(number: int, version: int = 2) -> str:
    """Return what stands on a notice of an incident that began with this version of the key."""
    return References(a_key("reference", version)).of_all([notice(number)])[0]


async def test_a_list_of_returned_mail_is_joined_and_what_is_not_known_waits(face: Face) -> None:
    """By reference, under whatever version of the key; who is not heard of yet is found later, after a restart too."""
    room = face.room
    await room.hear(attempted({1: ACCEPTED, 2: ACCEPTED}))
    day = "2026-01-05"
    room.clock.advance((_moment(day) - room.clock.now()).total_seconds() + 86_400 * 3)
    lines = [f"{reference(1)},verhuisd,{day}", f"{reference(3, 1)},overleden,{day}", f"{reference(1)[:-2]}??,,{day}"]
    status, answer = await face.load("\n".join(["reference,reason,date", *lines]))
    first = await room.tick()
    nothing = await room.tick()
    await room.hear(attempted({3: ACCEPTED}))
    room.clock.advance(3600)
    later = await room.tick()

    problems = [{"line": 4, "field": "reference", "problem": "mistyped-reference"}]
    assert (202, {"received": 3, "taken": 2, "problems": problems, "problemsTruncated": False}) == (status, answer)
    kind = int(ReceiptKind.RETURNED)
    assert [Consequence(notice(1), Channel.LETTER, 1, kind, ReceiptReason.MOVED)] == first
    assert [] == nothing
    assert [Consequence(notice(3), Channel.LETTER, 1, kind, ReceiptReason.DECEASED)] == later
    assert {"notified": 1, "notices_settled": 1, "accepted_letter": 3, "returned": 2} == await room.figures()
    assert 0 == await room.pool.fetchval("select count(*) from inbox")


def _moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


async def test_a_webhook_counts_once_however_often_it_comes(face: Face) -> None:
    """Signed by its provider; the same id and body again, before and after it was taken, changes nothing."""
    room = face.room
    await room.hear(attempted({1: ACCEPTED}, channel="portal"))
    body = {"type": "message.bounced", "data": {"idempotencyKey": f"{notice(1).hex()}.1", "reason": "hard"}}
    answers = [await face.webhook(body), await face.webhook(body)]
    first = await room.tick()
    answers.append(await face.webhook(body))

    assert [(202, {"taken": 1})] * 3 == answers
    assert [Consequence(notice(1), PORTAL, 1, ReceiptKind.BOUNCED, ReceiptReason.HARD)] == first
    assert [] == await room.tick()
    assert {"bounced": 1, "accepted_portal": 1} == await room.figures()


async def test_who_did_not_sign_is_told_nothing_else(face: Face) -> None:
    """Another secret, an old signature, a provider that is not known: all 401 alike, and nothing is written down."""
    body = {"type": "read", "data": {"reference": reference(1)}}
    answers = [
        await face.webhook(body, secret=b"o" * 32),
        await face.webhook(body, late=400),
        await face.webhook(body, provider="nobody"),
    ]

    assert {401} == {status for status, _ in answers}
    assert 1 == len({json.dumps({**said, "requestId": ""}, sort_keys=True) for _, said in answers})
    assert 400 == (await face.webhook({"type": 5}))[0]
    assert 0 == await face.room.pool.fetchval("select count(*) from inbox")


async def test_only_operators_load_lists_and_each_is_audited(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """With who did it; no line of the list is in the log."""
    with caplog.at_level(logging.INFO):
        refused = await face.load("reference,date\n", face.auditor)
        taken = await face.load(f"reference,date\n{reference(1)},2025-08-01\n")
        unread = await face.load("name,date\n")

    assert [403, 202, 400] == [refused[0], taken[0], unread[0]]
    audit = [vars(one) for one in caplog.records if vars(one).get("act") == "receipts-loaded"]
    assert [(AUDITOR.name, 403), (OPERATOR.name, 202), (OPERATOR.name, 400)] == [
        (one["principal"], one["status"]) for one in audit
    ]
    assert reference(1) not in caplog.text


async def test_who_did_not_read_in_time_is_told_on_the_next_channel(face: Face) -> None:
    """By the incident's policy, counted from the hand-over in the database; who read it is left alone."""
    room = face.room
    policy = Policy(cascade=Cascade(unread_after=14))
    room.incidents.put(replace(an_incident("lab"), policy=policy))
    await room.hear(attempted({1: ACCEPTED, 2: ACCEPTED}, channel="portal"), attempted({3: ACCEPTED}))
    accepted = _moment("2026-01-01") + timedelta(days=1)
    room.clock.advance((accepted - room.clock.now()).total_seconds())
    await face.webhook({"type": "read", "data": {"reference": reference(1)}})
    early = await room.tick()
    room.clock.advance(14 * 86_400)
    late = await room.tick()

    assert ([], [Consequence(notice(2), PORTAL, 1, ReceiptKind.UNREAD)]) == (early, late)
    assert [] == await room.tick()
    assert {"notified": 3, "notices_settled": 3, "accepted_portal": 2, "accepted_letter": 1} == await room.figures()


async def test_a_message_after_a_mail_that_came_back_is_waited_for(face: Face) -> None:
    """What is said of the mail says nothing of a reader at the portal: its person goes on to the letter as well."""
    room = face.room
    policy = Policy(cascade=Cascade(unread_after=14))
    room.incidents.put(replace(an_incident("lab"), policy=policy))
    await room.hear(attempted({1: ACCEPTED, 2: ACCEPTED}, channel="email"))
    await room.hear(received([1], ReceiptKind.BOUNCED))
    await room.hear(attempted({1: ACCEPTED}, channel="portal", attempt=2))
    room.clock.advance((_moment("2026-01-01") + timedelta(days=15) - room.clock.now()).total_seconds())

    assert [Consequence(notice(1), PORTAL, 2, ReceiptKind.UNREAD)] == await room.tick()


async def test_a_reader_is_not_overlooked_behind_what_else_came_in(face: Face) -> None:
    """A thousand things are joined at a time: nobody is unread while it may be among the rest that they have read."""
    room = face.room
    policy = Policy(cascade=Cascade(unread_after=14))
    room.incidents.put(replace(an_incident("lab"), policy=policy))
    await room.hear(attempted({1: ACCEPTED}, channel="portal"))
    room.clock.advance((_moment("2026-01-01") + timedelta(days=15) - room.clock.now()).total_seconds())
    others = [{"idempotencyKey": f"{at:032x}.1"} for at in range(1, 1000)]
    await face.webhook({"type": "read", "data": others})
    await face.webhook({"type": "read", "data": [*({"idempotencyKey": f"{at:032x}.2"} for at in range(1, 99))]})
    room.clock.advance(1)
    await face.webhook({"type": "read", "data": {"reference": reference(1)}})

    assert [] == [*await room.tick(), *await room.tick()]
