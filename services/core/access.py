"""Who may do what: roles, acts, and the one table between them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["PERMITTED", "RECORDED", "Act", "Caller", "Principal", "Role"]


class Role(StrEnum):
    """What a principal is to an installation. The words stand in the principals file."""

    SOURCE = "source"  # sends cohorts, for the sources that the principal speaks for, and sees those alone
    OPERATOR = "operator"
    APPROVER = "approver"
    CONTACT_CENTRE = "contact-centre"
    AUDITOR = "auditor"
    SCRAPE = "scrape"


class Act(StrEnum):
    """Something that can be done. The words are stored and stand in audit lines: they are never reused."""

    INCIDENT_PUT = "incident-put"
    INCIDENT_ASKED = "incident-asked"  # for a change of the document that somebody else has to approve
    INCIDENT_APPROVED = "incident-approved"
    INCIDENT_SHOWN = "incident-shown"
    COHORT_PUT = "cohort-put"
    COHORT_SHOWN = "cohort-shown"
    AUTO_RELEASE_SET = "auto-release-set"
    MEMBERS_SENT = "members-sent"
    COHORT_SEALED = "cohort-sealed"
    COHORT_RELEASED = "cohort-released"
    RELEASE_ASKED = "release-asked"  # of a release that somebody else has to approve
    COHORT_APPROVED = "cohort-approved"
    COHORT_PAUSED = "cohort-paused"
    COHORT_RESUMED = "cohort-resumed"
    COHORT_CANCELLED = "cohort-cancelled"
    INCIDENT_PAUSED = "incident-paused"  # all its cohorts, also those that are opened meanwhile
    INCIDENT_RESUMED = "incident-resumed"
    FIGURES_POSTED = "figures-posted"  # complaints, bounces and returned letters, as somebody counted them
    RECEIPTS_LOADED = "receipts-loaded"  # a list of returned mail
    RECORD_WITHDRAWN = "record-withdrawn"
    PROBLEMS_SHOWN = "problems-shown"  # memberRefs of a cohort, which may be numbers of people
    IDENTITIES_SHOWN = "identities-shown"  # memberRefs of records that contradict; ties, to who is no source
    IDENTITY_TIED = "identity-tied"
    IDENTITY_UNTIED = "identity-untied"
    IDENTITY_REFUSED = "identity-refused"
    IDENTITY_SETTLED = "identity-settled"  # what was said of records that contradict each other, or were taken for one
    IDENTITY_UNSETTLED = "identity-unsettled"
    LEDGER_SHOWN = "ledger-shown"
    ACTS_SHOWN = "acts-shown"
    DEAD_LETTER_REPLAYED = "dead-letter-replayed"
    DEAD_LETTERS_PURGED = "dead-letters-purged"
    CHANNELS_SHOWN = "channels-shown"  # what waits to be handed over, and what nobody knows the end of
    CHANNEL_PAUSED = "channel-paused"
    CHANNEL_RESUMED = "channel-resumed"
    PRINTED_AGAIN = "printed-again"  # letters that the print house rejected
    PRINT_GIVEN_UP = "print-given-up"  # such letters: their people are told on the next channel, or not at all
    SENT_AGAIN = "sent-again"  # what another provider took, and rejected afterwards
    SENDING_GIVEN_UP = "sending-given-up"  # likewise: the next channel
    METRICS_READ = "metrics-read"


_SOURCE, _OPERATOR, _APPROVER, _CONTACT, _AUDITOR, _SCRAPE = Role

PERMITTED: Final[Mapping[Act, frozenset[Role]]] = MappingProxyType(
    {
        Act.INCIDENT_PUT: frozenset({_OPERATOR}),
        Act.INCIDENT_ASKED: frozenset({_OPERATOR}),
        Act.INCIDENT_APPROVED: frozenset({_OPERATOR, _APPROVER}),
        Act.INCIDENT_SHOWN: frozenset({_SOURCE, _OPERATOR, _APPROVER, _CONTACT, _AUDITOR}),
        Act.COHORT_PUT: frozenset({_SOURCE, _OPERATOR}),
        Act.COHORT_SHOWN: frozenset({_SOURCE, _OPERATOR, _APPROVER, _AUDITOR}),
        Act.AUTO_RELEASE_SET: frozenset({_OPERATOR}),
        Act.MEMBERS_SENT: frozenset({_SOURCE, _OPERATOR}),
        Act.COHORT_SEALED: frozenset({_SOURCE, _OPERATOR}),
        Act.COHORT_RELEASED: frozenset({_OPERATOR}),
        Act.RELEASE_ASKED: frozenset({_OPERATOR}),
        Act.COHORT_APPROVED: frozenset({_OPERATOR, _APPROVER}),
        Act.COHORT_PAUSED: frozenset({_OPERATOR}),
        Act.COHORT_RESUMED: frozenset({_OPERATOR}),
        Act.COHORT_CANCELLED: frozenset({_OPERATOR}),
        Act.INCIDENT_PAUSED: frozenset({_OPERATOR}),
        Act.INCIDENT_RESUMED: frozenset({_OPERATOR}),
        Act.FIGURES_POSTED: frozenset({_OPERATOR}),
        Act.RECEIPTS_LOADED: frozenset({_OPERATOR}),
        Act.RECORD_WITHDRAWN: frozenset({_SOURCE, _OPERATOR}),
        Act.PROBLEMS_SHOWN: frozenset({_SOURCE, _OPERATOR, _AUDITOR}),
        Act.IDENTITIES_SHOWN: frozenset({_SOURCE, _OPERATOR, _AUDITOR}),
        Act.IDENTITY_TIED: frozenset({_OPERATOR}),
        Act.IDENTITY_UNTIED: frozenset({_OPERATOR}),
        Act.IDENTITY_REFUSED: frozenset({_OPERATOR}),
        Act.IDENTITY_SETTLED: frozenset({_OPERATOR}),
        Act.IDENTITY_UNSETTLED: frozenset({_OPERATOR}),
        Act.LEDGER_SHOWN: frozenset({_SOURCE, _OPERATOR, _APPROVER, _AUDITOR}),
        Act.ACTS_SHOWN: frozenset({_OPERATOR, _AUDITOR}),
        Act.DEAD_LETTER_REPLAYED: frozenset({_OPERATOR}),
        Act.DEAD_LETTERS_PURGED: frozenset({_OPERATOR}),
        Act.CHANNELS_SHOWN: frozenset({_OPERATOR, _AUDITOR}),
        Act.CHANNEL_PAUSED: frozenset({_OPERATOR}),
        Act.CHANNEL_RESUMED: frozenset({_OPERATOR}),
        Act.PRINTED_AGAIN: frozenset({_OPERATOR}),
        Act.PRINT_GIVEN_UP: frozenset({_OPERATOR}),
        Act.SENT_AGAIN: frozenset({_OPERATOR}),
        Act.SENDING_GIVEN_UP: frozenset({_OPERATOR}),
        Act.METRICS_READ: frozenset({_OPERATOR, _AUDITOR, _SCRAPE}),
    }
)

# What gets an audit line each time. The others show figures and documents, hold no person, and come every few seconds.
RECORDED: Final = frozenset(
    {
        Act.INCIDENT_PUT,
        Act.INCIDENT_ASKED,
        Act.INCIDENT_APPROVED,
        Act.COHORT_PUT,
        Act.AUTO_RELEASE_SET,
        Act.MEMBERS_SENT,
        Act.COHORT_SEALED,
        Act.COHORT_RELEASED,
        Act.RELEASE_ASKED,
        Act.COHORT_APPROVED,
        Act.COHORT_PAUSED,
        Act.COHORT_RESUMED,
        Act.COHORT_CANCELLED,
        Act.INCIDENT_PAUSED,
        Act.INCIDENT_RESUMED,
        Act.FIGURES_POSTED,
        Act.RECEIPTS_LOADED,
        Act.RECORD_WITHDRAWN,
        Act.PROBLEMS_SHOWN,
        Act.IDENTITIES_SHOWN,
        Act.IDENTITY_TIED,
        Act.IDENTITY_UNTIED,
        Act.IDENTITY_REFUSED,
        Act.IDENTITY_SETTLED,
        Act.IDENTITY_UNSETTLED,
        Act.ACTS_SHOWN,
        Act.DEAD_LETTER_REPLAYED,
        Act.DEAD_LETTERS_PURGED,
        Act.CHANNEL_PAUSED,
        Act.CHANNEL_RESUMED,
        Act.PRINTED_AGAIN,
        Act.PRINT_GIVEN_UP,
        Act.SENT_AGAIN,
        Act.SENDING_GIVEN_UP,
    }
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, or a machine, that is known by name. `sources` are those that the role source speaks for."""

    name: str
    roles: frozenset[Role]
    sources: frozenset[str] = frozenset()

    def may(self, act: Act, source: str | None = None) -> bool:
        """Tell whether it may do this to what belongs to `source`; with None, whether it may do it to anything.

        The role source permits something only where it belongs to one of the principal's own sources.
        """
        if self.is_bound(act):
            return source is None or source in self.sources
        return bool(self.roles & PERMITTED[act])

    def is_bound(self, act: Act) -> bool:
        """Tell whether it may do this to what belongs to its own sources alone."""
        return self.roles & PERMITTED[act] == {Role.SOURCE}


@dataclass(slots=True)
class Caller:
    """A principal while it does one thing. `request_id` is the same in the answer, the audit line and the stored act.

    Whoever finds what the request is about sets the ids: what a caller writes into a path may be anything. `act` is
    what it came to, where a route does several.
    """

    principal: Principal
    request_id: str
    incident_id: str | None = None
    cohort_id: str | None = None
    act: Act | None = None
