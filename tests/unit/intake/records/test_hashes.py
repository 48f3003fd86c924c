"""Which keys an incident's hashes are made with."""

from dataclasses import replace

import pytest

from services.core.ids import member_id
from services.core.incident import KeyVersions
from services.intake.records.hashes import HashesByIncident
from services.kit.vault.keys import KeyVersionError
from tests.keys import FIRST_KEYS, a_key, a_ring
from tests.unit.intake.builders import an_incident

SECOND_KEYS = KeyVersions(*(2 for _ in FIRST_KEYS))
IDENTITY = b"bsn:999990019"


def test_an_incident_keeps_the_keys_that_it_began_with() -> None:
    """After a rotation the same record has the same member, person and content."""
    before, after = HashesByIncident(a_ring(1)).of(an_incident()), HashesByIncident(a_ring(1, 2)).of(an_incident())

    assert before.members("wave-1").of("m-1") == after.members("wave-1").of("m-1")
    assert before.pseudonyms.of(IDENTITY) == after.pseudonyms.of(IDENTITY)
    assert before.fingerprints.line("lab", b"x") == after.fingerprints.line("lab", b"x")
    assert before.fingerprints.event(b"x") == after.fingerprints.event(b"x")


def test_an_incident_begins_with_the_newest_keys() -> None:
    """A rotation serves new incidents, with every hash."""
    hashes = HashesByIncident(a_ring(1, 2))
    old, new = (hashes.of(replace(an_incident(), key_versions=keys)) for keys in (FIRST_KEYS, SECOND_KEYS))

    assert SECOND_KEYS == hashes.newest
    assert member_id(a_key("member", 2), "lab", "wave-1", "m-1") == new.members("wave-1").of("m-1")
    assert old.pseudonyms.of(IDENTITY) != new.pseudonyms.of(IDENTITY)
    assert old.fingerprints.event(b"x") != new.fingerprints.event(b"x")


@pytest.mark.parametrize("purpose", ["match", "witness", "member", "content"])
def test_a_key_that_is_missing_stops_the_work(purpose: str) -> None:
    """No record is taken under another key, and the error names the one that is missing."""
    incident = replace(an_incident(), key_versions=FIRST_KEYS._replace(**{purpose: 2}))

    with pytest.raises(KeyVersionError, match=f"no key '{purpose}' of version 2"):
        HashesByIncident(a_ring(1)).of(incident)


def test_hashes_of_an_incident_are_made_once() -> None:
    """What they remember of names and dates serves the next upload too."""
    hashes = HashesByIncident(a_ring())

    assert hashes.of(an_incident()) is hashes.of(an_incident(version=2))


def test_no_key_is_printed() -> None:
    """What holds keys may stand in a traceback or a log by accident."""
    hashes = HashesByIncident(a_ring(1)).of(an_incident())

    assert "Hashes('lab')" == repr(hashes)
