"""A document that takes two: what two people released is not widened, reworded or told anew by one of them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from services.intake.control.reissuing import WAITING
from services.wire.incidents import decode_incidents
from tests.integration.intake.conftest import COHORT, Intake, a_document

INCIDENT = "/v1/incidents/lab"
OTHER = COHORT.replace("wave-1", "wave-2")
ALL = {"all": True}
FOUR = {"fourEyes": True}
REISSUE = {"reissue": WAITING}


async def _released(intake: Intake, asked: Mapping[str, Any] = ALL) -> None:
    """Have a cohort let go by two, in an incident that has four eyes."""
    assert [200, 200, 202, 200] == [
        (await intake.put(INCIDENT, a_document(**FOUR)))[0],
        (await intake.post(f"{COHORT}/seal"))[0],
        (await intake.post(f"{COHORT}/release", asked))[0],
        (await _as(intake, "approver", f"{COHORT}/approve"))[0],
    ]


async def _as(intake: Intake, name: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with intake.as_principal(name) as somebody:
        return await somebody.post(path, body)


async def _approved(intake: Intake, number: int, name: str = "approver") -> tuple[int, Any]:
    return await _as(intake, name, f"{INCIDENT}/approve", {"number": number})


async def _asked(intake: Intake, *, reissue: bool = True, **changed: Any) -> tuple[int, Any]:
    return await intake.put(INCIDENT, a_document(**FOUR, **changed) | (REISSUE if reissue else {}))


async def _state(intake: Intake) -> tuple[Any, ...]:
    _, shown = await intake.get(INCIDENT)
    return shown["version"], shown["document"]["title"], shown["changeAskedBy"], shown["changeApprovedBy"]


async def _said(intake: Intake) -> list[tuple[int, bool]]:
    """Return the versions that rooms hear of, each with whether notices that wait shall follow it."""
    rows = await intake.pool.fetch("select block from log.log where topic = 'heraut.incidents.changed.v1' order by seq")
    entries = [entry for row in rows for entry in decode_incidents(row["block"])]
    return [(one.value.version, one.value.reissue) for one in entries if one.key == ("incident", "lab")]


async def test_a_reissue_is_only_asked_for(intake: Intake) -> None:
    """The incident says who asked, and for what; no version is made, and no room hears of it, asked again or not."""
    await _released(intake)
    status, answer = await _asked(intake, title="Better")
    again = [await _asked(intake, title="Better")]
    async with intake.as_principal("colleague") as colleague:
        again.append(await _asked(colleague, title="Better"))
    _, shown = await intake.get(INCIDENT)
    asked = shown["changeAsked"]

    assert (202, 2, False, {"number": 1, "askedBy": "operator"}) == (
        *(status, answer["version"], answer["changed"]),
        answer["asked"],
    )
    assert [(202, answer)] * 2 == again
    assert (2, "Laboratory", "operator", None) == await _state(intake)
    assert (1, WAITING, a_document(**FOUR, title="Better")) == (asked["number"], asked["reissue"], asked["document"])
    assert [(1, False), (2, False)] == await _said(intake)


@pytest.mark.parametrize("somebody", ["approver", "colleague"])
async def test_somebody_else_approves_a_document(intake: Intake, somebody: str) -> None:
    """Then it is the next version, everybody hears of it, and who asked and who approved stay, whoever repeats what."""
    await _released(intake)
    await _asked(intake, title="Better")
    status, answer = await _approved(intake, 1, somebody)
    again = [(await _approved(intake, 1, name))[0] for name in ("approver", "colleague")]
    put, repeated = await _asked(intake, title="Better")
    _, acts = await intake.get(f"{INCIDENT}/acts")

    assert (200, 3, True, None) == (status, answer["version"], answer["changed"], answer["asked"])
    assert ([200, 200], 200, False) == (again, put, repeated["changed"])
    assert (3, "Better", "operator", somebody) == await _state(intake)
    assert (await intake.get(INCIDENT))[1]["changeAsked"] is None
    assert [(1, False), (2, False), (3, True)] == await _said(intake)
    assert [
        ("operator", "incident-asked", 2, {"number": 1, "reissue": WAITING}),
        (somebody, "incident-approved", 3, {"number": 1, "reissue": WAITING, "askedBy": "operator"}),
    ] == [(a["principal"], a["act"], a["version"], a["detail"]) for a in acts["acts"] if "incident-a" in a["act"]]


async def test_words_that_stand_are_followed_anew_by_two(intake: Intake) -> None:
    """The same document with the word is a change that is asked for and approved as well."""
    await _released(intake)
    asked = await _asked(intake)
    approved = await _approved(intake, 1)

    assert (202, 2, 200, 3) == (asked[0], asked[1]["version"], approved[0], approved[1]["version"])
    assert [(1, False), (2, False), (3, True)] == await _said(intake)


async def test_nobody_approves_their_own_document(intake: Intake) -> None:
    """Whatever roles they have: 403, with words, before and after somebody else did."""
    await _released(intake)
    async with intake.as_principal("colleague") as colleague:
        await _asked(colleague, title="Better")
    before = await _approved(intake, 1, "colleague")
    approved, _ = await _approved(intake, 1)
    after = await _approved(intake, 1, "colleague")

    assert [403, 403] == [before[0], after[0]]
    assert "whoever asked for a change does not approve it" == before[1]["detail"]
    assert 200 == approved


@pytest.mark.parametrize("name", ["lab", "auditor", "other"])
async def test_others_approve_no_document(intake: Intake, name: str) -> None:
    """It is an approver's or an operator's; a source does not read what is only asked for."""
    await _released(intake)
    await _asked(intake, title="Better")
    async with intake.as_principal("lab") as source:
        _, shown = await source.get(INCIDENT)

    assert 403 == (await _approved(intake, 1, name))[0]
    assert (None, None) == (shown["changeAsked"], shown["changeAskedBy"])


async def test_an_approval_names_what_was_read(intake: Intake) -> None:
    """Whoever asked may ask for something else, nobody else may; what was not looked at is not approved."""
    await _released(intake)
    await _asked(intake, title="Better")
    async with intake.as_principal("colleague") as colleague:
        others = await _asked(colleague, title="Another")
    own = await _asked(intake, title="Swapped")
    seen, unnamed = await _approved(intake, 1), await _as(intake, "approver", f"{INCIDENT}/approve", {})

    assert (409, 202, 2) == (others[0], own[0], own[1]["asked"]["number"])
    assert (409, "another change was asked for than the one that is approved") == (seen[0], seen[1]["detail"])
    assert (400, ["number"]) == (unnamed[0], [one["field"] for one in unnamed[1]["problems"]])
    assert (2, "Laboratory", "operator", None) == await _state(intake)


async def test_what_nobody_asked_to_change_is_not_approved(intake: Intake) -> None:
    """An approval is the second word, never the first; an incident that nobody knows is as unknown here."""
    status, problem = await _approved(intake, 1)

    assert (409, "nobody asked for a change of this incident") == (status, problem["detail"])
    assert 404 == (await _as(intake, "approver", "/v1/incidents/none/approve", {"number": 1}))[0]


async def test_a_document_that_changed_meanwhile_lapses_what_was_asked_for(intake: Intake) -> None:
    """A stop waits for nobody: it is the next version at once, and the change is asked for anew, on top of it."""
    await _released(intake)
    await _asked(intake, title="Better")
    stopped = await intake.put(INCIDENT, a_document(**FOUR, compromisedChannels=["email"]))
    lapsed = await _approved(intake, 1)
    shown = (await intake.get(INCIDENT))[1]
    anew = await _asked(intake, title="Better", compromisedChannels=["email"])
    approved = await _approved(intake, 2)

    assert (200, 3, ["email"]) == (stopped[0], stopped[1]["version"], stopped[1]["closed"])
    assert (409, True, None) == (lapsed[0], "ask again" in lapsed[1]["detail"], shown["changeAsked"])
    assert (202, 200, 4) == (anew[0], approved[0], approved[1]["version"])


_PACED = {"policy": {"pace": {"perDay": 10}}}


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "Mine"},
        {"channels": ["portal", "email", "letter"], "compromisedChannels": []},
        {"policy": {"pace": {"perDay": 11}}},
        {"policy": {"pace": {"perDay": 10}, "stop": {"refused": 1}}},
        {"policy": {"pace": {"perDay": 10}, "correction": "always"}},
        {"policy": {"pace": {"perDay": 10}, "cascade": [{"when": "unread", "afterDays": 3}]}},
        {"policy": {"pace": {"perDay": 10}, "minors": {"underAge": 0}}},
    ],
    ids=["words", "channel", "pace", "stop", "correction", "cascade", "minors"],
)
async def test_what_may_tell_somebody_more_takes_two(intake: Intake, changed: dict[str, Any]) -> None:
    """Words, an opened channel, a faster pace, a looser rule: whatever is not a stop alone."""
    await _released(intake)
    await intake.put(INCIDENT, a_document(**FOUR, **_PACED, compromisedChannels=["email"]))
    before = await _said(intake)
    wanted = {**FOUR, **_PACED, "compromisedChannels": ["email"], **changed}
    status, _ = await intake.put(INCIDENT, a_document(**wanted))

    assert 202 == status
    assert before == await _said(intake)


@pytest.mark.parametrize(
    "changed",
    [
        {"compromisedChannels": ["letter"]},
        {"channels": ["portal", "email"]},
        _PACED,
        {"policy": {"stop": {"refused": 0.01}}},
    ],
    ids=["compromised", "channel", "pace", "stop"],
)
async def test_what_only_stops_takes_one_alone(intake: Intake, changed: dict[str, Any]) -> None:
    """A channel that is closed, a slower pace, a stricter rule: at once."""
    await _released(intake)
    status, answer = await _asked(intake, reissue=False, **changed)

    assert (200, 3, True) == (status, answer["version"], answer["changed"])


async def test_before_anything_was_let_go_one_writes_the_document(intake: Intake) -> None:
    """There is nobody whom it could tell. Who approves the release approves the words, and nobody swaps them then."""
    await intake.put(INCIDENT, a_document(**FOUR))
    await intake.post(f"{COHORT}/seal")
    drafted = await _asked(intake, title="Draft")
    await intake.post(f"{COHORT}/release", ALL)
    swapped = await _asked(intake, title="Swapped", reissue=False)

    assert (200, 3, 202) == (drafted[0], drafted[1]["version"], swapped[0])
    assert (3, "Draft", "operator", None) == await _state(intake)


async def test_four_eyes_are_not_opened_over_a_released_cohort_to_which_somebody_may_still_come(intake: Intake) -> None:
    """Whom a source adds to it would be told, and nobody else has looked at that; once it is sealed, it may be."""
    await intake.put(OTHER, {"source": "lab"})
    await intake.post(f"{COHORT}/release", ALL)
    status, problem = await intake.put(INCIDENT, a_document(**FOUR))
    await intake.post(f"{COHORT}/seal")
    later, _ = await intake.put(INCIDENT, a_document(**FOUR))

    assert (409, 200) == (status, later)
    assert "wave-1" in problem["detail"]
    assert "wave-2" not in problem["detail"]


async def test_what_is_approved_passes_the_checks_of_a_document(intake: Intake) -> None:
    """What a cohort's people would read must still be there: a draft is not even asked for."""
    await _released(intake)
    text = {"nl": "tekst", "en": "-"}
    content = dict.fromkeys(("nature", "consequences", "measures", "advice", "contact"), text)
    await intake.put(OTHER, {"source": "lab"})
    refused = await _asked(intake, content=content, title={"nl": "Laboratorium", "en": "-"}, dataCategories=[])

    assert 400 == refused[0]
    assert (await intake.get(INCIDENT))[1]["changeAsked"] is None


async def test_of_two_approvals_of_a_document_at_once_one_counts(intake: Intake) -> None:
    """Both are answered 200; one version, one act, one approver."""
    await _released(intake)
    await _asked(intake, title="Better")
    answers = await asyncio.gather(*(_approved(intake, 1, name) for name in ("approver", "colleague")))
    version, _, asked_by, approved_by = await _state(intake)

    assert [200, 200] == [status for status, _ in answers]
    assert [False, True] == sorted(body["changed"] for _, body in answers)
    assert (3, "operator", True) == (version, asked_by, approved_by in {"approver", "colleague"})
    assert [(1, False), (2, False), (3, True)] == await _said(intake)
