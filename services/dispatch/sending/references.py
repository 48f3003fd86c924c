"""The references that stand on notices."""

from collections.abc import Sequence

from services.core.incident import Incident
from services.core.notices import Notices
from services.kit.vault import KeyRing
from services.wire.references import References

__all__ = ["ReferencesByIncident"]


class ReferencesByIncident:
    """Makes references under the key that each incident began with: a repeat of a hand-over says the same."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def of(self, incident: Incident, notices: Notices) -> tuple[Sequence[str], Sequence[str]]:
        """Return each notice's reference, and that of the notice before, empty where it is the first.

        Raises KeyVersionError where this process lacks the incident's key.
        """
        _, key = self._keys.pepper("reference", incident.key_versions.reference)
        references = References(key)
        return references.of_all(notices.ids), references.of_all(notices.supersedes)
