"""The stage on the embedded log, with nothing going wrong."""

from collections import Counter

from tests.integration.stage.room import Copying, World, numbered


async def test_every_block_has_its_effect_once_and_comes_out_once(world: World) -> None:
    """What goes in comes out, and happens, exactly once."""
    blocks = numbered(200)
    await world.feed(blocks[:100])

    async with world.running(world.stage(Copying())):
        await world.feed(blocks[100:])
        await world.until(lambda: _has(world, 200))

    assert Counter(blocks) == await world.effects()
    assert Counter(blocks) == await world.written()


async def _has(world: World, count: int) -> bool:
    return (await world.effects()).total() >= count
