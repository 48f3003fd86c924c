"""Tracking raises stops from counts in its database: each once, whatever is replayed and whoever looks."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from services.core.cohort import Cohort, Figures
from services.tracking.stopping import Stopping
from services.tracking.store import Store
from services.wire.incident_document import parse_incident
from services.wire.stops import Raised, decode_stops
from services.wire.testing import FakeIncidents
from tests.integration.tracking.test_app import DOCUMENT
from tests.integration.tracking.test_handlers import ACCEPTED, REFUSED, Room, attempted, room

__all__ = ["room"]  # the fixture

COHORT = Cohort("lab", "c", 2, "lab", None, auto_release=False, sealed=True, released=True, canary=500)
FLOOD = Raised("lab", "c", 0, "refused", "letter", 11, 100, 0.1)


def _incidents(cohort: Cohort = COHORT, **policy: Any) -> FakeIncidents:
    return FakeIncidents(parse_incident("lab", 1, {**DOCUMENT, "policy": policy}), cohort)


async def _raised(room: Room, incidents: FakeIncidents, *, partitions: tuple[int, ...] = (0, 1)) -> list[Raised]:
    """Look, as a process does that has just begun."""
    async with room.pool.acquire() as connection, connection.transaction():
        outputs = await Stopping(Store(), incidents).tick(connection, partitions)
    return [one for output in outputs for one in decode_stops(output.value)]


async def _flood(room: Room, first: int = 0, *, accepted: int = 89, refused: int = 11) -> None:
    """Have hand-overs end, in two partitions."""
    outcomes = {first + n: ACCEPTED if n < accepted else REFUSED for n in range(accepted + refused)}
    halves = ({n: o for n, o in outcomes.items() if n % 2 == odd} for odd in (0, 1))
    await room.hear(*(attempted(half, partition=at) for at, half in enumerate(halves)))


async def test_a_share_above_its_rule_is_raised_once(room: Room) -> None:
    """Counts of all partitions come together; a process that begins anew knows what was raised before."""
    await _flood(room)

    assert [FLOOD] == await _raised(room, _incidents())
    assert [] == await _raised(room, _incidents())


async def test_refusals_heard_again_count_once(room: Room) -> None:
    """Also in another block of another record: what counts is the attempt."""
    await _flood(room, accepted=95, refused=5)
    for _ in range(3):
        await _flood(room, accepted=95, refused=5)
    await room.hear(attempted({95: REFUSED}, attempt=2))
    counts = sum(map(Counter, (await room.counts()).values()), Counter[str]())

    assert [] == await _raised(room, _incidents())
    assert {"notified": 95, "notices_settled": 95, "accepted_letter": 95, "refused_letter": 6} == counts


async def test_rules_count_anew_from_the_end_of_a_stop(room: Room) -> None:
    """From what stood when its end was heard of; who still knows the version before raises nothing."""
    await _flood(room)
    await _raised(room, _incidents())
    going_on = replace(COHORT, version=4, counted_from=4)
    silent = [await _raised(room, _incidents(going_on)), await _raised(room, _incidents(going_on))]
    await _flood(room, 1000)
    late = await _raised(room, _incidents())
    again = await _raised(room, _incidents(going_on))

    assert [[], []] == silent
    assert [] == late
    assert [replace(FLOOD, counted_from=4)] == again


async def test_figures_that_people_posted_count(room: Room) -> None:
    """A complaint is a share of all that was handed over."""
    await _flood(room, accepted=100, refused=0)
    posted = replace(COHORT, figures=Figures(complaints=3))
    # Posted once more before the end of the stop was heard of here, it is new all the same.
    going_on = replace(posted, version=6, counted_from=4, figures=Figures(complaints=9), figures_before=posted.figures)

    assert [Raised("lab", "c", 0, "complaints", None, 3, 100, 0.02)] == await _raised(room, _incidents(posted))
    assert [Raised("lab", "c", 4, "complaints", None, 6, 100, 0.02)] == await _raised(room, _incidents(going_on))


@pytest.mark.parametrize(
    ("cohort", "policy", "partitions"),
    [
        (replace(COHORT, released=False), {}, (0,)),
        (replace(COHORT, cancelled=True), {}, (0,)),
        (COHORT, {"stop": {"refused": 0.5}}, (0,)),
        (COHORT, {}, (1, 2)),  # another process has partition 0, and looks
    ],
    ids=["unreleased", "cancelled", "within its rule", "not ours"],
)
async def test_what_has_nothing_to_stop_is_not_raised(
    room: Room, cohort: Cohort, policy: dict[str, Any], partitions: tuple[int, ...]
) -> None:
    """Only what goes out is stopped, by the rules of the newest document, by one process."""
    await _flood(room)

    assert [] == await _raised(room, _incidents(cohort, **policy), partitions=partitions)


async def test_what_was_raised_in_vain_is_raised_again(room: Room) -> None:
    """A crash before the commit loses nothing: the next look raises it."""
    await _flood(room)
    async with room.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        raised = await Stopping(Store(), _incidents()).tick(connection, (0,))
        await transaction.rollback()

    assert 1 == len(raised)
    assert [FLOOD] == await _raised(room, _incidents())
