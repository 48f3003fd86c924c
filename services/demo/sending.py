"""Sends the waves to intake, as their sources would: overlapping, in pieces, and with corrections after them."""

import asyncio

from services.demo.client import Client
from services.demo.made_up.wave import Wave
from services.demo.progress import Progress

__all__ = ["send_waves"]

# A wave begins when this share of the one before is sent: they overlap, as they did in the case.
_NEXT_WAVE_AT = 0.5


async def send_waves(client: Client, waves: list[Wave], progress: Progress) -> None:
    """Send the waves; each begins when half of the one before is sent. Raises DemoError where intake refuses one."""
    for wave in waves:
        progress.to_send[wave.cohort_id] = wave.path.stat().st_size
        progress.sent[wave.cohort_id] = 0
        await client.put_cohort(wave.cohort_id, wave.document)
    try:
        async with asyncio.TaskGroup() as group:
            for wave in waves:
                halfway = asyncio.Event()
                group.create_task(_send(client, wave, progress, halfway))
                await halfway.wait()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the others follow from the first one


async def _send(client: Client, wave: Wave, progress: Progress, halfway: asyncio.Event) -> None:
    """Upload a wave and its corrections, and seal it; set `halfway` when the next wave may begin."""

    def sent(count: int) -> None:
        progress.sent[wave.cohort_id] += count
        if progress.sent[wave.cohort_id] >= progress.to_send[wave.cohort_id] * _NEXT_WAVE_AT:
            halfway.set()

    try:
        await client.upload(wave.cohort_id, wave.path, wave.form, sent)
    finally:
        halfway.set()
    if wave.corrections:
        await client.upload(wave.cohort_id, wave.corrections, wave.form, lambda _: None)
    await client.seal(wave.cohort_id)
