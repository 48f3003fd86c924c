"""What became of what Notify took: it calls us, or is asked; either way it is in the log before we say so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from notification.topics import RECEIPTS_RECEIVED

from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.core.notices import Notices
from services.core.receipts import Receipt, ReceiptKind, ReceiptReason, is_the_recipients
from services.dispatch.blame import NOTIFY_STATUSES
from services.dispatch.bounces.callbacks import Callbacks
from services.dispatch.bounces.polling import Polling
from services.dispatch.bounces.statuses import receipt_of
from services.dispatch.channels.asking import attempt_name
from services.dispatch.channels.notify import open_failures
from services.dispatch.config import LetterConfig
from services.kit.config import load
from services.kit.eventlog import Record
from services.kit.process import Problem, serve_http
from services.kit.process.guard import Handler
from services.wire.receipts import decode_received
from tests.integration.dispatch.bench import Bench
from tests.unit.dispatch.people import some_notices

TOKEN = "made-up-token"
NOTICE = bytes(range(16))


async def _heard(bench: Bench) -> list[Receipt]:
    blocks = await bench._blocks(RECEIPTS_RECEIVED)
    records = [Record(RECEIPTS_RECEIVED, 0, at, bench.stage.name, at, 0, block) for at, block in enumerate(blocks)]
    return [receipt for record in records for receipt in decode_received(record)]


def _said(status: str, kind: str = "email", reference: str | None = f"{NOTICE.hex()}.2", **more: Any) -> dict[str, Any]:
    return {
        "id": "740e5834-3a29-46b4-9a6f-16142fde533a",
        "reference": reference,
        "to": "p@mail.example",
        "status": status,
        "notification_type": kind,
        "created_at": "2026-11-20T10:00:00.000000Z",
        "completed_at": "2026-11-20T10:00:05.500000Z",
    } | more


NOW = 1_795_000_000_000
AT = 1_795_168_805_500


@pytest.mark.parametrize(
    ("channel", "status", "kind", "reason"),
    [
        (Channel.EMAIL, "delivered", ReceiptKind.DELIVERED, ReceiptReason.NOT_SAID),
        (Channel.EMAIL, "permanent-failure", ReceiptKind.BOUNCED, ReceiptReason.HARD),
        (Channel.EMAIL, "temporary-failure", ReceiptKind.BOUNCED, ReceiptReason.SOFT),
        (Channel.EMAIL, "technical-failure", ReceiptKind.REFUSED, ReceiptReason.PROVIDER),
        (Channel.LETTER, "accepted", ReceiptKind.ACKNOWLEDGED, ReceiptReason.NOT_SAID),
        (Channel.LETTER, "received", ReceiptKind.POSTED, ReceiptReason.NOT_SAID),
        (Channel.LETTER, "validation-failed", ReceiptKind.REFUSED, ReceiptReason.CONTENT),
        (Channel.LETTER, "virus-scan-failed", ReceiptKind.REFUSED, ReceiptReason.CONTENT),
        (Channel.LETTER, "technical-failure", ReceiptKind.REFUSED, ReceiptReason.PROVIDER),
        (Channel.LETTER, "permanent-failure", ReceiptKind.REFUSED, ReceiptReason.PROVIDER),
        (Channel.LETTER, "cancelled", ReceiptKind.REFUSED, ReceiptReason.PROVIDER),
        (Channel.LETTER, "returned-letter", ReceiptKind.RETURNED, ReceiptReason.NOT_SAID),
    ],
)
def test_a_status_is_a_receipt_of_our_attempt(
    channel: Channel, status: str, kind: ReceiptKind, reason: ReceiptReason
) -> None:
    """At the time that Notify says, so that the same heard twice is the same receipt."""
    heard = receipt_of(_said(status, channel.label), channel, AT + 10_000)

    assert Receipt(NOTICE, int(channel), 2, kind, AT, reason) == heard
    assert heard == receipt_of(_said(status, channel.label), channel, AT + 90_000)


def test_only_what_names_a_recipient_is_the_recipients() -> None:
    """Whatever else Notify says afterwards is its own fault or ours: nobody goes to another channel for it."""
    back = {
        (channel, status): (receipt.kind, receipt.reason)
        for channel, statuses in NOTIFY_STATUSES.items()
        for status in statuses
        if (receipt := receipt_of(_said(status, channel.label), channel, NOW))
    }
    recipients = {key for key, said in back.items() if is_the_recipients(*said)}

    assert sum(map(len, NOTIFY_STATUSES.values())) == len(back)
    assert {
        (Channel.EMAIL, "permanent-failure"),
        (Channel.EMAIL, "temporary-failure"),
        (Channel.LETTER, "returned-letter"),
    } == recipients


@pytest.mark.parametrize(
    "said",
    [
        _said("sending"),
        _said("delivered", "sms"),
        _said("delivered", reference=None),
        _said("delivered", reference="somebody else's"),
        _said("delivered", reference=f"{NOTICE.hex()}.0"),
        {},
    ],
)
def test_what_is_not_about_an_attempt_of_ours_is_none(said: dict[str, Any]) -> None:
    """Notify's service may send other things than ours."""
    assert receipt_of(said, Channel.EMAIL, NOW) is None


def _answered(handler: Handler) -> Handler:
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return web.Response(status=problem.body["status"])

    return answered


@asynccontextmanager
async def _called(bench: Bench) -> AsyncIterator[str]:
    callbacks = Callbacks(TOKEN, stage=bench.stage, channel=bench.channel, clock=bench.clock)
    (route,) = callbacks.routes()
    app = web.Application()
    app.router.add_post(route.path, _answered(route.handler))
    async with serve_http(app, "127.0.0.1", 0) as url:
        yield f"{url}{route.path}"


async def _call(url: str, said: object, token: str = TOKEN) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json=said, headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        return answer.status


async def test_a_callback_is_in_the_log_when_it_is_acknowledged(mails: Bench) -> None:
    """Who does not show the token says nothing; what is not about us is taken and forgotten."""
    async with _called(mails) as url:
        statuses = [
            await _call(url, _said("permanent-failure")),
            await _call(url, _said("sending")),
            await _call(url, ["rubbish"]),
            await _call(url, _said("delivered"), "another"),
        ]
    (receipt,) = await _heard(mails)

    assert [204, 204, 204, 401] == statuses
    assert (NOTICE, 2, ReceiptKind.BOUNCED) == (receipt.notice, receipt.attempt, receipt.kind)


async def test_what_cannot_be_kept_now_is_called_again(mails: Bench) -> None:
    """Notify calls again for hours after a 503, and nothing is acknowledged that is not in the log."""
    mails.stage.owned_epochs = {}
    async with _called(mails) as url:
        first = await _call(url, _said("permanent-failure"))
        mails.stage.owned_epochs = {0: 1}
        second = await _call(url, _said("permanent-failure"))

    assert (503, 204, 1) == (first, second, len(await _heard(mails)))


@asynccontextmanager
async def _asked(letters: Bench, notices: Notices) -> AsyncIterator[tuple[NotifyServer, Polling]]:
    """Have a Notify that has found all of these letters wanting but the first, and what asks it."""
    async with NotifyServer().serve() as server:
        settings = {"HERAUT_NOTIFY_URL": server.url, "HERAUT_NOTIFY_KEY": MADE_UP_KEY}
        notify = open_failures(load(LetterConfig, settings), letters.clock)
        for notice in notices.ids:
            kept = {"id": notice.hex(), "type": "letter", "status": "validation-failed"}
            server.kept.append(kept | {"reference": attempt_name(notice, 1), "created_at": "2026-11-20T10:00:00Z"})
        server.becomes(attempt_name(notices.ids[0], 1), "received")
        polling = Polling(notify, stage=letters.stage, channel=letters.channel, clock=letters.clock)
        yield server, polling
        await notify.close()


async def test_letters_that_failed_after_they_were_taken_are_asked_for(letters: Bench) -> None:
    """Notify takes a letter before it looks at it, and calls nobody about it: each failure is heard once."""
    notices = some_notices(300)
    async with _asked(letters, notices) as (server, polling):
        await polling.look()
        first = await _heard(letters)
        await polling.look()
        server.said.statuses = [500] * 10
        await polling.look()

    assert set(notices.ids[1:]) == {one.notice for one in first}
    assert {ReceiptKind.REFUSED} == {one.kind for one in first}
    assert len(first) == len(await _heard(letters)) == 299


async def test_what_fails_late_is_found_behind_all_that_is_known(letters: Bench) -> None:
    """Notify shows the newest first: a letter that was sent before hundreds of known failures may fail after them."""
    notices = some_notices(301)
    async with _asked(letters, notices) as (server, polling):
        await polling.look()
        server.becomes(attempt_name(notices.ids[0], 1), "validation-failed")
        await polling.look()

    assert sorted(notices.ids) == sorted(one.notice for one in await _heard(letters))
