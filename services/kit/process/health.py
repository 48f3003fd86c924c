"""What a process says of itself to a balancer that sends it work, and to people who look after it."""

from services.core.clock import Clock

__all__ = ["Health"]


class Health:
    """What a process says of itself: ready once all its parts said so, and while those that should beat do."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._beats: dict[str, tuple[float, float]] = {}  # part -> (last beat, seconds allowed between two)
        self._ready: dict[str, bool] = {}
        self._draining = False

    def expect(self, part: str, within: float) -> None:
        """Expect a beat of `part` at least every `within` seconds from now on."""
        self._beats[part] = (self._clock.monotonic(), within)

    def beat(self, part: str) -> None:
        """Say that `part` got on with its work, or looked and found none."""
        _, within = self._beats[part]
        self._beats[part] = (self._clock.monotonic(), within)

    def set_ready(self, part: str, *, ready: bool) -> None:
        """Say whether `part` can do its work now."""
        self._ready[part] = ready

    def drain(self) -> None:
        """Be not ready from now on: the process is about to stop."""
        self._draining = True

    def parts(self) -> dict[str, bool]:
        """Return whether each part can work now and came to its beat, and with `all` whether the process is ready."""
        faults = {*self.unready(), *self.late()}
        return {part: part not in faults for part in sorted({*self._ready, *self._beats})} | {"all": not faults}

    def late(self) -> list[str]:
        """Return the parts that missed their beat."""
        now = self._clock.monotonic()
        return sorted(part for part, (at, within) in self._beats.items() if now - at > within)

    def unready(self) -> list[str]:
        """Return the parts that cannot work now."""
        waiting = sorted(part for part, ready in self._ready.items() if not ready)
        return [*waiting, *(["draining"] if self._draining else [])]
