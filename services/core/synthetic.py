"""The synthetic person: nobody, who goes through all rooms again and again, so that a standstill is seen.

It has an incident of its own, which nobody else may touch. Rooms treat it as anyone, but for two: dispatch hands it to
no provider, and tracking counts it in no ledger.
"""

from typing import Final

__all__ = ["SYNTHETIC_COHORT", "SYNTHETIC_INCIDENT", "SYNTHETIC_SOURCE", "is_synthetic"]

SYNTHETIC_INCIDENT: Final = "heraut-synthetic"
SYNTHETIC_COHORT: Final = "people"
SYNTHETIC_SOURCE: Final = "heraut-synthetic"  # no principal's, and no topic's


def is_synthetic(incident_id: str) -> bool:
    """Tell whether the people of an incident are nobody."""
    return incident_id == SYNTHETIC_INCIDENT
