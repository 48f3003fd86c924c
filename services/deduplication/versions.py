"""Which rules of an incident's document hold in each partition. Pure.

What a version stops holds at once; what it permits and the versions before it did not holds where all is known that was
acknowledged before it was put. Until then the more careful rule holds. Words are no permission.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from services.core.incident import Incident, VersionRules
from services.core.policy import BareJoins, Correction, OnIdentityConflict, Pace, Policy
from services.deduplication.permissions import Reached
from services.kit.errors import ConfigError

__all__ = ["Version", "check_version", "versions_in"]

_FEWER_FIRST: Final = list(Correction)  # corrections that are sent: none, some, all
_MORE_HELD: Final = list(BareJoins)  # nobody, those who say nothing


class Version(NamedTuple):
    """The newest version of an incident with the rules that hold in some partitions."""

    incident: Incident
    reached: Reached
    waits: bool  # it opens a channel that is not open here yet


def versions_in(newest: Incident, rules: Iterable[VersionRules], reached: Reached) -> list[Version]:
    """Return the rules that hold, with the partitions in which they do; nearly always it is one for all.

    `rules` are those of all versions, the newest first; no more of them are asked for than it takes.
    """
    found: list[Version] = []
    left, heard = list(reached.partitions), list[VersionRules]()
    for one in rules:
        heard.append(one)
        settled = [at for at in left if one.hold_in(at, reached.taken, tied=reached.tied)]
        if settled:
            found.append(_version(newest, heard, reached._replace(partitions=settled)))
            left = [at for at in left if at not in settled]
        if not left:
            break
    if left:  # no version is known from which on nothing is waited for
        found.append(_version(newest, heard, reached._replace(partitions=left)))
    return found


def check_version(incident: Incident, partitions: int) -> None:
    """Check that a version was put on as many partitions as this process has. Raises ConfigError."""
    if incident.after and len(incident.after) != partitions:
        raise ConfigError(
            f"incident {incident.incident_id} version {incident.version} was put on {len(incident.after)} partitions,"
            f" HERAUT_PARTITIONS is {partitions}"
        )


def _version(newest: Incident, rules: Sequence[VersionRules], reached: Reached) -> Version:
    """Return the newest version with the most careful of these rules; the first are its own."""
    if len(rules) <= 1:
        return Version(newest, reached, waits=False)
    channels = tuple(one for one in newest.usable_channels if all(one in each.channels for each in rules))
    policy = _careful([one.policy for one in rules])
    held_back = replace(newest, channels=channels, compromised=frozenset(), policy=policy)
    return Version(held_back, reached, waits=held_back.usable_channels != newest.usable_channels)


def _careful(policies: Sequence[Policy]) -> Policy:
    """Return the first of these policies, with the rules of the others where those let less go."""
    return replace(
        policies[0],
        on_identity_conflict=_hold_if_any(one.on_identity_conflict for one in policies),
        correction=min((one.correction for one in policies), key=_FEWER_FIRST.index),
        pace=_slowest([one.pace for one in policies]),
        bare_joins=max((one.bare_joins for one in policies), key=_MORE_HELD.index),
    )


def _hold_if_any(said: Iterable[OnIdentityConflict]) -> OnIdentityConflict:
    hold = OnIdentityConflict.HOLD
    return hold if hold in said else OnIdentityConflict.TELL_APART


def _slowest(paces: Sequence[Pace]) -> Pace:
    """Return the pace that lets go no more than any of these; what answers calls is in its number a day."""
    whole = [count for pace in paces if (count := pace.notices_a_day) is not None]
    channels = sorted({channel for pace in paces for channel in pace.per_channel})
    each = {one: min(pace.per_channel[one] for pace in paces if one in pace.per_channel) for one in channels}
    return Pace(per_day=min(whole, default=None), per_channel=each)
