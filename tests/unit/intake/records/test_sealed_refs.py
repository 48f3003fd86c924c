"""MemberRefs as they are stored: sealed, a chunk's together."""

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from services.intake.records.identity import MemberIds
from services.intake.records.sealed_refs import NONCE_BYTES, RefPlace, SealedRefs, found_among
from tests.keys import a_key

NONCE = bytes(NONCE_BYTES)
PLACE = RefPlace("wave-1", 7)
IDS = MemberIds(a_key("member"), "lab", "wave-1")


def seals(incident_id: str = "lab", version: int = 1) -> SealedRefs:
    """Return what seals the references of an incident."""
    return SealedRefs(a_key("references", version), incident_id)


@given(st.lists(st.tuples(st.text(max_size=64), st.integers(1, 10**12))))
def test_what_was_sealed_opens_whole(given_refs: list[tuple[str, int]]) -> None:
    """Any references, on any lines, in any order."""
    refs, lines = [ref for ref, _ in given_refs], [line for _, line in given_refs]
    sealed = seals().seal(PLACE, refs, lines, NONCE)

    assert (refs, lines) == seals().open(PLACE, sealed)


def test_nothing_of_a_reference_can_be_read() -> None:
    """A BSN that a source uses as its reference stands nowhere in the block."""
    sealed = seals().seal(PLACE, ["123456782"], [2], NONCE)

    assert b"123456782" not in sealed


@pytest.mark.parametrize(
    ("sealer", "place"),
    [
        (seals("other"), PLACE),
        (seals(version=2), PLACE),
        (seals(), RefPlace("wave-2", 7)),
        (seals(), RefPlace("wave-1", 8)),
    ],
)
def test_a_block_opens_for_its_own_place_alone(sealer: SealedRefs, place: RefPlace) -> None:
    """Another incident, key, cohort or number does not open it."""
    sealed = seals().seal(PLACE, ["m-1"], [2], NONCE)

    with pytest.raises(InvalidTag):
        sealer.open(place, sealed)


def test_references_are_found_by_their_members() -> None:
    """A member's id is made of its reference, so that no row needs to say where in a block it lies."""
    wanted = {IDS.of("m-2"), IDS.of("elsewhere")}

    assert {IDS.of("m-2"): ("m-2", 3)} == found_among(["m-1", "m-2"], [2, 3], wanted, IDS)
