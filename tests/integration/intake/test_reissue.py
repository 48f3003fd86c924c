"""`reissue: "waiting"`: an operator's word that notices which wait shall follow a corrected document."""

from typing import Any

from services.intake.control.reissuing import WAITING
from services.wire.incidents import decode_incidents
from tests.integration.intake.conftest import Intake, a_document

PLACE = "/v1/incidents/reworded"


async def _said(intake: Intake) -> list[tuple[int, bool]]:
    """Return the versions that every room hears of, each with whether notices that wait shall follow it."""
    rows = await intake.pool.fetch("select block from log.log where topic = 'heraut.incidents.changed.v1' order by seq")
    entries = [entry for row in rows for entry in decode_incidents(row["block"])]
    return [(one.value.version, one.value.reissue) for one in entries if one.key == ("incident", "reworded")]


async def test_a_version_says_that_notices_which_wait_follow_it(intake: Intake) -> None:
    """It is no part of the document; sent again it changes nothing, and one that stood without it gets it so."""
    answers: list[tuple[int, Any]] = [
        await intake.put(PLACE, a_document()),
        await intake.put(PLACE, a_document(title="Better") | {"reissue": WAITING}),
        await intake.put(PLACE, a_document(title="Better") | {"reissue": WAITING}),
        await intake.put(PLACE, a_document(title="Better")),
        await intake.put(PLACE, a_document(title="Later")),
        await intake.put(PLACE, a_document(title="Later") | {"reissue": WAITING}),
    ]
    _, shown = await intake.get(PLACE)
    _, acts = await intake.get(f"{PLACE}/acts")

    assert [(1, True), (2, True), (2, False), (2, False), (3, True), (4, True)] == [
        (body["version"], body["changed"]) for _, body in answers
    ]
    assert a_document(title="Later") == shown["document"]
    assert [(1, False), (2, True), (3, False), (4, True)] == await _said(intake)
    assert [None, WAITING, None, WAITING] == [(act["detail"] or {}).get("reissue") for act in acts["acts"]]


async def test_what_is_no_such_word_is_refused(intake: Intake) -> None:
    """With its field."""
    status, problem = await intake.put(PLACE, a_document() | {"reissue": "all"})

    assert (400, ["reissue"]) == (status, [one["field"] for one in problem["problems"]])
