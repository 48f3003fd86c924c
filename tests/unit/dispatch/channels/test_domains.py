"""Lanes of receiving domains: whose turn comes when, by a clock that the test moves."""

import asyncio
from heapq import heappop, heappush

import pytest

from services.dispatch.channels.domains import SLOWER, DomainLimits, Lane
from services.dispatch.mail_config import EmailConfig, Limit
from services.dispatch.outcomes import Ending, Result
from services.dispatch.provider import HeldBack
from services.kit.config import load
from services.kit.errors import ConfigError
from services.kit.testing import FakeClock

ACCEPTED = Result(Ending.ACCEPTED)


def _key(number: int) -> tuple[bytes, int]:
    return number.to_bytes(16, "big"), 1


def _sent(lane: Lane, clock: FakeClock, number: int) -> float:
    """Return when a mail is sent that comes back each time that it is put back."""
    while True:
        wait, back = lane.turn(_key(number))
        if back is None:
            return clock.monotonic() + wait
        clock.advance(back.wait)


def test_a_rate_holds_and_is_used() -> None:
    """Over any ten seconds a domain gets what its rate says, with one second's worth at most above that."""
    clock = FakeClock()
    lane = DomainLimits({"a.example": Limit(per_second=10)}, clock).lane("a.example")
    due = [(0.0, number) for number in range(600)]
    sent: list[float] = []
    while due:
        at, number = heappop(due)
        clock.advance(max(0.0, at - clock.monotonic()))
        wait, back = lane.turn(_key(number))
        if back:
            heappush(due, (clock.monotonic() + back.wait, number))
        else:
            sent.append(clock.monotonic() + wait)
    windows = [sum(begin <= at < begin + 10 for at in sent) for begin in map(float, range(50))]

    assert max(windows) <= 110
    assert min(windows) >= 90
    assert 58 <= sent[-1] <= 62


def test_replicas_that_share_a_rate_are_together_no_faster() -> None:
    """Three processes own 3, 3 and 2 of 8 partitions; one ends, and another one takes what it had."""
    clock = FakeClock()
    processes = [DomainLimits({"a.example": Limit(at_once=8, per_second=10)}, clock) for _ in range(3)]
    sent: list[float] = []
    for owned, seconds in (((3, 3, 2), 20.0), ((8, 0, 0), 20.0), ((4, 4, 0), 20.0)):
        until = clock.monotonic() + seconds
        for process, partitions in zip(processes, owned, strict=True):
            process.share.part = partitions / 8
        going = {at: processes[at].lane("a.example") for at, partitions in enumerate(owned) if partitions}
        assert 8 >= sum(lane.most for lane in going.values())
        while clock.monotonic() < until:
            for at, lane in going.items():
                wait, back = lane.turn(_key(at))  # whoever is next in its queue
                sent += [] if back else [clock.monotonic() + wait]
            clock.advance(0.05)
    windows = [sum(begin <= at < begin + 10 for at in sent) for begin in map(float, range(50))]

    assert max(windows) <= 110
    assert min(windows) >= 90


def test_a_replica_has_one_place_at_least() -> None:
    """Its mails come to nobody else: two replicas may have two mails at once under a limit of one, and say so."""
    limits = DomainLimits({"a.example": Limit(at_once=1)}, FakeClock())
    limits.share.part = 0.125

    assert 1 == limits.lane("a.example").most


def test_a_process_that_begins_anew_sends_no_mail_twice_as_soon() -> None:
    """Of a slow domain the process before it may just have sent one; a fast one had its pause meanwhile."""
    clock = FakeClock()
    limits = DomainLimits({"slow.example": Limit(per_second=0.01), "fast.example": Limit(per_second=10)}, clock)
    _, back = limits.lane("slow.example").turn(_key(1))

    assert back is not None
    assert 100.0 == back.wait
    assert (0.0, None) == limits.lane("fast.example").turn(_key(1))


async def test_a_place_is_free_again_for_whoever_waits() -> None:
    """Also where fewer may go at once by then than when they came."""
    limits = DomainLimits({"a.example": Limit(at_once=2)}, FakeClock())
    lane, order = limits.lane("a.example"), list[int]()
    first, second = asyncio.Event(), asyncio.Event()

    async def go(number: int, until: asyncio.Event) -> None:
        async with lane.place():
            order.append(number)
            await until.wait()

    tasks = [asyncio.create_task(go(number, until)) for number, until in ((1, first), (2, second), (3, first))]
    await asyncio.sleep(0)
    limits.share.part = 0.5
    full = (lane.is_full, [*order])
    second.set()
    await tasks[1]
    waits = [*order]
    first.set()
    await asyncio.gather(*tasks)

    assert (True, [1, 2]) == full
    assert [1, 2] == waits
    assert [1, 2, 3] == order


def test_what_waits_for_limits_is_counted_and_no_domain_named() -> None:
    """Those that were put back, until their turn is over, and the domains that asked for less."""
    clock = FakeClock()
    limits = DomainLimits({"a.example": Limit(per_second=1)}, clock)
    for number in range(10):
        limits.lane("a.example").turn(_key(number))
    for _ in range(3):
        limits.lane("b.example").saw(SLOWER, slows=True)
    held = limits.held_back()
    clock.advance(3600.0)

    assert HeldBack(messages=9, domains=1, asked=1) == held
    assert HeldBack() == limits.held_back()


def test_who_waits_goes_before_who_comes_new() -> None:
    """A mail that was put back finds its turn; one that comes later is put behind it, and nobody waits for ever."""
    clock = FakeClock()
    lane = DomainLimits({"a.example": Limit(per_second=1)}, clock).lane("a.example")
    first = [lane.turn(_key(number))[1] for number in range(10)]
    clock.advance(5.0)
    new, waited = lane.turn(_key(99))[1], lane.turn(_key(1))[1]

    assert [1.0, 2.0, 3.0, 4.0] == [back.wait for back in first[1:5] if back]
    assert new is not None
    assert waited is None


def test_those_who_never_come_back_hold_up_nobody() -> None:
    """A notice that was recalled while it waited leaves its turn empty."""
    clock = FakeClock()
    lane = DomainLimits({"a.example": Limit(per_second=1)}, clock).lane("a.example")
    for number in range(10):
        lane.turn(_key(number))
    clock.advance(60.0)

    assert clock.monotonic() == _sent(lane, clock, 99)


def test_domains_of_one_host_share_a_lane_and_others_have_their_own() -> None:
    """What `+` joins is one host; `*` is a limit for each other domain, not for all of them together."""
    config = load(
        EmailConfig, {"HERAUT_SMTP_URL": "smtp://x", "HERAUT_SMTP_DOMAINS": "*=8/100s,a.nl+B.nl=2/600m,c.nl=/5s"}
    )
    limits = DomainLimits(config.smtp_domains or {}, FakeClock())

    assert {"*": Limit(8, 100.0), "a.nl": Limit(2, 10.0), "b.nl": Limit(2, 10.0), "c.nl": Limit(None, 5.0)} == dict(
        config.smtp_domains or {}
    )
    assert limits.lane("a.nl") is limits.lane("b.nl")
    assert limits.lane("d.nl") is not limits.lane("e.nl")


@pytest.mark.parametrize("text", ["a.nl", "a.nl=", "a.nl=0", "a.nl=2/5", "a.nl=/5d", "=2", "a b=2", "a.nl=2/5s;b.nl=2"])
def test_limits_of_another_form_are_refused(text: str) -> None:
    """A limit that is misread would be none."""
    with pytest.raises(ConfigError, match=r"HERAUT_SMTP_DOMAINS must be|HERAUT_SMTP_DOMAINS: must be"):
        load(EmailConfig, {"HERAUT_SMTP_URL": "smtp://x", "HERAUT_SMTP_DOMAINS": text})


def test_a_domain_that_asks_for_less_is_asked_by_one_mail_at_a_time() -> None:
    """Pauses grow while it takes nothing; the first mail that it takes ends them."""
    clock = FakeClock()
    lane = DomainLimits({}, clock).lane("a.example")
    waits = []
    for _ in range(3):
        lane.saw(SLOWER, slows=True)
    for _ in range(4):
        _, back = lane.turn(_key(1))
        assert back is not None
        waits.append(back.wait)
        clock.advance(back.wait)
        assert lane.turn(_key(1)) == (0.0, None)
        lane.saw(SLOWER, slows=True)
    clock.advance(3600.0)
    lane.saw(ACCEPTED, slows=False)
    lane.saw(SLOWER, slows=True)

    assert [60.0, 120.0, 240.0, 480.0] == waits
    assert (0.0, None) == lane.turn(_key(2))


def test_two_answers_or_an_answer_about_one_mailbox_pause_no_domain() -> None:
    """One recipient's full mailbox is nobody else's, and an acceptance between says that the domain takes mail."""
    lane = DomainLimits({}, FakeClock()).lane("a.example")
    for result in (SLOWER, SLOWER, ACCEPTED, SLOWER, SLOWER):
        lane.saw(result, slows=result is SLOWER)
    lane.saw(Result(Ending.NOT_NOW), slows=False)

    assert (0.0, None) == lane.turn(_key(1))


def test_who_waits_for_a_domain_that_takes_nothing_is_put_off_in_the_end() -> None:
    """After hours in which it took nothing at all, waiting uses up tries: nobody waits for ever for a dead domain."""
    clock = FakeClock()
    lane = DomainLimits({}, clock).lane("a.example")
    for _ in range(3):
        lane.saw(SLOWER, slows=True)
    hours = 0.0
    while (back := lane.turn(_key(1))[1]) is not SLOWER:
        if back is not None:
            clock.advance(back.wait)
        else:
            lane.saw(SLOWER, slows=True)
        hours = clock.monotonic() / 3600

    assert 1.5 < hours < 4
