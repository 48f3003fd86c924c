"""What an incident's document decides beside its words: readable rules, each with a default.

The only table of those that are words is `RULES`: the check of documents, what is shown of an incident, OpenAPI and the
template come from it. The others are numbers, each group a class of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from services.core.channel import Channel

__all__ = [
    "KEYS",
    "MOST_DAYS_UNREAD",
    "OF_AGE",
    "RULES",
    "SMALLEST_SAMPLE",
    "BareJoins",
    "CallCentre",
    "Cascade",
    "Correction",
    "Minors",
    "OnIdentityConflict",
    "Pace",
    "Policy",
    "Rule",
    "Stop",
    "cascade_in_words",
    "in_words",
]


class OnIdentityConflict(Enum):
    """What becomes of people who share an identity and contradict each other. The value is its word in documents."""

    TELL_APART = "tell-apart"  # each is told what its own records say
    HOLD = "hold"  # none is told anything more, as long as it is so


class BareJoins(Enum):
    """What becomes of records that share an identity with others and say neither name nor birth date. Its words."""

    JOIN = "join"  # they are the same person's, by the identity alone
    HOLD = "hold"  # they are held, as nobody can tell whose they are


class Correction(Enum):
    """When people are told that something they were told does not hold (any more). The value is as in documents."""

    NONE = "none"
    WHEN_WHOLLY_WITHDRAWN = "whenWhollyWithdrawn"  # of the data that somebody was told of, none is left
    ALWAYS = "always"  # also where some is left, or what was certain is only possible now


@dataclass(frozen=True, slots=True)
class CallCentre:
    """How many calls can be answered, and how many notices a day that bears."""

    calls_per_day: int
    share_of_callers: float = 0.05  # of those who are told, more than 0 and at most 1; each calls on the same day

    @property
    def notices_a_day(self) -> int:
        """Return how many may be told on one day, at least one."""
        return max(1, int(self.calls_per_day / self.share_of_callers))


@dataclass(frozen=True, slots=True)
class Pace:
    """How many notices may be let go on a calendar day in the Netherlands, all cohorts together; None = any number."""

    per_day: int | None = None
    per_channel: Mapping[Channel, int] = field(default_factory=dict)  # by the channel that a notice takes first
    call_centre: CallCentre | None = None

    @property
    def notices_a_day(self) -> int | None:
        """Return how many may go on one day by whatever channel: what both bounds allow."""
        called = self.call_centre.notices_a_day if self.call_centre else None
        return min((bound for bound in (self.per_day, called) if bound is not None), default=None)

    @property
    def limits(self) -> bool:
        """Tell whether there is a limit of any kind."""
        return self.notices_a_day is not None or bool(self.per_channel)


class Stop(NamedTuple):
    """Shares (more than 0, at most 1) above which a cohort is paused by itself; 1 = never. Each default stands here."""

    # Of a list of addresses that is in order two or three in a hundred fail: these are several times as many, and what
    # providers of mail bear before they shut a sender out (a twentieth of bounces).
    refused: float = 0.1  # of the hand-overs that ended, on any one channel
    bounced: float = 0.05  # of the mails that were accepted
    returned: float = 0.05  # of the letters that were accepted
    # Whoever was told rightly seldom complains of it: two in a hundred are people who were told what is not theirs.
    complaints: float = 0.02  # of all that was accepted


OF_AGE: Final = 18  # years (art. 1:233 BW): beyond it nobody is a minor


class Minors(NamedTuple):
    """To whom a notice about a minor is written, where its record does not say so itself."""

    under_age: int = 16  # years: of who is younger, the parents or carers are written to (art. 5 UAVG); 0 = of nobody


class Cascade(NamedTuple):
    """What leads to the next channel after a hand-over; what does not, gives the notice up."""

    bounced: bool = True  # mails that came back
    returned: bool = True  # letters that came back
    unread_after: int | None = None  # days that a portal message lies unread, which stays told; None = never


MOST_DAYS_UNREAD: Final = 365

# Shares of fewer hand-overs than this stop nothing. Where two in a hundred fail, which is usual, more than a tenth of
# fifty do so once in 2,000 times, of twenty once in 200; and each block of outcomes is another look.
SMALLEST_SAMPLE: Final = 50


@dataclass(frozen=True, slots=True)
class Policy:
    """What is decided for one incident; each default stands here, and nowhere else."""

    on_identity_conflict: OnIdentityConflict = OnIdentityConflict.TELL_APART
    # Whoever cancels a cohort by mistake must not have written to everybody in it: a letter cannot be taken back.
    correction: Correction = Correction.NONE
    pace: Pace = Pace()
    stop: Stop = Stop()
    minors: Minors = Minors()
    # A mail that came back told nobody; whether a message that lies there told somebody, the controller has to say.
    cascade: Cascade = Cascade()
    # Sources that send numbers and facts alone are usual: what they say is the numbers' owners'.
    bare_joins: BareJoins = BareJoins.JOIN


class Rule(NamedTuple):
    """A key of `policy` in documents: the attribute of `Policy` that it sets, its words, and what it decides."""

    attribute: str
    words: type[Enum]
    meaning: str


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "onIdentityConflict": Rule(
            "on_identity_conflict",
            OnIdentityConflict,
            "What becomes of people who share an identity and contradict each other:"
            " each is told what its own records say, or none is told anything more",
        ),
        "bareJoins": Rule(
            "bare_joins",
            BareJoins,
            "What becomes of records that share an identity with others and say neither name nor birth date:"
            " they are the same person's, or are held",
        ),
        "correction": Rule(
            "correction",
            Correction,
            "When people are told that something they were told does not hold (any more): never,"
            " where nothing of it is left, or also where some of it is left or less certain now",
        ),
    }
)


KEYS: Final = frozenset({*RULES, "pace", "stop", "minors", "cascade"})  # what `policy` of a document may have


def in_words(policy: Policy) -> dict[str, Any]:
    """Return every rule of a policy as a document would say it, those that a document left out as well."""
    words = {key: getattr(policy, rule.attribute).value for key, rule in RULES.items()}
    minors = {"underAge": policy.minors.under_age}
    pace, cascade = _pace_in_words(policy.pace), cascade_in_words(policy.cascade)
    return words | {"pace": pace, "stop": policy.stop._asdict(), "minors": minors, "cascade": cascade}


def cascade_in_words(cascade: Cascade) -> list[dict[str, Any]]:
    """Return what leads to the next channel, as a document says it."""
    came_back = [{"when": word} for word in ("bounced", "returned") if getattr(cascade, word)]
    unread = cascade.unread_after
    return [*came_back, *([] if unread is None else [{"when": "unread", "afterDays": unread}])]


def _pace_in_words(pace: Pace) -> dict[str, Any]:
    centre = pace.call_centre
    return {
        "perDay": pace.per_day,
        "perChannel": {channel.label: count for channel, count in pace.per_channel.items()},
        "callCentre": centre and {"callsPerDay": centre.calls_per_day, "shareOfCallers": centre.share_of_callers},
    }
