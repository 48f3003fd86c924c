"""People who come under two identities, at intake: homes, ties, and what operators say of them."""

import asyncio
from typing import Any

import orjson

from tests.integration.intake.conftest import COHORT, Intake, a_document
from tests.unit.intake.builders import a_record

IDENTITIES, OTHERS = "/v1/incidents/lab/identities", "/v1/incidents/lab/cohorts/others"
ON_MATCH_KEY = {"bsn": None, "personKey": None}
OTHER_BSN = "100000009"


async def upload(intake: Intake, *records: Any, cohort: str = COHORT) -> None:
    """Send records, one a line, all of which are taken."""
    body = b"\n".join(map(orjson.dumps, records))
    status, answer = await intake.upload(body, cohort=cohort, Content_Type="application/x-ndjson")
    assert (202, 0) == (status, answer["rejected"])


async def ties(intake: Intake) -> list[tuple[str, str]]:
    """Return the ties as they stand, with who decided."""
    _, answer = await intake.get(IDENTITIES)
    return [(tie["state"], tie["decidedBy"]) for tie in answer["ties"]]


async def homes(intake: Intake) -> dict[bytes, bytes]:
    """Return the last home of each pseudonym that was told of, by the blocks."""
    known: dict[bytes, tuple[int, bytes]] = {}
    for block in await intake.accepted():
        own = [block.pseudonyms[at : at + 16] for at in range(0, len(block.pseudonyms), 16)]
        for row, pseudonym in enumerate(own):
            known.setdefault(pseudonym, (0, pseudonym))
            if row in block.homes.rows:
                at = list(block.homes.rows).index(row)
                home = block.homes.versions[at], block.homes.homes[16 * at : 16 * at + 16]
                known[pseudonym] = max(known[pseudonym], home)
        for at, version in enumerate(block.moves.versions):
            moved = block.moves.pseudonyms[16 * at : 16 * at + 16]
            home = version, block.moves.homes[16 * at : 16 * at + 16]
            known[moved] = max(known.get(moved, (0, moved)), home)
    return {pseudonym: home for pseudonym, (_, home) in known.items()}


async def test_one_person_under_two_identities_has_one_home(intake: Intake) -> None:
    """A BSN in one source's file, the match key in another's: tied by the record that comes second, with evidence."""
    await upload(intake, a_record(memberRef="m-1"))
    await upload(intake, a_record(memberRef="m-2", **ON_MATCH_KEY))
    known = await homes(intake)
    _, answer = await intake.get(IDENTITIES)
    (tie,) = answer["ties"]

    assert (2, 1) == (len(known), len(set(known.values())))
    assert ("made", "rule", "wave-1", "lab") == tuple(
        tie[name] for name in ("state", "decidedBy", "cohortId", "source")
    )
    assert ["familyName", "birthDate", "postcode", "houseNumber", "initials"] == tie["fields"]


async def test_the_order_of_sources_makes_the_same_person(intake: Intake) -> None:
    """The match key first, then the number; both in one file; all the same."""
    await upload(intake, a_record(memberRef="m-1", **ON_MATCH_KEY), a_record(memberRef="m-2"))
    await upload(intake, a_record(memberRef="m-3", familyName="Berg", bsn=None), a_record(memberRef="m-4"))
    await upload(intake, a_record(memberRef="m-5", familyName="Berg", bsn=OTHER_BSN))
    known = await homes(intake)

    assert (4, 2) == (len(known), len(set(known.values())))
    assert [("made", "rule")] * 2 == await ties(intake)


async def test_a_bare_match_key_is_proposed(intake: Intake) -> None:
    """Without initials and given name it could be a twin's: nothing moves until an operator says so."""
    await upload(intake, a_record(memberRef="m-1"))
    await upload(intake, a_record(memberRef="m-2", initials=None, **ON_MATCH_KEY))
    before = await homes(intake)
    assert [("proposed", "rule")] == await ties(intake)

    _, listed = await intake.get(IDENTITIES)
    said = {"action": "tie", "tie": listed["ties"][0]["tie"]}
    status, answer = await intake.post(IDENTITIES, said)
    again = await intake.post(IDENTITIES, said)
    after = await homes(intake)

    assert (200, "made", True) == (status, answer["state"], answer["changed"])
    assert (200, False) == (again[0], again[1]["changed"])
    assert (2, 1) == (len(set(before.values())), len(set(after.values())))
    assert [("made", "operator")] == await ties(intake)
    _, acts = await intake.get("/v1/incidents/lab/acts")
    assert "identity-tied" in [act["act"] for act in acts["acts"]]


async def test_twins_are_not_tied(intake: Intake) -> None:
    """Their match key is the same, their initials are not."""
    await upload(intake, a_record(memberRef="m-1"))
    await upload(intake, a_record(memberRef="m-2", initials="P.", **ON_MATCH_KEY))

    assert [] == await ties(intake)
    assert 2 == len(set((await homes(intake)).values()))


async def test_two_numbers_that_may_be_one_are_never_tied_by_the_rule(intake: Intake) -> None:
    """A tie that stood becomes a proposal again once a second number could be the same person; everybody moves back."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **ON_MATCH_KEY))
    assert [("made", "rule")] == await ties(intake)
    await upload(intake, a_record(memberRef="m-3", bsn=OTHER_BSN))

    assert [("proposed", "rule")] * 2 == await ties(intake)
    assert 3 == len(set((await homes(intake)).values()))


async def test_what_an_operator_undid_the_rule_never_makes_again(intake: Intake) -> None:
    """Not with a further record either; refused and undone stay."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **ON_MATCH_KEY))
    _, listed = await intake.get(IDENTITIES)
    number = listed["ties"][0]["tie"]
    status, _ = await intake.post(IDENTITIES, {"action": "untie", "tie": number})
    await upload(intake, a_record(memberRef="m-3", givenName="Jan", **ON_MATCH_KEY), a_record(memberRef="m-4"))
    refused, _ = await intake.post(IDENTITIES, {"action": "refuse", "tie": number})

    assert (200, 409, [("undone", "operator")]) == (status, refused, await ties(intake))
    assert 2 == len(set((await homes(intake)).values()))


async def test_nothing_is_noted_while_everybody_has_a_number(intake: Intake) -> None:
    """The first record on a match key alone has those before it noted; who came before is found all the same."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", familyName="Berg", bsn=OTHER_BSN))
    noted = await intake.pool.fetchval("select count(*) from matches")
    await upload(intake, a_record(memberRef="m-3", **ON_MATCH_KEY))

    assert (0, 2) == (noted, await intake.pool.fetchval("select count(*) from matches"))
    assert [("made", "rule")] == await ties(intake)


async def test_two_uploads_that_make_the_same_ties_at_once(intake: Intake) -> None:
    """Neither waits for the other in a ring, and each tie is made once, whichever comes first."""
    await intake.put(OTHERS, {"source": "lab", "declaredCount": 400})
    people = [a_record(memberRef=f"m-{at}", houseNumber=str(at + 1), bsn=None) for at in range(200)]
    numbers = [number for number in range(100_000_000, 100_004_000) if _passes(number)][:200]
    numbered = [one | {"bsn": str(number)} for one, number in zip(people, numbers, strict=True)]
    await upload(intake, a_record(memberRef="first", familyName="Eerste", bsn=None))
    await asyncio.gather(upload(intake, *people), upload(intake, *reversed(numbered), cohort=OTHERS))

    assert [("made", "rule")] * 200 == await ties(intake)
    known = await homes(intake)
    assert (401, 201) == (len(known), len(set(known.values())))


def _passes(number: int) -> bool:
    digits = [int(digit) for digit in str(number)]
    return (sum(w * d for w, d in zip(range(9, 1, -1), digits, strict=False)) - digits[-1]) % 11 == 0


async def test_who_is_no_operator_settles_nothing(intake: Intake) -> None:
    """A source neither sees ties nor makes them; what is no tie is a problem by field."""
    async with intake.as_principal("lab") as source:
        _, shown = await source.get(IDENTITIES)
        made, _ = await source.post(IDENTITIES, {"action": "tie", "tie": 1})
    assert (False, 403) == ("ties" in shown, made)
    status, answer = await intake.post(IDENTITIES, {"action": "join", "tie": "1", "who": 2})
    assert (400, ["who", "action", "tie"]) == (status, [one["field"] for one in answer["problems"]])
    assert 404 == (await intake.post(IDENTITIES, {"action": "tie", "tie": 99}))[0]


async def test_permissions_say_whether_anybody_was_ever_tied(intake: Intake) -> None:
    """Data of tied people may be in another partition than their notice: what waits for it waits for all then."""
    incident = "/v1/incidents/lab"
    await upload(intake, a_record(memberRef="m-1"))
    await intake.post(f"{COHORT}/release", {"all": True})
    await intake.put(incident, a_document(compromisedChannels=["portal"]))
    await upload(intake, a_record(memberRef="m-2", **ON_MATCH_KEY))
    tied = await ties(intake)
    await intake.post(f"{COHORT}/pause")
    await intake.post(f"{COHORT}/resume")
    await intake.put(incident, a_document())
    (tie,) = (await intake.get(IDENTITIES))[1]["ties"]
    await intake.post(IDENTITIES, {"action": "untie", "tie": tie["tie"]})
    await intake.put(incident, a_document(compromisedChannels=["email"]))

    changes = await intake.changes()
    assert ([("made", "rule")], [False, False, True, True]) == (
        tied,
        [one.tied for block in changes for one in block.cohorts if one.cohort_id == "wave-1"],
    )
    assert [False, False, True, True] == [one.tied for block in changes for one in block.incidents]
