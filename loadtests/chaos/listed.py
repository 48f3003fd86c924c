"""The listed windows: e-mails of which Heraut itself says that it cannot know whether they went out."""

from collections import Counter
from collections.abc import Sequence

import asyncpg

from services.core.ids import format_reference
from services.demo.providers import HandOver

__all__ = ["drop_listed", "listed_unknown"]


async def listed_unknown(database_url: str) -> set[str]:
    """Give the notices with an attempt that was, or is, of unknown outcome: by id and by reference."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select notice from dispatch.attempts where unknown_at is not null")
    finally:
        await connection.close()
    return {name for (notice,) in rows for name in (notice.hex(), format_reference(notice))}


def drop_listed(given: Sequence[HandOver], listed: set[str]) -> tuple[list[HandOver], int]:
    """Leave out e-mails of listed notices that went out a second time as a letter; gives how many as well."""
    by_notice = Counter(_key(one) for one in given)
    kept = []
    for one in given:
        if one.channel == "email" and one.notice in listed and by_notice[_key(one)] > 1:
            by_notice[_key(one)] -= 1
            continue
        kept.append(one)
    return kept, len(given) - len(kept)


def _key(one: HandOver) -> str:
    """Name a notice the same way on every channel."""
    return one.notice if "-" in one.notice else format_reference(bytes.fromhex(one.notice))
