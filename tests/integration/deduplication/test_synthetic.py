"""Rows of synthetic people go after an hour, and nobody else's."""

import pytest

from services.core.synthetic import SYNTHETIC_INCIDENT
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Scene, block, people


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication after four people were told, two of them an hour ago."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("c1", released=True)
    now = int(made.clock.now().timestamp() * 1000)
    old, new = people(4)[:2], people(4)[2:]
    await made.take(block("c1", old, partition=1, at=now - 3_600_001), block("c1", new, partition=1, at=now, seq=2))
    return made


async def _rows(scene: Scene) -> tuple[int, ...]:
    """Return how many members there are, and notices of nobody."""
    told = "select from members where (incident, person) = (notices.incident, notices.person)"
    query = f"select (select count(*) from members), (select count(*) from notices where not exists ({told}))"
    return tuple((await scene.pool.fetch(query))[0])


async def test_people_of_other_incidents_stay(scene: Scene) -> None:
    """Whoever somebody is, what is known of it is not dropped."""
    await scene.tick()

    assert (4, 0) == await _rows(scene)


async def test_synthetic_people_go_after_an_hour_by_the_owner_of_their_partition(scene: Scene) -> None:
    """Their notices go with them; those who came since stay until it is their time."""
    await scene.pool.execute("update incidents set incident_id = $1", SYNTHETIC_INCIDENT)
    await scene.tick([0, 2])
    before = await _rows(scene)
    scene.handler = scene.new_handler()
    await scene.tick([1])
    after = await _rows(scene)

    assert ((4, 0), (2, 0)) == (before, after)
