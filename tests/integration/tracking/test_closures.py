"""Channels that versions of an incident closed, as tracking shows them."""

from dataclasses import replace
from typing import Any

from services.core.channel import Channel
from services.tracking.domain import Observed
from services.tracking.store import Store
from tests.integration.tracking.test_api import PARTITIONS, Tracking, an_incident, tracking

__all__ = ["tracking"]  # the fixture


async def shown(tracking: Tracking, path: str, name: str = "operator") -> Any:
    """Return what one of the principals is shown, or the status of the answer."""
    answer = await tracking.client.get(f"/v1/incidents/{path}", headers=tracking.bearer(name))
    return await answer.json() if answer.status == 200 else answer.status


async def test_the_closures_of_an_incident_are_shown_with_what_had_begun(tracking: Tracking) -> None:
    """Each whole once its own channel has reported of each partition; who speaks for some sources sees none."""
    tracking.incidents.put(replace(an_incident("lab"), channels=tuple(Channel)))
    for version, compromised in ((2, {Channel.EMAIL}), (3, {Channel.EMAIL, Channel.PORTAL}), (4, {Channel.EMAIL})):
        one = replace(an_incident("lab"), version=version, compromised=frozenset(compromised))
        tracking.incidents.put(replace(one, channels=tuple(Channel)))
    async with tracking.pool.acquire() as connection, connection.transaction():
        for partition in range(PARTITIONS):
            begun = Observed("lab", ".email.2", Channel.EMAIL, partition, [bytes([partition]) * 16], [1])
            await Store().note_observed(connection, begun)
    await tracking.heard("dispatch-email", "lab/a", 1, {"set_aside": 1, "moved_on_email": 3}, "email-0")
    await tracking.heard("dispatch-email", "lab/b", 1, {"moved_on_email": 4}, "email-1")
    found = await shown(tracking, "lab/closures")

    assert [("email", 2, False, True, PARTITIONS), ("portal", 3, True, False, 0)] == [
        (one["channel"], one["version"], one["openAgain"], one["complete"], len(one["begun"]))
        for one in found["closures"]
    ]
    assert (False, {"email": 7}) == (found["complete"], found["movedOn"])
    assert [404, 404] == [
        await shown(tracking, "lab/closures", "source-a"), await shown(tracking, "none/closures"),
    ]  # fmt: skip
