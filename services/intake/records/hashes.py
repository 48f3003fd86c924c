"""The keyed hashes that intake makes of records, together."""

from typing import NamedTuple

from services.intake.records.identity import Fingerprints, Pseudonyms
from services.intake.records.witnesses import WitnessesByIncident

__all__ = ["Hashes"]


class Hashes(NamedTuple):
    """The keyed hashes that intake makes with its peppers."""

    pseudonyms: Pseudonyms
    pepper_version: int  # of the pepper "match", under which the pseudonyms are made
    fingerprints: Fingerprints
    witnesses: WitnessesByIncident
