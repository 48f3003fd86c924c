"""How attempts are put together: into batches that are stored, and into rounds that are handed over. Pure."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.core.ids import print_job_id
from services.core.notices import FLAG_SECRET_ADDRESS, Notices, joined
from services.core.synthetic import is_synthetic
from services.dispatch.domain import Batch, Round, Taken
from services.dispatch.provider import Traits

__all__ = ["BEFORE_ALL", "by_partition", "cut", "first_in_queue", "gathered", "reopened", "rounds_of"]

BEFORE_ALL = datetime.fromtimestamp(0, UTC)  # when synthetic people are due, and nobody else


def cut(traits: Traits, notices: Notices) -> list[list[int]]:
    """Cut attempts that came together into batches, as lists of rows; one list of all rows where nothing is cut.

    Letters to secret addresses go in batches of their own: few people are to handle those.
    """
    everything, size = list(range(len(notices))), traits.batch_size
    parts = [everything]
    if traits.makes_files and any(flags & FLAG_SECRET_ADDRESS for flags in notices.flags):
        secret = [row for row in everything if notices.flags[row] & FLAG_SECRET_ADDRESS]
        parts = [sorted(set(everything).difference(secret)), secret]
    return [rows[at : at + size] for rows in parts for at in range(0, len(rows), size)]


def first_in_queue(
    batches: Sequence[Taken], now: datetime, linger: timedelta
) -> Iterable[tuple[datetime, Sequence[Taken]]]:
    """Return batches with the time from which it is their turn: those of synthetic people go before all that wait.

    They ask whether anything moves, and not how long the queue is.
    """
    synthetic = [one for one in batches if is_synthetic(one.notices.incident_id)]
    if synthetic:
        batches = [one for one in batches if not is_synthetic(one.notices.incident_id)]
        yield BEFORE_ALL, synthetic
    if batches:
        yield now + linger, batches


def rounds_of(traits: Traits, partition: int, queued: Iterable[Batch], now: datetime) -> list[Round]:
    """Put what the queue of a partition gave into rounds; print files are filled, and secret addresses lie apart.

    The attempts alone decide a print file's id, so that the same letters can only be the same file.
    """
    if not traits.makes_files:
        return gathered(partition, queued, now)
    rounds = []
    for together in _grouped(queued, lambda batch: bool(batch.notices.flags[0] & FLAG_SECRET_ADDRESS)):
        for batches in _filled(together, traits.batch_size):
            one = _round(partition, batches, now)
            rounds.append(replace(one, print_job=print_job_id(traits.channel.label, one.keys)))
    return rounds


def gathered(partition: int, batches: Iterable[Batch], now: datetime) -> list[Round]:
    """Put the batches of a partition that are of the same incident version together."""
    return [_round(partition, together, now) for together in _grouped(batches, lambda _: None)]


def reopened(partition: int, begun: Iterable[Batch], mine: Collection[int]) -> list[Round]:
    """Return the rounds that somebody began and did not settle, as they were, less the batches that are `mine`."""
    others = (batch for batch in begun if batch.number not in mine)
    return [
        replace(
            _round(partition, together, together[0].since),
            print_job=together[0].print_job,
            print_run=together[0].print_run,
            repeated=True,
        )
        for together in _grouped(others, lambda batch: (batch.print_job, batch.since))
    ]


def by_partition(batches: Iterable[Batch]) -> dict[int, list[Batch]]:
    """Take batches of several partitions apart."""
    found: dict[int, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.partition, []).append(batch)
    return found


def _grouped(batches: Iterable[Batch], key: Callable[[Batch], Hashable]) -> list[list[Batch]]:
    """Put batches of one incident version and one key together; each group in the order of its numbers.

    The order matters: a process that makes a print file again must make the same pages in the same order.
    """
    found: dict[Hashable, list[Batch]] = {}
    for batch in batches:
        about = batch.notices.incident_id, batch.notices.incident_version
        found.setdefault((about, key(batch)), []).append(batch)
    return [sorted(together, key=lambda batch: batch.number) for together in found.values()]


def _filled(batches: Iterable[Batch], size: int) -> list[list[Batch]]:
    """Return batches in groups of at most `size` attempts, and never an empty one."""
    groups: list[list[Batch]] = []
    room = 0
    for batch in batches:
        if len(batch.notices) > room:
            groups.append([])
            room = size
        groups[-1].append(batch)
        room -= len(batch.notices)
    return groups


def _round(partition: int, batches: Sequence[Batch], created_at: datetime) -> Round:
    notices = joined([batch.notices for batch in batches])
    tries = [tries for batch in batches for tries in [batch.tries] * len(batch.notices)]
    parts = [(batch.number, len(batch.notices)) for batch in batches]
    return Round(partition, notices, tries, created_at, parts=parts)
