"""What an operator is shown of limits: which there are, how much of a day is used, and what waits for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.core.clock import Clock
from services.dispatch.config import Config
from services.dispatch.provider import HeldBack, HoldsBack, Provider
from services.dispatch.rates import DAY
from services.dispatch.turn_store import TurnStore
from services.kit.postgres import Connection

__all__ = ["LimitsShown"]


class LimitsShown:
    """The limits of one channel's process. No domain is named: some have one mailbox."""

    def __init__(
        self, config: Config, turns: TurnStore | None, provider: Provider, rests: Callable[[], float], clock: Clock
    ) -> None:
        """`rests`: for how many seconds nothing is handed over here, as caps are used up."""
        self._config, self._turns, self._provider = config, turns, provider
        self._rests, self._clock = rests, clock

    async def shown(self, connection: Connection) -> dict[str, Any]:
        """Return it as the API has it."""
        caps: list[dict[str, Any]] = [{"messages": cap.most, "seconds": cap.seconds} for cap in self._config.caps]
        if self._turns and (per_day := self._config.per_day):
            used = await self._turns.used_today(connection)
            caps.append({"messages": per_day, "seconds": DAY, "usedToday": used})
        return {"caps": caps, "heldBack": self._held_back()}

    def _held_back(self) -> dict[str, Any]:
        """Return what waits for limits in this process."""
        one = self._provider.held_back() if isinstance(self._provider, HoldsBack) else HeldBack()
        rests = self._rests()
        until = self._clock.now() + timedelta(seconds=rests) if rests else None
        return {
            "messages": one.messages,
            "domains": one.domains,
            "domainsLeftAlone": one.asked,
            "capsUntil": until.isoformat(timespec="seconds") if until else None,
        }
