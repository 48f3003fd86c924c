"""Under which terms an incident's people are decided: what control says now, and where it holds."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from services.core.cohort import Cohort
from services.core.incident import Incident, VersionRules
from services.core.policy import BareJoins, OnIdentityConflict
from services.deduplication.domain import NoticeIds, Terms
from services.deduplication.pacing import Limited
from services.deduplication.permissions import Reached, check_partitions, permissions_in
from services.deduplication.store import Cohorts
from services.deduplication.versions import check_version, versions_in
from services.kit.vault import KeyRing, KeyVersionError
from services.wire.incidents import Incidents

__all__ = ["Ruling"]

logger = logging.getLogger(__name__)


class Ruling:
    """One for a process."""

    def __init__(self, incidents: Incidents, keys: KeyRing, partitions: int) -> None:
        """Make one; `partitions` is how many this installation has."""
        self._incidents, self._keys, self._partitions = incidents, keys, partitions
        self._keyless: set[str] = set()  # incidents of which it was said that their key is missing

    def can_decide(self, incident_id: str) -> bool:
        """Tell whether an incident is known, with the key of its ids; that a key is missing is said once."""
        incident: Incident | None = self._incidents.get(("incident", incident_id))
        if incident is None:
            return False
        try:
            self.ids_of(incident)
        except KeyVersionError as error:
            if incident_id not in self._keyless:
                logger.error("nobody of an incident is looked at: %s", error, extra={"incident_id": incident_id})  # noqa: TRY400 - no bug, its traceback says nothing
                self._keyless.add(incident_id)
            return False
        return True

    def ids_of(self, incident: Incident) -> NoticeIds:
        """Return the maker of the incident's ids, under the key that it began with. Raises KeyVersionError."""
        _, key = self._keys.pepper("notice", incident.key_versions.notice)
        return NoticeIds(key, incident.incident_id)

    def terms(
        self, incident_id: str, numbers: Cohorts, reached: Reached
    ) -> Iterator[tuple[Terms, Collection[int], Limited]]:
        """Return the terms of an incident, with the partitions that they hold in, and what limits hold back there.

        A release holds from where it was given, and so does what a version of the document permits. Raises ConfigError
        where one was given on another number of partitions than this process has.
        """
        newest: Incident | None = self._incidents.get(("incident", incident_id))
        assert newest is not None  # noqa: S101 - `ready` waited for it, and `tick` skips one that is not known
        check_version(newest, self._partitions)
        known = self._known(incident_id, numbers[incident_id][1])
        for incident, here, waits in versions_in(newest, self._rules(newest), reached):
            terms = self._terms(incident, numbers[incident_id], known)
            terms = replace(terms, correction_changed=self._correction_changed(newest))
            if waits:
                terms = replace(terms, named=terms.usable)
            yield from _permitted(incident, terms, known, here)

    def _rules(self, newest: Incident) -> Iterator[VersionRules]:
        """Return what each version of an incident lets go, the newest first."""
        yield newest.rules
        for version in range(newest.version - 1, 0, -1):
            rules = self._rules_of(newest.incident_id, version)
            if rules is not None:
                yield rules

    def _rules_of(self, incident_id: str, version: int) -> VersionRules | None:
        rules: VersionRules | None = self._incidents.get(("rules", incident_id, str(version)))
        return rules

    def _correction_changed(self, newest: Incident) -> bool:
        """Tell whether some people may have been decided under another policy of corrections than others were.

        A version that nothing is known of may have had any.
        """
        before = (self._rules_of(newest.incident_id, version) for version in range(1, newest.version))
        return any(rules is None or rules.policy.correction is not newest.policy.correction for rules in before)

    def _terms(self, incident: Incident, numbers: tuple[int, Mapping[str, int]], known: Mapping[int, Cohort]) -> Terms:
        """Return the terms without what depends on the partition."""
        number, cohorts = numbers
        return Terms(
            incident_id=incident.incident_id,
            number=number,
            version=incident.version,
            usable=int(incident.usable_mask),
            cohorts={cohort: cohort_id for cohort_id, cohort in cohorts.items()},
            released=(),
            ids=self.ids_of(incident),
            correction=incident.policy.correction,
            hold_conflicts=incident.policy.on_identity_conflict is OnIdentityConflict.HOLD,
            cancelled=frozenset(number for number, one in known.items() if one.cancelled),
            hold_bare=incident.policy.bare_joins is BareJoins.HOLD,
        )

    def _known(self, incident_id: str, numbers: Mapping[str, int]) -> dict[int, Cohort]:
        """Return those of an incident's cohorts that were heard of, by number.

        Raises ConfigError where one was released on another number of partitions than this process has.
        """
        found = ((number, self._incidents.get(("cohort", incident_id, one))) for one, number in numbers.items())
        known = {number: cohort for number, cohort in found if cohort is not None}
        for cohort in known.values():
            check_partitions(cohort, self._partitions)
        return known


def _permitted(
    incident: Incident, terms: Terms, known: Mapping[int, Cohort], reached: Reached
) -> Iterator[tuple[Terms, Collection[int], Limited]]:
    """Return terms with what cohorts let go, and with the partitions in which they do."""
    for here, partitions in permissions_in(known, reached, paced=incident.policy.pace.limits).items():
        ruled = replace(terms, released=here.released, paused=here.paused, limited=here.limited)
        limited = {number: known[number] for number in here.limited}
        yield ruled, partitions, Limited(incident, limited, ruled, partitions)
