"""Where the people of the model of recalls live, as their records say, and where something came back from."""

from services.core.channel import Channel
from services.core.notices import Notices
from services.routing.handlers import Work

__all__ = ["Addresses"]


class Addresses:
    """What is true of records' contact data, and what routing heard of it."""

    def __init__(self) -> None:
        self._now: dict[str, tuple[int, int]] = {}  # by member's name: its channels, and since which version
        self._since: dict[tuple[bytes, int], int] = {}  # by member and version: the version that brought its data
        self._gone: dict[tuple[bytes, Channel], int] = {}  # the version whose data came back there
        self._routed: set[tuple[bytes, int]] = set()  # attempts: a number that was given once stands for one of them

    def says(self, member: bytes, name: str, version: int, channels: int, *, moved: bool) -> tuple[int, int]:
        """Let a record have other contact data, or what it had; return its channels, and since which version."""
        channels, since = self._now.get(name, (channels, version)) if not moved else (channels, version)
        self._now[name] = channels, since
        self._since[member, version] = since
        return channels, since

    def withdraws(self, name: str) -> None:
        """Let a record be taken back: intake keeps nothing of it to compare with."""
        self._now.pop(name, None)

    def hear(self, work: Work) -> None:
        """Note, as routing hears it, whose data came back on which channel."""
        if work.notices and work.reason == "bounced:hard":
            at = work.notices.members[0], Channel(work.came_back_on)
            self._gone[at] = max(self._gone.get(at, 0), work.notices.versions[0])

    def check(self, way: Channel, routed: Notices) -> None:
        """Check that nothing goes where something came back before, as far as is known by then.

        But for a first notice that was set aside while later ones went: nothing says that it has to be asked about.
        """
        for at, bearer in enumerate(zip(routed.members, routed.versions, strict=True)):
            attempt = routed.ids[at], routed.attempts[at]
            asked = attempt[1] > 1 or bearer in routed.contact_since
            if asked and attempt not in self._routed:
                assert self._since.get(bearer, bearer[1]) > self._gone.get((bearer[0], way), 0)
            self._routed.add(attempt)
