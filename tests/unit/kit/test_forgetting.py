"""Rows that are kept against repeats go when no repeat can come any more."""

from datetime import datetime, timedelta

import pytest
from notification.topics import MEMBERS_HELD, NOTICES_RECALLED

from services.kit.eventlog import comes_again_within
from services.kit.forgetting import Forgetting
from services.kit.testing import FakeClock


class Rows:
    """So many rows that are due, and the looks at them."""

    def __init__(self, due: int) -> None:
        self.due, self.looks = due, list[datetime]()

    async def forget(self, before: datetime, limit: int) -> int:
        """Drop rows."""
        self.looks.append(before)
        gone = min(self.due, limit)
        self.due -= gone
        return gone


async def test_rows_go_in_small_blocks_until_none_is_due() -> None:
    """A million rows that are due at once hold nobody up: a tick drops a thousand, and the next one goes on."""
    clock, rows = FakeClock(), Rows(2500)
    forgetting = Forgetting(clock, timedelta(days=44))
    left = []
    for _ in range(5):
        await forgetting.look(rows.forget)
        left.append(rows.due)

    assert [1500, 500, 0, 0, 0] == left
    assert [clock.now() - timedelta(days=44)] * 3 == rows.looks


async def test_a_look_that_finds_little_is_the_last_one_for_a_while() -> None:
    """Ticks come each second, and rows are kept for weeks."""
    clock, rows = FakeClock(), Rows(0)
    forgetting = Forgetting(clock, timedelta(days=44))
    for _ in range(1201):
        await forgetting.look(rows.forget)
        clock.advance(1)

    assert 3 == len(rows.looks)


@pytest.mark.parametrize("topic", [NOTICES_RECALLED, MEMBERS_HELD])
def test_a_mark_outlives_every_block_that_can_be_heard_again(topic: str) -> None:
    """A week in the log, a month set aside, and a week in the log again; more where the log keeps more."""
    assert timedelta(days=7 + 30 + 7) == comes_again_within(topic, timedelta(days=1))
    assert timedelta(days=20 + 30 + 20) == comes_again_within(topic, timedelta(days=20))
