"""Keeps the home of each identity, where ties are made and undone: in the transaction that does so."""

from collections.abc import Collection

from services.intake.homes import Home
from services.intake.identities.rows import IdentityRows
from services.intake.identities.tying import Pair, homes_of
from services.kit.postgres import Connection

__all__ = ["rehome"]


async def rehome(
    rows: IdentityRows,
    connection: Connection,
    incident_id: str,
    changed: Collection[Pair],
    fresh: Collection[bytes] = (),
) -> dict[bytes, Home]:
    """Give the people of ties that were made or undone their homes; return those that changed.

    `fresh` are identities of which nothing was known before. Call it with the ties written.
    """
    if not changed:
        return {}
    homes = await rows.lock_homes(connection, incident_id, {one for pair in changed for one in pair})
    moves = homes_of(homes, await rows.list_made(connection, incident_id, homes), fresh)
    if moves:
        await rows.move_homes(connection, incident_id, moves)
    return moves
