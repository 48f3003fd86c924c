"""Documents are proved by what the print house takes."""

import pytest

from services.intake.control.proving import Proving
from services.rendering.letters.profile_file import named_profile
from services.wire.incident_document import InvalidDocument
from tests.unit.dispatch.people import DOCUMENT, an_incident

MANY_LINES = [f"Regel {at}" for at in range(9)]


async def test_a_sender_has_to_fit_the_letters_of_the_print_house() -> None:
    """What one layout has room for is refused, with its place, where letters are laid out otherwise."""
    incident = an_incident(controller=DOCUMENT["controller"] | {"address": MANY_LINES})
    await Proving(named_profile("nl-dl-left")).check(incident, b"of the usual layout")
    with pytest.raises(InvalidDocument) as caught:
        await Proving(named_profile("pingen")).check(incident, b"of another one")

    assert ["controller"] == [one["field"] for one in caught.value.problems]
