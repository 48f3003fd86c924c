"""Answers of stops come once others can hear of them: what is only committed lets notices go on."""

from typing import Final

from notification.topics import INCIDENTS_CHANGED

from services.intake.context import SOURCE, Context
from services.intake.errors import NotPublishedError
from services.kit.stage import wait_published

__all__ = ["wait_heard"]

_WITHIN: Final = 2.0  # seconds; a log that is well takes some hundredths


async def wait_heard(
    context: Context, stop: str, *, topic: str = INCIDENTS_CHANGED, partition: int = 0, **named: str | int
) -> None:
    """Wait until the log has all that was committed to a partition, a stop among it.

    Raises NotPublishedError, with the stop in words and what names it, where the log does not take it: it stays
    written, so whoever asks for it again learns whether it has been heard of.
    """
    if context.log_outside and not await wait_published(
        context.pool, SOURCE, topic, partition=partition, within=_WITHIN
    ):
        raise NotPublishedError(stop, named)
