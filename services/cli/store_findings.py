"""What database, log and disks say of the running system."""

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from services.cli.console import number
from services.cli.finding import Finding, fault, look, well
from services.cli.prepare import database_for_now, producers_of
from services.kit.config import ServiceConfig
from services.kit.eventlog import DeadLetters, Durability, installation_of

__all__ = ["dead_letter_finding", "disk_findings", "durability_findings", "store_findings"]

# Free of a disk: below the first somebody should look, below the second services stop soon.
_LOOK_BYTES, _FAULT_BYTES = 10 * 2**30, 2**30
_LOOK_SHARE, _FAULT_SHARE = 0.15, 0.03
_CLOCK_SECONDS: Final = 2.0  # by which the database's clock may differ: take-overs go by it
_COUNTED = 1_000  # dead letters that are looked at: so many are no accident


async def store_findings(settings: ServiceConfig) -> AsyncIterator[Finding]:
    """Look at dead letters, the database's clock, and how well the log keeps its blocks."""
    async with database_for_now(settings) as owner:
        if owner is None:
            yield look("dead letters", "HERAUT_DATABASE_URL is needed to look: they belong to no single room")
        else:
            connection = await asyncpg.connect(owner)
            try:
                yield _clock(await connection.fetchval("select clock_timestamp()"), datetime.now(UTC))
                letters = installation_of(settings).dead_letters(connection)
                try:
                    yield await dead_letter_finding(letters)
                finally:
                    await letters.close()
            finally:
                await connection.close()
    for finding in durability_findings(await installation_of(settings).durability(producers_of(settings))):
        yield finding


async def dead_letter_finding(letters: DeadLetters) -> Finding:
    """Say how many dead letters nobody has looked after, and why they were set aside."""
    name, sent = "dead letters", await letters.sent_back()
    found = await letters.entries(_COUNTED)
    left = [one for one in found if (one.record.topic_partition, one.record.offset) not in sent]
    if not left:
        return well(name, "none" if not found else f"{number(len(found))}, all sent back")
    reasons = Counter(str(one.described().get("reason", "unknown")) for one in left)
    told = ", ".join(f"{number(count)} {reason}" for reason, count in reasons.most_common(5))
    more = " at least" if len(found) == _COUNTED else ""
    return fault(name, f"{number(len(left))}{more} ({told}): heraut dlq list, and replay once the reason is mended")


def durability_findings(found: Durability) -> Iterator[Finding]:
    """Say how well the log keeps what it acknowledged."""
    yield from (fault("durability", words) for words in found.wrong)
    yield from (look("durability", words) for words in found.weak)
    if not (found.wrong or found.weak):
        yield well("durability", found.words)


def _clock(theirs: datetime, ours: datetime) -> Finding:
    ahead = (theirs - ours).total_seconds()
    if abs(ahead) <= _CLOCK_SECONDS:
        return well("database clock", "agrees with this one")
    return fault("database clock", f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this one")


def disk_findings(*folders: Path) -> Iterator[Finding]:
    """Say how much is free where these folders are, a line each file system."""
    seen: set[int] = set()
    for folder in folders:
        if folder.stat().st_dev not in seen:
            seen.add(folder.stat().st_dev)
            yield _disk(folder, *shutil.disk_usage(folder))


def _disk(folder: Path, total: int, _used: int, free: int) -> Finding:
    words = f"{free / 2**30:.1f} of {total / 2**30:.0f} GB free at {folder}"
    if free < _FAULT_BYTES or free < _FAULT_SHARE * total:
        return fault("disk", words)
    return look("disk", words) if free < _LOOK_BYTES and free < _LOOK_SHARE * total else well("disk", words)
