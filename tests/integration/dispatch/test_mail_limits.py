"""Limits of mail servers and of the domains behind them, with a real SMTP server: nobody pays for another's."""

import asyncio
from collections.abc import Mapping
from itertools import cycle

import pytest

from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.dispatch.blame import Blame
from services.dispatch.channels.email import Smtp
from services.dispatch.mail_config import Limit, SmtpAddress
from tests.integration.dispatch.bench import Bench, OwnedStage, a_payload
from tests.unit.dispatch.people import some_notices

BIG, SMALL = "big.example", "small.example"


def _smtp(
    bench: Bench, server: MailServer, limits: Mapping[str, Limit] | None = None, mails: int | None = None
) -> Smtp:
    address = SmtpAddress(f"smtp://127.0.0.1:{server.port}")
    return Smtp(address, bench.clock, limits=limits or {}, mails=mails)


async def _queue(bench: Bench, count: int, *domains: str) -> None:
    notices, domain = some_notices(count), cycle(domains)
    await bench.seal(notices, [a_payload(email=f"p{at}@{next(domain)}") for at in range(count)])
    await bench.take(notices)


async def test_a_server_that_takes_two_connections_gets_two(mails: Bench, mail_server: MailServer) -> None:
    """It says 421 to the third, and works: nobody waits for it as if it were down."""
    mail_server.most_connections, mail_server.slowness = 2, 0.01
    await _queue(mails, 40, BIG)
    await mails.send(_smtp(mails, mail_server))

    assert 40 == len(mail_server.taken)
    assert (0.0, 0.0) == (mails.count("not-sent"), mails.registry.get_sample_value("dispatch_provider_paused", LABELS))
    assert mail_server.crowded <= 6  # each of eight is tried once at most, and then left out


LABELS = {"channel": "email"}


async def test_a_connection_has_so_many_mails(mails: Bench, mail_server: MailServer) -> None:
    """It is ended after them, before the server does it in the middle of somebody's mail."""
    await _queue(mails, 40, BIG)
    await mails.send(_smtp(mails, mail_server, mails=3))

    assert 40 == len(mail_server.taken)
    assert 3 == max(mail_server.sessions)


async def test_a_domain_has_so_many_mails_at_once(mails: Bench, mail_server: MailServer) -> None:
    """However many connections there are; a domain without a limit has the rest."""
    mail_server.slowness = 0.02
    await _queue(mails, 60, BIG, SMALL)
    await mails.send(_smtp(mails, mail_server, {BIG: Limit(at_once=2)}))

    assert 60 == len(mail_server.taken)
    assert 2 == mail_server.most_under_way[BIG]
    assert mail_server.most_under_way[SMALL] > 2


async def test_a_domain_with_a_rate_holds_up_nobody_else(mails: Bench, mail_server: MailServer) -> None:
    """What is too much for it goes back to the queue, untried; the other domain's mails are all sent at once."""
    await _queue(mails, 60, BIG, SMALL)

    async def others_done() -> bool:
        return 30 == sum(recipient.endswith(SMALL) for recipient, _ in mail_server.taken)

    began = mails.clock.monotonic()
    await mails.send(_smtp(mails, mail_server, {BIG: Limit(per_second=5)}), until=others_done)
    seconds = mails.clock.monotonic() - began
    rows = await mails.pool.fetch("select tries, due - at as wait from batches where state = 0")
    big = sum(recipient.endswith(BIG) for recipient, _ in mail_server.taken)

    assert 1 <= big <= 5 * (seconds + 1)
    assert {0} >= {row["tries"] for row in rows}
    assert seconds > 3 or max(row["wait"].total_seconds() for row in rows) >= 3.0


async def test_two_replicas_keep_to_one_rate(mails: Bench, mail_server: MailServer) -> None:
    """Each owns half of the partitions, and sends half of what the domain takes; the operator says the whole."""
    notices = some_notices(40)
    await mails.seal(notices, [a_payload(email=f"p{at}@{BIG}") for at in range(40)])
    replicas, stop = [_replica(mails, partition) for partition in (0, 1)], asyncio.Event()
    for partition, bench in enumerate(replicas):
        await bench.take(notices.pick(list(range(20 * partition, 20 * partition + 20))), partition)
    smtps = [_smtp(bench, mail_server, {BIG: Limit(per_second=10)}) for bench in replicas]
    began = mails.clock.monotonic()
    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        for bench, smtp in zip(replicas, smtps, strict=True):
            group.create_task(bench.sender(smtp).run(stop))
        while len(mail_server.taken) < 40:  # noqa: ASYNC110 - a server has no event for so many
            await asyncio.sleep(0.01)
        seconds = mails.clock.monotonic() - began
        stop.set()

    assert 40 <= 10 * (seconds + 1)


def _replica(bench: Bench, partition: int) -> Bench:
    stage = OwnedStage(bench.pool, bench.channel, (partition,))
    one = Bench(bench.channel, bench.pool, bench.intake, bench.vault, stage)
    one.partitions, one.slots = 2, bench.slots
    return one


async def test_a_domain_that_asks_for_less_is_left_alone(mails: Bench, mail_server: MailServer) -> None:
    """Three such answers in a row: nobody else of the domain uses up a try, and the other domain goes on."""
    await _queue(mails, 60, BIG, SMALL)
    mail_server.recipients[f"@{BIG}"] = "451 4.7.650 too many messages, slow down"

    async def settled() -> bool:
        states = await mails.states()
        return {AttemptState.TAKEN: 30, AttemptState.ACCEPTED: 30} == states

    await mails.send(_smtp(mails, mail_server), until=settled)
    tried = await mails.pool.fetchval("select sum(count) from batches where state = 0 and tries = 1")

    assert 3 <= len(mail_server.asked) <= 8  # eight were on their way at most
    assert len(mail_server.asked) == tried
    assert float(len(mail_server.asked)) == mails.registry.get_sample_value(
        "dispatch_blames_total", LABELS | {"provider": "test", "blame": Blame.LATER.value}
    )


@pytest.mark.parametrize(("size", "held"), [(33_554_432, 0.0), (500, 4.0), (0, 0.0)])
async def test_what_the_server_says_is_too_long_is_not_sent(
    mails: Bench, mail_server: MailServer, size: int, held: float
) -> None:
    """It is our own fault: the incident's words stop on this channel, and nobody is refused (RFC 1870)."""
    mail_server.size = size
    await _queue(mails, 4, BIG)

    async def ended() -> bool:
        return mails.count("held") >= 1.0 or len(mail_server.taken) == 4

    await mails.send(_smtp(mails, mail_server), until=ended)

    assert bool(held) == bool(mails.paused("content"))
    assert (0 if held else 4) == len(mail_server.taken)
