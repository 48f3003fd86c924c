"""The keyed hashes that intake makes of an incident's records, and what seals their memberRefs, together. Pure."""

from typing import Final, NamedTuple, Protocol

from services.core.incident import Incident, KeyVersions
from services.intake.records.identity import Fingerprints, MemberIds, Pseudonyms
from services.intake.records.likeness import Likenesses
from services.intake.records.sealed_refs import SealedRefs
from services.intake.records.witnesses import Witnesses

__all__ = ["Hashes", "HashesByIncident", "Peppers"]

_INCIDENTS: Final = 4  # that a process takes members of at the same time


class Peppers(Protocol):
    """The keys of hashes: the key ring."""

    def pepper(self, purpose: str, version: int | None = None) -> tuple[int, bytes]:
        """Return a version of the key for a purpose, the newest where none is asked for, with its version."""
        ...

    def newest(self, purpose: str) -> int:
        """Return the version that what begins takes of a key, which need not be here."""
        ...


class Hashes(NamedTuple):
    """The keyed hashes of one incident, with the versions of the keys that it began with. Never printed whole."""

    incident_id: str
    member_key: bytes
    pseudonyms: Pseudonyms
    fingerprints: Fingerprints
    witnesses: Witnesses
    refs: SealedRefs
    likenesses: Likenesses

    def __repr__(self) -> str:
        return f"Hashes({self.incident_id!r})"

    def members(self, cohort_id: str) -> MemberIds:
        """Return the maker of the ids of a cohort's members."""
        return MemberIds(self.member_key, self.incident_id, cohort_id)


class HashesByIncident:
    """Gives an incident's hashes; those of the last few incidents are kept, with what they remember."""

    def __init__(self, peppers: Peppers) -> None:
        self._peppers = peppers
        self._kept: dict[tuple[str, KeyVersions], Hashes] = {}

    @property
    def newest(self) -> KeyVersions:
        """The versions that an incident begins with now."""
        return KeyVersions(*(self._peppers.newest(purpose) for purpose in KeyVersions._fields))

    def of(self, incident: Incident) -> Hashes:
        """Return an incident's hashes. Raises what the key ring raises where it lacks one of their keys."""
        return self.under(incident.incident_id, incident.key_versions)

    def under(self, incident_id: str, key_versions: KeyVersions) -> Hashes:
        """Return the hashes of an incident that has these versions of the keys. Raises as `of` does."""
        named = incident_id, key_versions
        found = self._kept.get(named)
        if found is None:
            if len(self._kept) >= _INCIDENTS:
                self._kept.pop(next(iter(self._kept)))
            found = self._kept[named] = self._made(*named)
        return found

    def _made(self, incident_id: str, versions: KeyVersions) -> Hashes:
        match, witness, member, content, references = (
            self._peppers.pepper(purpose, getattr(versions, purpose))[1]
            for purpose in ("match", "witness", "member", "content", "references")
        )
        return Hashes(
            incident_id,
            member,
            Pseudonyms(match, incident_id),
            Fingerprints(content, incident_id),
            Witnesses(witness, incident_id),
            SealedRefs(references, incident_id),
            Likenesses(match, incident_id),
        )
