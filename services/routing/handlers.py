"""Routing's part of its stage: decide a block at a time, and pack together what goes the same way."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain, starmap

from notification.topics import NOTICES_RECALLED

from services.core.channel import ALL_CHANNELS, Channel
from services.core.clock import Clock
from services.core.incident import Incident
from services.core.notices import FLAG_MAYBE_TOLD, LIES_UNREAD, Notices
from services.core.policy import MOST_DAYS_UNREAD, Cascade
from services.core.receipts import ReceiptKind, came_back
from services.core.status import CALLED_BACK, CHANNEL_CLOSED
from services.kit.errors import RetryableError
from services.kit.eventlog import Output, Record, comes_again_within
from services.kit.forgetting import Forgetting
from services.kit.postgres import Connection
from services.routing.came_back import in_question, latest, what_came_back, why_given_up, without_those
from services.routing.cascading import goes_on, split
from services.routing.codec import (
    Whole,
    Work,
    decode_work,
    encode_exhausted,
    encode_reattempted,
    encode_routed,
    encode_whole,
)
from services.routing.domain import (
    Choices,
    Situation,
    choices_of,
    for_want_of_closed,
    one_way,
    packed,
    passed_over,
    route,
)
from services.routing.metrics import RoutingMetrics
from services.routing.readdressing import Address, Answers, GivenUp, answers, given_up
from services.routing.store import Store
from services.wire.incidents import Incidents
from services.wire.recalls import Recalled, encode_stopped

__all__ = ["RoutingHandler", "Work", "recalls_kept"]


_Way = tuple[int, Channel | str]  # partition and channel, or why they are given up: what may share a block
_Ways = defaultdict[_Way, list[Notices]]


def recalls_kept(log_retention: timedelta) -> timedelta:
    """Return how long a recall is remembered that is over.

    As long as a block of it may be heard again; and as long as what had begun may come back, or lie unread: it is not
    told anew of a record that was taken back or corrected.
    """
    return comes_again_within(NOTICES_RECALLED, log_retention) + timedelta(days=MOST_DAYS_UNREAD)


class RoutingHandler:
    """Decides from the block, its incident version, and what the newest one that is known here has closed.

    What was given up may be attempted again later.
    """

    def __init__(
        self,
        incidents: Incidents,
        metrics: RoutingMetrics,
        clock: Clock,
        keep_recalls: timedelta,
        store: Store | None = None,
    ) -> None:
        """Make one; `keep_recalls`: how long a recall is remembered that is over."""
        self._incidents = incidents
        self._metrics = metrics
        self._clock = clock
        self._forgetting = Forgetting(clock, keep_recalls)
        self._store = store or Store()
        # The channels that a version lets notices take, preferred first: it never changes.
        self._usable: dict[tuple[str, int], tuple[Channel, ...]] = {}

    def decode(self, record: Record) -> Work:
        """Read one block, as far as it has to be read to decide about it. Raises InvalidMessage."""
        return decode_work(record, lambda incident, situations: self._one_way(incident, situations) is not None)

    async def ready(self, work: Sequence[Work]) -> None:
        """Wait until the incident versions that the blocks were decided with are known here."""
        blocks = [one.notices for one in work if one.notices]
        wanted = {(notices.incident_id, notices.incident_version) for notices in blocks} - self._usable.keys()
        for incident_id, version in sorted(wanted):
            await self._learn(incident_id, version)

    async def _learn(self, incident_id: str, version: int) -> None:
        incident = await self._incidents.wait_for(("incident", incident_id, str(version)))
        self._usable[incident_id, version] = incident.usable_channels

    def _one_way(self, incident: tuple[str, int], situations: Collection[Situation]) -> Channel | None:
        """Return the channel that notices of an incident version all take, as far as is known; None = not one alone."""
        return one_way(situations, self._choices(incident)) if incident in self._usable else None

    def _choices(self, version: tuple[str, int]) -> Choices:
        """Return the choices of an incident version that is known, as they are now."""
        newest: Incident | None = self._incidents.get(("incident", version[0]))
        return choices_of(self._usable[version], int(newest.usable_mask) if newest else ALL_CHANNELS)

    async def apply(self, connection: Connection, work: Sequence[Work]) -> Sequence[Output]:
        """Return the blocks to send on, and note who was given up, or has a new address."""
        ways: _Ways = defaultdict(list)
        whole = [(self._way_of(one.whole), one.partition, one.whole) for one in work if one.whole]
        back = await self._note_what_came_back(connection, work)
        for one in work:
            if one.notices:
                for way, part in await self._next_of(connection, one.notices, one):
                    ways[one.partition, way].append(part)
        heard = {way: ways.pop(way) for way in [*ways] if isinstance(way[1], str)}
        again: list[Output] = []
        if heard or any(one.addresses for one in work):
            again = await self._answer(connection, heard, work, ways)
        given_up_now = {
            notice: reason == CALLED_BACK or (notice, attempt) in back
            for (_, reason), parts in heard.items()
            for part in parts
            for notice, attempt in zip(part.ids, part.attempts, strict=True)
        }
        again += await self._stop(connection, [one.recalled for one in work if one.recalled], given_up_now)
        for (_, way), parts in ways.items():
            self._metrics.count(way if isinstance(way, Channel) else None, sum(map(len, parts)))
        for channel, _, block in whole:
            self._metrics.count(channel, block.notices)
        return [*starmap(encode_whole, whole), *_outputs(ways), *again]

    def _way_of(self, whole: Whole) -> Channel:
        """Return the channel that a block takes. Raises RetryableError where it parts by now: it is read again."""
        channel = self._one_way(whole.incident, whole.situations)
        if channel is None:
            raise RetryableError("a channel was closed after a block had been read")
        return channel

    async def _note_what_came_back(self, connection: Connection, work: Sequence[Work]) -> Collection[tuple[bytes, int]]:
        """Write down by which contact data something came back; return the attempts that did, each with its notice."""
        given_back = [(notices, one) for one in work if (notices := one.notices) and came_back(one.reason)]
        heard = (what_came_back(notices, one.reason, one.came_back_on) for notices, one in given_back)
        if fresh := latest(chain.from_iterable(heard)):
            await self._store.keep_came_back(connection, fresh)
        return {key for notices, _ in given_back for key in zip(notices.ids, notices.attempts, strict=True)}

    async def _next_of(
        self, connection: Connection, notices: Notices, one: Work
    ) -> list[tuple[Channel | str, Notices]]:
        """Return where the notices of a block go next.

        Who was recalled, and whose mail or letter came back, is not told anew. Nor is anybody written to where
        something came back, before there is other contact data.
        """
        reason, back = one.reason, came_back(one.reason)
        if back is None and reason not in {"", CHANNEL_CLOSED}:  # what cannot be printed is held, whatever is left
            return [(reason, notices)]
        bearers = in_question(notices, released=one.released)
        known = await self._store.came_back(connection, bearers) if bearers else {}
        notices, why = without_those(notices, known)
        if back is None:
            ways = list(self._ways_of(notices, reason))
            return [part for way, its in ways for part in _asked(way, its, why)] if why else ways
        newest: Incident | None = self._incidents.get(("incident", notices.incident_id))
        cascade = newest.policy.cascade if newest else Cascade()
        unread = back[0] is ReceiptKind.UNREAD
        going, over = split(notices, await self._store.recalled(connection, notices.ids))
        if not goes_on(*back, cascade):
            going, over = notices.pick([]), notices.pick([]) if unread else notices
        # Who was called back stays told by what nobody read, and is told at new contact data, if there is any.
        found: list[tuple[Channel | str, Notices]] = [(CALLED_BACK if unread else reason, over)] if over else []
        for channel, part in self._ways_of(going, "") if going else ():
            if isinstance(channel, Channel) or not unread:  # who can be told on no other channel stays told
                found.append((channel or reason, part))
        return found

    def _ways_of(self, notices: Notices, reason: str) -> Iterable[tuple[Channel | str, Notices]]:
        """Return where notices go next; `reason`: that the last channel was closed, where that is why they come."""
        version = notices.incident_id, notices.incident_version
        choices = self._choices(version)
        self._metrics.count_passed(passed_over(notices, choices_of(self._usable[version]), choices))
        found: list[tuple[Channel | str, Notices]] = []
        for channel, part in route(notices, choices):
            found += [(channel, part)] if channel else _reasons(part, choices, reason)
        return found

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Forget recalls that are over and can be heard no more; nothing else here waits for a time."""
        await self._forgetting.look(partial(self._store.forget_recalls, connection, partitions))
        return ()

    async def _answer(
        self, connection: Connection, exhausted: Mapping[_Way, Sequence[Notices]], work: Sequence[Work], ways: _Ways
    ) -> list[Output]:
        """Give notices up, or attempt them again; add both to `ways`, and return the blocks that tell of the latter."""
        heard: defaultdict[int, list[GivenUp]] = defaultdict(list)
        for (partition, reason), parts in exhausted.items():
            heard[partition] += [one for part in parts for one in given_up(part, str(reason))]
        moved: dict[int, dict[bytes, Address]] = {}
        for one in work:
            for address in one.addresses:
                _keep_newest(moved.setdefault(one.partition, {}), address)
        outputs = []
        for partition in sorted(heard.keys() | moved.keys()):
            found = await self._decide(connection, heard.get(partition, ()), moved.get(partition, {}))
            _add(ways, partition, found)
            outputs += [encode_reattempted(partition, block) for block in packed([part for _, part in found.again])]
        return outputs

    async def _stop(
        self, connection: Connection, recalled: Sequence[Recalled], given_up_now: Mapping[bytes, bool]
    ) -> Iterable[Output]:
        """Stop what was recalled and given up: no new attempt is made. Return the answers.

        Nobody was told by it, but where a channel may have told somebody before the others refused, or still may, as a
        message lies unread. `given_up_now` says what came back: it had begun. Dispatch has answered so, unless it came
        back before its recall was there. Whatever had begun may be attempted again, with other contact data.
        """
        asked = [recall for block in recalled if not block.over for recall in block.recalls]
        if asked:
            await self._store.keep_recalls(connection, asked)
        wanted = {recall.notice for recall in asked}.union(given_up_now)
        found = await self._store.recalled_exhausted(connection, wanted) if wanted else []
        ended = [recall for recall, _ in found]
        begun = {recall.notice for recall in ended if given_up_now.get(recall.notice)}
        begun |= {recall.notice for recall, notice in found if _may_have_told(notice)}
        if stopped := [recall.notice for recall in ended if recall.notice not in begun]:
            await self._store.stop_exhausted(connection, stopped)
        ended += [recall for block in recalled if block.over for recall in block.recalls]
        if ended:
            unique = {recall.notice: recall for recall in ended}
            await self._store.end_recalls(connection, list(unique.values()), self._clock.now())
        return encode_stopped((recall, recall.notice not in begun) for recall, _ in found)

    async def _decide(
        self, connection: Connection, heard: Sequence[GivenUp], moved: Mapping[bytes, Address]
    ) -> Answers:
        """Decide about the notices of one partition, and write down what changes."""
        notices = moved.keys() | {one.notice for one in heard}
        if moved:
            await self._store.keep_addresses(connection, list(moved.values()))
        known = await self._store.exhausted(connection, notices)
        addresses = await self._store.addresses(connection, notices)
        for incident_id, version in {one.incident for one in known.values()} - self._usable.keys():
            await self._learn(incident_id, version)
        bearers = {one.columns.members[0] for one in (*heard, *known.values()) if one.notice in addresses}
        backs = await self._store.came_back(connection, bearers) if bearers else {}
        found = answers(heard, known, addresses, self._choices, backs)
        if found.kept:
            await self._store.keep_exhausted(connection, found.kept)
        return found


def _asked(way: Channel | str, notices: Notices, why: Mapping[bytes, str]) -> Sequence[tuple[Channel | str, Notices]]:
    """Return those of notices that are given up apart of which the source is asked for another address."""
    return [(way, notices)] if isinstance(way, Channel) else why_given_up(notices, way, why)


def _may_have_told(notice: Notices) -> bool:
    """Tell of a block of one whether somebody may have been told by it, or may be yet, though it was given up."""
    return bool(notice.flags[0] & FLAG_MAYBE_TOLD or notice.tried[0] & LIES_UNREAD)


def _reasons(given_up: Notices, choices: Choices, reason: str) -> list[tuple[str, Notices]]:
    """Return why these are given up: for want of a channel that is closed, or as none is left anyway."""
    every = range(len(given_up))
    closed = list(every) if reason else for_want_of_closed(given_up, choices)
    others = sorted(set(every).difference(closed))
    return [(why, given_up.pick(rows)) for why, rows in ((CHANNEL_CLOSED, closed), ("", others)) if rows]


def _keep_newest(moved: dict[bytes, Address], address: Address) -> None:
    known = moved.get(address.notice)
    if known is None or address.version > known.version:
        moved[address.notice] = address


def _add(ways: _Ways, partition: int, found: Answers) -> None:
    for one in found.fresh:
        ways[partition, one.reason].append(one.columns)
    for channel, notice in found.again:
        ways[partition, channel].append(notice)


def _outputs(ways: Mapping[_Way, Sequence[Notices]]) -> list[Output]:
    return [
        encode_routed(way, partition, block) if isinstance(way, Channel) else encode_exhausted(partition, block, way)
        for (partition, way), parts in ways.items()
        for block in packed(parts)
    ]
