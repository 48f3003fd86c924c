"""What operators see of ties between identities, and what they say of them. Of the people it names fields, no more."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from services.core.access import Act, Caller
from services.core.numbers import whole
from services.intake.codec import BlockHeader
from services.intake.context import SOURCE, Context
from services.intake.domain import DoneAct
from services.intake.errors import ConflictError, NotFoundError
from services.intake.identities.homes import rehome
from services.intake.identities.moving import moved_outputs
from services.intake.identities.rows import IdentityRows, LockedTie
from services.intake.identities.tying import State
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Connection

__all__ = ["Settlement", "Settling", "read_settlement"]

_SHOWN: Final = 1_000  # a page that can still be read
_STATES = {state.value for state in State}
_ACTIONS: Final[Mapping[str, tuple[Act, State, frozenset[State]]]] = MappingProxyType(
    {
        "tie": (Act.IDENTITY_TIED, State.MADE, frozenset({State.PROPOSED, State.REFUSED, State.UNDONE})),
        "untie": (Act.IDENTITY_UNTIED, State.UNDONE, frozenset({State.MADE})),
        "refuse": (Act.IDENTITY_REFUSED, State.REFUSED, frozenset({State.PROPOSED})),
    }
)
_MOST_TIES: Final = 2**63 - 1


class Settlement(NamedTuple):
    """What an operator says of a tie."""

    action: str
    tie: int


def read_settlement(body: Any) -> tuple[Settlement, list[dict[str, str]]]:
    """Read what is said of which tie; returns it with all problems in it."""
    if not isinstance(body, dict):
        return Settlement("", 0), [{"field": "", "problem": "must be a JSON object"}]
    problems = [
        {"field": key[:64], "problem": "is not a field of this"} for key in sorted(set(body) - {"action", "tie"})
    ]
    action, tie = body.get("action"), whole(body.get("tie"))
    if not isinstance(action, str) or action not in _ACTIONS:
        problems.append({"field": "action", "problem": f"must be one of {', '.join(_ACTIONS)}, settle, unsettle"})
    if not (type(tie) is int and 0 < tie < _MOST_TIES):
        problems.append({"field": "tie", "problem": "must be the number of a tie"})
    return Settlement(str(action), tie if type(tie) is int else 0), problems


class Settling:
    """The use cases behind the route of identities."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows = context, IdentityRows()

    async def show(self, caller: Caller, incident_id: str, after: int, state: str | None) -> dict[str, Any]:
        """Return ties of an incident from one on, as JSON. Raises NotFoundError, ConflictError for no such state."""
        if state is not None and state not in _STATES:
            raise ConflictError("there is no such state of a tie")
        async with self._context.pool.acquire() as connection:
            if await self._context.store.show_incident(connection, incident_id) is None:
                raise NotFoundError("incident")
            caller.incident_id = incident_id
            rows = await self._rows.list_ties(connection, incident_id, after, state, _SHOWN)
        return {
            "incidentId": incident_id,
            "ties": [
                {
                    "tie": row["number"],
                    "state": row["state"],
                    "fields": row["fields"],
                    "cohortId": row["cohort_id"],
                    "source": row["source"],
                    "record": row["record"].hex(),
                    "decidedAt": row["decided_at"].isoformat(),
                    "decidedBy": row["decided_by"] or "rule",
                }
                for row in rows
            ],
            "next": rows[-1]["number"] if len(rows) == _SHOWN else None,
        }

    async def settle(self, caller: Caller, incident_id: str, said: Settlement) -> dict[str, Any]:
        """Make, undo or refuse a tie, and move the people that it is about; return where it stands, as JSON.

        Raises NotFoundError, ConflictError. What stands already stays as it is.
        """
        act, state, before = _ACTIONS[said.action]
        caller.act = act
        async with self._context.pool.acquire() as connection, connection.transaction():
            if await self._context.store.hold_incident(connection, incident_id) is None:
                raise NotFoundError("incident")
            caller.incident_id = incident_id
            tie = await self._rows.lock_tie(connection, incident_id, said.tie)
            if tie is None:
                raise NotFoundError("tie")
            if tie.state not in before | {state}:
                raise ConflictError(f"the tie is {tie.state.value}")
            if tie.state is not state:
                await append_outputs(connection, SOURCE, await self._put(connection, caller, act, tie, state))
        return {"incidentId": incident_id, "tie": said.tie, "state": state.value, "changed": tie.state is not state}

    async def _put(
        self, connection: Connection, caller: Caller, act: Act, tie: LockedTie, state: State
    ) -> list[Output]:
        """Write what was said; returns the blocks to send."""
        store, now = self._context.store, self._context.clock.now()
        held = await store.hold_cohort(connection, tie.incident_id, tie.cohort_id)
        incident = await store.show_incident(connection, tie.incident_id)
        assert held is not None  # noqa: S101 - its record is in it, and cohorts are never deleted
        assert incident is not None  # noqa: S101 - the caller holds it
        await self._rows.settle_tie(connection, tie.number, state, caller.principal.name, now)
        parted_or_joined = [tie.pair] if State.MADE in {state, tie.state} else []
        moves = await rehome(self._rows, connection, tie.incident_id, parted_or_joined)
        await store.record_acts(connection, [DoneAct.of(caller, act, held.cohort, member=tie.record)], now)
        scope = f"{tie.incident_id}/{tie.cohort_id}"
        totals = await store.lock_totals(connection, scope, now)
        header = BlockHeader(
            tie.incident_id,
            incident.version,
            tie.cohort_id,
            held.cohort.version,
            int(now.timestamp() * 1000),
            totals.row(SOURCE, scope, totals.counts),
        )
        return moved_outputs(header, moves, self._context.partitions)
