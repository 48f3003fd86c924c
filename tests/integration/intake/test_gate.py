"""No cohort is released whose people would read texts that are still to be written; the others go."""

from typing import Any

import orjson
import pytest

from services.core.variants import Certainty
from services.intake.domain import Uses
from tests.integration.intake.conftest import COHORT, Intake, a_document
from tests.unit.intake.builders import a_record

INCIDENT = "/v1/incidents/lab"
OTHER = COHORT.replace("wave-1", "wave-2")
ALL = {"all": True}
TO_COME = {"nl": "tekst", "en": "-"}  # English that is still to be written
MISSING = "is still to be written"
CERTAIN = frozenset({Certainty.CONFIRMED})
BLOCKS = ("nature", "consequences", "measures", "advice", "contact")


def a_draft(**changed: Any) -> dict[str, Any]:
    """Return a document whose English advice is still to be written."""
    whole = a_document()
    return whole | {"content": {**whole["content"], "advice": TO_COME}} | changed


async def _sent(intake: Intake, *records: dict[str, Any], cohort: str = COHORT) -> None:
    """Have members taken."""
    body = b"\n".join(orjson.dumps(record) for record in records)
    status, answer = await intake.upload(body, cohort=cohort, Content_Type="application/x-ndjson")
    assert (202, len(records)) == (status, answer["accepted"])


async def _uses(intake: Intake, cohort_id: str = "wave-1") -> Uses:
    async with intake.pool.acquire() as connection:
        row = await intake.context.store.show_cohort(connection, "lab", cohort_id)
        assert row
        return await intake.context.store.show_uses(connection, row.number)


async def test_who_reads_what_is_to_be_written_waits_and_the_others_go(intake: Intake) -> None:
    """English is to come: the cohort with an English reader is stopped and named, the Dutch one goes."""
    await intake.put(INCIDENT, a_draft())
    await intake.put(OTHER, {"source": "lab"})
    await _sent(intake, a_record(), a_record(memberRef="m-2", bsn="999990020", language="en-GB"))
    await _sent(intake, a_record(), cohort=OTHER)
    for cohort in (COHORT, OTHER):
        await intake.post(f"{cohort}/seal")
    stopped, problem = await intake.post(f"{COHORT}/release", ALL)
    went, _ = await intake.post(f"{OTHER}/release", ALL)

    assert (409, 200) == (stopped, went)
    assert [{"field": "content.advice.en", "problem": MISSING, "cohortId": "wave-1"}] == problem["problems"]
    assert not (await intake.get(COHORT))[1]["released"]


async def test_a_category_that_a_cohort_uses_needs_its_label(intake: Intake) -> None:
    """Of data that nobody of the cohort lost, nothing need be written."""
    categories = [{"code": code, "label": {"nl": "tekst", "en": "text"}} for code in ("name", "bsn", "medical")]
    categories[2]["label"] = {"nl": "...", "en": "text"}
    await intake.put(INCIDENT, a_document(dataCategories=categories))
    await intake.put(OTHER, {"source": "lab"})
    await _sent(intake, a_record(dataCategories=["medical"], certainty="possible"))
    await _sent(intake, a_record(dataCategories=["bsn"]), cohort=OTHER)
    for cohort in (COHORT, OTHER):
        await intake.post(f"{cohort}/seal")
    stopped, problem = await intake.post(f"{COHORT}/release", ALL)

    assert (409, "dataCategories[2].label.nl") == (stopped, problem["problems"][0]["field"])
    assert 200 == (await intake.post(f"{OTHER}/release", ALL))[0]


async def test_once_written_it_goes(intake: Intake) -> None:
    """The same cohort, under the next version of the document."""
    await intake.put(INCIDENT, a_draft())
    before, _ = await intake.post(f"{COHORT}/release", ALL)
    await intake.put(INCIDENT, a_document())
    after, _ = await intake.post(f"{COHORT}/release", ALL)

    assert (409, 200) == (before, after)


async def test_to_an_open_cohort_anybody_may_come(intake: Intake) -> None:
    """It is stopped by every text that is missing, until it is sealed without a reader of it."""
    await intake.put(INCIDENT, a_draft())
    await _sent(intake, a_record())
    open_, _ = await intake.post(f"{COHORT}/release", ALL)
    await intake.post(f"{COHORT}/seal")
    sealed, _ = await intake.post(f"{COHORT}/release", ALL)

    assert (409, 200) == (open_, sealed)


async def test_nothing_goes_by_itself_into_missing_texts(intake: Intake) -> None:
    """An autoRelease is a release of everybody who may still come: at the opening and later."""
    await intake.put(INCIDENT, a_draft())
    answers = [await intake.put(path, {"source": "lab", "autoRelease": True}) for path in (COHORT, OTHER)]

    assert [(409, "wave-1"), (409, "wave-2")] == [(s, answer["problems"][0]["cohortId"]) for s, answer in answers]
    assert not (await intake.get(COHORT))[1]["autoRelease"]
    assert 404 == (await intake.get(OTHER))[0]


async def test_an_approval_passes_the_gate_too(intake: Intake) -> None:
    """What was whole when it was asked for need not be when it is approved."""
    await intake.put(INCIDENT, a_document(fourEyes=True))
    await _sent(intake, a_record(language="en"))
    await intake.post(f"{COHORT}/seal")
    await intake.post(f"{COHORT}/release", ALL)
    async with intake.as_principal("approver") as approver:
        await intake.put(INCIDENT, a_draft(fourEyes=True))
        await approver.post(f"{INCIDENT}/approve", {"number": 1})
        stopped, problem = await approver.post(f"{COHORT}/approve")
        _, shown = await approver.get(COHORT)
        await intake.put(INCIDENT, a_document(fourEyes=True))
        await approver.post(f"{INCIDENT}/approve", {"number": 2})
        went, _ = await approver.post(f"{COHORT}/approve")

    assert (409, "content.advice.en", 200) == (stopped, problem["problems"][0]["field"], went)
    assert (False, "operator", None) == (shown["released"], shown["releaseAskedBy"], shown["releaseApprovedBy"])


async def test_a_request_that_is_stopped_is_not_asked_for(intake: Intake) -> None:
    """Nobody is bothered with approving what could not go."""
    await intake.put(INCIDENT, a_draft(fourEyes=True))
    await _sent(intake, a_record(language="en"))
    await intake.post(f"{COHORT}/seal")

    assert 409 == (await intake.post(f"{COHORT}/release", ALL))[0]
    assert (await intake.get(COHORT))[1]["releaseAskedBy"] is None


async def test_texts_of_a_released_cohort_are_not_taken_away(intake: Intake) -> None:
    """A document under which released people would read what is not there is refused, and names their cohorts."""
    await intake.put(OTHER, {"source": "lab"})
    await intake.post(f"{COHORT}/release", ALL)
    status, problem = await intake.put(INCIDENT, a_draft())

    assert (409, ["wave-1"]) == (status, [one["cohortId"] for one in problem["problems"]])
    assert 1 == (await intake.get(INCIDENT))[1]["version"]


async def test_a_language_without_our_own_sentences_is_not_taken(intake: Intake) -> None:
    """German is offered and its texts are there, and yet the headings would be Dutch; taken off, they read Dutch."""
    words = {"nl": "tekst", "de": "Text"}
    categories = [{"code": code, "label": words} for code in ("name", "bsn", "medical")]
    german = {"content": dict.fromkeys(BLOCKS, words), "dataCategories": categories}
    refused, problem = await intake.put(INCIDENT, a_document(**german, languages=["nl", "de"]))
    await intake.put(INCIDENT, a_document(**german, languages=["nl"]))
    await _sent(intake, a_record(language="de-AT"))
    await intake.post(f"{COHORT}/seal")
    went, _ = await intake.post(f"{COHORT}/release", ALL)

    assert (400, ["languages[1]"], 200) == (refused, [one["field"] for one in problem["problems"]], went)


async def test_a_cohort_with_nobody_in_it_may_be_released(intake: Intake) -> None:
    """Sealed, it asks for no texts: nobody reads them."""
    await intake.put(INCIDENT, a_draft())
    await intake.post(f"{COHORT}/seal")

    assert 200 == (await intake.post(f"{COHORT}/release", ALL))[0]


async def test_uses_grow_with_what_is_accepted(intake: Intake) -> None:
    """Each chunk adds what is new; what is rejected, repeated or corrected away changes nothing that is kept."""
    await _sent(intake, a_record(dataCategories=["name"]))
    first = await _uses(intake)
    rejected = orjson.dumps(a_record(memberRef="m-2", bsn="1", dataCategories=["medical"], language="fr"))
    await intake.upload(rejected, Content_Type="application/x-ndjson")
    after_rejected = await _uses(intake)
    await _sent(intake, a_record(dataCategories=["bsn"], language="en"))
    await _sent(intake, a_record(dataCategories=["name"], language="EN-us"))

    assert (Uses(1, frozenset({"nl"}), CERTAIN), Uses(1, frozenset({"nl"}), CERTAIN)) == (first, after_rejected)
    assert Uses(3, frozenset({"nl", "en"}), CERTAIN) == await _uses(intake)


async def test_uses_are_not_written_again(intake: Intake) -> None:
    """Millions of members of the same kind cost a look, and no row."""
    await _sent(intake, a_record())
    query = "select ctid::text, xmin::text, xmax::text from uses"
    before = await intake.pool.fetch(query)
    await _sent(intake, a_record(memberRef="m-2", bsn="999990020"), a_record(memberRef="m-3", city="Breda"))

    assert before == await intake.pool.fetch(query)


@pytest.mark.parametrize("path", ["seal", "release"])
async def test_what_anybody_could_send_is_not_kept_whole(intake: Intake, path: str) -> None:
    """Of a language tag only its first part is kept, so that a source cannot fill the row."""
    records = [
        a_record(memberRef=f"m-{at}", personKey=f"{at:064x}", bsn=None, language=f"nl-x-{at}") for at in range(50)
    ]
    await _sent(intake, *records)

    assert frozenset({"nl"}) == (await _uses(intake)).languages
    assert 200 == (await intake.post(f"{COHORT}/{path}", ALL))[0]


async def test_people_of_whom_it_is_not_certain_are_not_told_that_it_is(intake: Intake) -> None:
    """Their cohort waits for words that leave it open; the cohort of those of whom it is certain goes."""
    title = {"nl": "Uw gegevens zijn gestolen", "en": "Your data was stolen"}
    possible = {"nl": "Uw gegevens zijn misschien gestolen", "en": "Your data may have been stolen"}
    _, taken = await intake.put(INCIDENT, a_document(title=title))
    await intake.put(OTHER, {"source": "lab"})
    await _sent(intake, a_record(certainty="possible"))
    await _sent(intake, a_record(), cohort=OTHER)
    for cohort in (COHORT, OTHER):
        await intake.post(f"{cohort}/seal")
    stopped, problem = await intake.post(f"{COHORT}/release", ALL)
    went, _ = await intake.post(f"{OTHER}/release", ALL)
    await intake.put(
        INCIDENT, a_document(title=title, variants=[{"when": {"certainty": "possible"}, "title": possible}])
    )

    assert ["title.nl", "title.en"] == [one["field"] for one in taken["warnings"] if one["rule"] == "certain-words"]
    assert (409, 200, ["title.nl"]) == (stopped, went, [one["field"] for one in problem["problems"]])
    assert 200 == (await intake.post(f"{COHORT}/release", ALL))[0]
