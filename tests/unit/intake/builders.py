"""Things that intake's tests are about, with only what matters said."""

from datetime import UTC, date, datetime
from typing import Any

from services.core.channel import CHANNELS, Channel
from services.core.cohort import Cohort
from services.core.incident import Controller, DataCategory, Incident
from services.intake.members.chunks import ChunkBuilder
from services.intake.records.hashes import HashesByIncident
from tests.keys import FIRST_KEYS, a_ring

TODAY = date(2026, 3, 1)


def an_incident(*, version: int = 1, channels: tuple[Channel, ...] = CHANNELS) -> Incident:
    """Return an incident with the data categories name, bsn and medical."""
    return Incident(
        incident_id="lab",
        version=version,
        title={"nl": "Laboratorium", "en": "Laboratory"},
        aware_at=datetime(2026, 2, 1, tzinfo=UTC),
        occurred_at=None,
        controller=Controller("Lab", ("Street 1",), "010", "lab@example.nl"),
        languages=("nl", "en"),
        channels=channels,
        compromised=frozenset(),
        categories=tuple(DataCategory(code, {"nl": code}) for code in ("name", "bsn", "medical")),
        content={},
        key_versions=FIRST_KEYS,
    )


def a_cohort(**changed: Any) -> Cohort:
    """Return an open cohort."""
    stated: dict[str, Any] = {
        "incident_id": "lab", "cohort_id": "wave-1", "version": 1, "source": "lab", "declared": None,
        "auto_release": False, "sealed": False, "released": False,
    }  # fmt: skip
    return Cohort(**(stated | changed))


def some_hashes() -> HashesByIncident:
    """Return the keyed hashes, under made-up peppers."""
    return HashesByIncident(a_ring())


def a_builder() -> ChunkBuilder:
    """Return a builder for one upload to one cohort."""
    return ChunkBuilder(an_incident(), a_cohort(), some_hashes(), TODAY, upload=8)


def a_record(**changed: Any) -> dict[str, Any]:
    """Return a valid member record as JSON, reachable over all channels."""
    stated: dict[str, Any] = {
        "memberRef": "m-1", "bsn": "999990019", "initials": "J.", "prefix": "de", "familyName": "Vries",
        "birthDate": "1970-03-05", "street": "Kerkstraat", "houseNumber": "12", "postcode": "1234AB",
        "city": "Utrecht", "email": "j.devries@example.nl", "portalId": "p-1", "dataCategories": ["name", "bsn"],
    }  # fmt: skip
    return {name: value for name, value in (stated | changed).items() if value is not None}
