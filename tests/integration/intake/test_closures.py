"""A version of an incident that closes a channel says so in its answer."""

from tests.integration.intake.conftest import Intake, a_document

PLACE = "/v1/incidents/closing"


async def test_the_answer_names_the_channels_that_a_version_closes(intake: Intake) -> None:
    """Compromised or left out; sent again, as after an answer that was lost, it says the same, and opens are none."""
    documents = [
        a_document(compromisedChannels=["letter"]),
        a_document(compromisedChannels=["letter", "portal"]),
        a_document(compromisedChannels=["letter", "portal"]),
        a_document(compromisedChannels=["portal"], channels=["portal", "letter"]),
        a_document(),
    ]
    answers = [await intake.put(PLACE, document) for document in documents]

    assert [[], ["portal"], ["portal"], ["email"], []] == [answer["closed"] for _, answer in answers]
