"""E-mail end to end: table, vault, a real SMTP server, and what crashes leave."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.core.channel import Channel
from services.core.return_path import read_return_address
from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.dispatch.channels.email import Smtp
from services.dispatch.handlers import DispatchHandler
from services.dispatch.mail_config import SmtpAddress
from services.dispatch.sending.references import ReferencesByIncident
from services.dispatch.standing import Standing
from services.rendering.messages.email import Answers
from tests.integration.dispatch.bench import Bench, a_payload
from tests.keys import a_ring
from tests.unit.dispatch.people import REFERENCES, some_notices


def _smtp(bench: Bench, server: MailServer, **settings: float) -> Smtp:
    return Smtp(SmtpAddress(f"smtp://127.0.0.1:{server.port}"), bench.clock, **settings)  # type: ignore[arg-type]


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(email=f"p{at}@mail.example") for at in range(count)])
    await bench.take(notices)
    return sorted(notices.ids)


async def test_everybody_gets_one_mail_and_tracking_hears_of_it(mails: Bench, mail_server: MailServer) -> None:
    """Each queued attempt is one mail to its own person, and one accepted outcome."""
    ids = await _queue(mails, 40)
    await mails.send(_smtp(mails, mail_server))

    assert {f"p{at}@mail.example" for at in range(40)} == {recipient for recipient, _ in mail_server.taken}
    assert 40 == len(mail_server.taken)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 40.0 == mails.count("accepted")


@pytest.mark.parametrize("dsn", [False, True])
async def test_what_cannot_be_delivered_goes_back_by_attempt(
    mails: Bench, mail_server: MailServer, *, dsn: bool
) -> None:
    """Each mail has a way back of its own, where the operator names a mailbox; who reports names the attempt."""
    mail_server.offers_dsn = dsn
    ids = await _queue(mails, 2)
    address = SmtpAddress(f"smtp://127.0.0.1:{mail_server.port}")
    answers = Answers(replies="vragen@ministerie.example", bounces="retour@ministerie.example")
    await mails.send(Smtp(address, mails.clock, answers=answers, own_name="post.ministerie.example"))

    tags = [read_return_address("retour@ministerie.example", sender) for sender in mail_server.senders]
    assert [(one, 1) for one in ids] == sorted((tag.notice, tag.attempt) for tag in tags if tag)
    assert {"post.ministerie.example"} == mail_server.greeted
    assert all(b"Reply-To: vragen@ministerie.example" in mail for _, mail in mail_server.taken)
    named = {"RET=HDRS", "NOTIFY=FAILURE", *(f"ENVID={one.hex()}.1" for one in ids)}
    assert (named if dsn else set()) == mail_server.options


async def test_an_attempt_that_comes_again_is_not_made_again(mails: Bench, mail_server: MailServer) -> None:
    """A replayed block, even mixed with new attempts, sends nothing twice."""
    await _queue(mails, 3)
    await mails.send(_smtp(mails, mail_server))
    more = some_notices(5)
    await mails.seal(more.pick([3, 4]), [a_payload()] * 2)
    await mails.take(more)
    await mails.send(_smtp(mails, mail_server))

    assert 5 == len(mail_server.taken)
    assert {AttemptState.ACCEPTED: 5} == await mails.states()


async def test_a_refused_mailbox_goes_back_to_routing_alone(mails: Bench, mail_server: MailServer) -> None:
    """One dead mailbox costs nobody else their mail, and its person is tried on the next channel."""
    await _queue(mails, 3)
    mail_server.recipients["p1@mail.example"] = "550 5.1.1 no such mailbox"
    await mails.send(_smtp(mails, mail_server))
    await mails.waited()
    ((reason, ids, tried),) = await mails.refused()

    assert ("refused-by-provider", some_notices(3).ids[1], bytes([Channel.EMAIL])) == (reason, ids, tried)
    assert 2 == len(mail_server.taken)


async def test_what_is_put_off_before_its_data_waits_in_the_queue(mails: Bench, mail_server: MailServer) -> None:
    """A temporary answer at the recipient is no outcome: the attempt waits for its turn."""
    await _queue(mails, 2)
    mail_server.recipients["p0@mail.example"] = "451 4.7.1 greylisted"

    async def one_each() -> bool:
        return {AttemptState.TAKEN: 1, AttemptState.ACCEPTED: 1} == await mails.states() and 1.0 == mails.count(
            "not-now"
        )

    await mails.send(_smtp(mails, mail_server), until=one_each)
    row = await mails.pool.fetchrow("select tries, due - at as wait from batches where state = 0")

    assert row is not None
    assert 1 == row["tries"]
    assert timedelta(seconds=15) <= row["wait"] <= timedelta(seconds=30)


async def test_a_server_that_is_away_costs_nothing_but_time(mails: Bench) -> None:
    """While nothing listens everything stays queued, and goes out once when the server is back."""
    server = MailServer()
    async with server.serve():
        pass
    await _queue(mails, 5)
    smtp = _smtp(mails, server)

    async def paused() -> bool:
        return mails.count("not-sent") >= 5.0

    standing = Standing(mails.pool, mails.store, mails.registry, smtp.traits)
    await standing.look()
    first = await mails.pool.fetchval("select min(at) from batches")
    await mails.send(smtp, until=paused)
    waiting = await mails.states()
    await standing.look()
    shown = mails.standing("open_notices"), mails.standing("open_oldest_seconds")
    age, heard = datetime.now(UTC) - first, mails.gauge("dispatch_provider_last_heard_timestamp_seconds")
    async with server.serve():
        await mails.send(smtp)
    await standing.look()

    assert (5, 0.0) == (shown[0], heard)
    assert age.total_seconds() - 1 < shown[1] <= age.total_seconds()  # however often they were put off
    assert (0, 0) == (mails.standing("open_notices"), mails.standing("open_oldest_seconds"))
    assert mails.gauge("dispatch_provider_last_heard_timestamp_seconds") > first.timestamp()

    assert {AttemptState.TAKEN: 5} == waiting
    assert 5 == len(server.taken)
    assert {AttemptState.ACCEPTED: 5} == await mails.states()


async def test_a_connection_that_ends_after_the_data_leaves_unknown(mails: Bench, mail_server: MailServer) -> None:
    """Nobody can know whether that mail went out, so it is listed and not repeated."""
    (notice,) = await _queue(mails, 1)
    mail_server.after_data = "close"
    await mails.send(_smtp(mails, mail_server))

    assert {AttemptState.UNKNOWN: [notice]} == await mails.attempted()
    assert 1 == len(mail_server.taken)


async def test_a_server_that_hangs_after_the_data_leaves_unknown(mails: Bench, mail_server: MailServer) -> None:
    """A hang ends, and what it leaves is listed."""
    (notice,) = await _queue(mails, 1)
    mail_server.after_data = "hang"
    await mails.send(_smtp(mails, mail_server, data_timeout=0.2))

    assert {AttemptState.UNKNOWN: [notice]} == await mails.attempted()


async def test_a_crash_between_intent_and_outcome_is_unknown_and_never_repeated(
    mails: Bench, mail_server: MailServer
) -> None:
    """Whoever owns the partition next lists what may have been sent, and sends none of it."""
    ids = await _queue(mails, 4)
    await mails.die_in(_smtp(mails, mail_server), after=True)
    await mails.send(_smtp(mails, mail_server))

    assert {AttemptState.UNKNOWN: ids} == await mails.attempted()
    assert 4 == len(mail_server.taken)


async def test_unknown_goes_to_the_next_channel_when_its_time_is_up(mails: Bench, mail_server: MailServer) -> None:
    """HERAUT_UNKNOWN_AFTER later the attempt is refused, so that routing sends a letter; not before."""
    ids = await _queue(mails, 2)
    await mails.die_in(_smtp(mails, mail_server), after=True)
    await mails.send(_smtp(mails, mail_server))
    handler = mails.handler(_At(datetime.now(UTC) + timedelta(hours=71)))
    await _tick(mails, handler)
    before = await mails.refused()
    handler._clock = _At(datetime.now(UTC) + timedelta(hours=73))
    await _tick(mails, handler)
    await _tick(mails, handler)
    ((reason, refused, tried),) = await mails.refused()

    assert [] == before
    assert ("unknown-for-too-long", set(ids), {int(Channel.EMAIL)}) == (
        reason,
        {refused[:16], refused[16:]},
        set(tried),
    )
    assert ids == (await mails.attempted())[AttemptState.REFUSED]


async def test_an_unhealthy_stage_begins_nothing(mails: Bench, mail_server: MailServer) -> None:
    """A process that others may take for dead hands nothing over."""
    await _queue(mails, 2)
    mails.stage.is_healthy = False
    rounds = iter(range(20))
    await mails.send(_smtp(mails, mail_server), until=lambda: _exhausted(rounds))

    assert [] == mail_server.taken
    assert {AttemptState.TAKEN: 2} == await mails.states()


async def test_erased_data_is_refused_and_stops_nobody(mails: Bench, mail_server: MailServer) -> None:
    """Whoever was erased is not written to, and everybody else is."""
    notices = some_notices(3)
    await mails.seal(notices.pick([0, 2]), [a_payload(), a_payload()])
    await mails.take(notices)
    await mails.send(_smtp(mails, mail_server))
    ((reason, ids, _),) = await mails.refused()

    assert ("no-payload", notices.ids[1]) == (reason, ids)
    assert 2 == len(mail_server.taken)


async def test_data_sealed_for_somebody_else_is_never_used(mails: Bench, mail_server: MailServer) -> None:
    """A mix-up of rows is a refusal, never a mail to the wrong person."""
    notices = some_notices(2)
    await mails.seal(notices, [a_payload(email="p0@mail.example"), a_payload(email="p1@mail.example")])
    notices.pseudonyms[0] = b"another person's"
    await mails.take(notices)
    await mails.send(_smtp(mails, mail_server))

    assert ["p1@mail.example"] == [recipient for recipient, _ in mail_server.taken]


async def test_an_outcome_is_written_even_if_the_database_was_away_for_a_moment(
    mails: Bench, mail_server: MailServer
) -> None:
    """What the server answered is known here alone, so it is kept until it can be written."""
    ids = await _queue(mails, 2)
    failures = iter([False, True, True])
    mails.stage.refuse = lambda: next(failures, False)
    await mails.send(_smtp(mails, mail_server))

    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 2 == len(mail_server.taken)


class _At:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


async def _tick(bench: Bench, handler: DispatchHandler) -> None:
    async with bench.stage.fenced([0]) as transaction:
        transaction.emit(await handler.tick(transaction.connection, [0]))


async def _exhausted(rounds: Iterator[int]) -> bool:
    return next(rounds, None) is None


async def test_a_mail_waits_for_the_key_of_its_reference(
    mails: Bench, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that lacks the incident's key sends nothing and says so; none of it is unknown afterwards."""
    ids = await _queue(mails, 3)

    async def said() -> bool:
        return "no key 'reference' of version 1" in caplog.text

    mails.references = ReferencesByIncident(a_ring(2))
    await mails.send(_smtp(mails, mail_server), until=said)
    before = len(mail_server.taken)
    mails.references = REFERENCES
    await mails.send(_smtp(mails, mail_server))

    assert (0, 3) == (before, len(mail_server.taken))
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
