"""Records and cohorts that are taken back at intake: rows, versions, counts, blocks, acts, and who may do it."""

from typing import Any

import orjson
import pytest

from services.core.ids import member_id
from services.core.notices import FLAG_RETRACTED, FLAG_WITHDRAWN
from tests.integration.intake.conftest import COHORT, Intake
from tests.integration.intake.test_events import IDS, Upstream
from tests.integration.intake.test_principals import OtherUpstream
from tests.unit.intake.builders import a_record

WITHDRAWALS, OTHERS = f"{COHORT}/withdrawals", "/v1/incidents/lab/cohorts/others"
BAD = a_record(memberRef="m-9", bsn="1")


async def upload(intake: Intake, *records: Any) -> tuple[int, Any]:
    """Send records, one a line."""
    return await intake.upload(b"\n".join(map(orjson.dumps, records)), Content_Type="application/x-ndjson")


async def figures(intake: Intake) -> tuple[int, ...]:
    """Return received, rejected, accepted, discarded."""
    _, shown = await intake.get(COHORT)
    return tuple(shown[name] for name in ("received", "rejected", "accepted", "discarded"))


async def sent(intake: Intake) -> list[tuple[int, int]]:
    """Return version and flags of each member that was told of, in the order of the versions."""
    return sorted((v, f) for block in await intake.accepted() for v, f in zip(block.versions, block.flags, strict=True))


def withdrawn(member_ref: Any, **more: Any) -> dict[str, Any]:
    """Return the data of an event that takes a member back."""
    return {**IDS, "memberRef": member_ref, **more}


async def test_a_withdrawal_is_the_members_next_version(intake: Intake) -> None:
    """It goes to the person's own partition, says nothing else, and leaves intake's counts as they are."""
    await upload(intake, a_record())
    (before,) = await intake.accepted()
    status, answer = await intake.post(WITHDRAWALS, {"memberRef": " m-1 "})
    block = next(block for block in await intake.accepted() if block.flags == bytes((FLAG_WITHDRAWN,)))

    assert (200, {"was": "accepted", "changed": True, "told": "no"}) == (
        status,
        {name: answer[name] for name in ("was", "changed", "told")},
    )
    assert ([2], before.members, before.pseudonyms, [0], b"\0") == (
        list(block.versions), block.members, block.pseudonyms, list(block.exposed), block.channels,
    )  # fmt: skip
    assert (1, 0, 1, 0) == await figures(intake)
    assert dict(block.totals.counts) == dict(before.totals.counts)


async def test_withdrawn_twice_changes_nothing(intake: Intake) -> None:
    """The second time is answered as done, and nothing is written: no version, no block, no act."""
    await upload(intake, a_record())
    await intake.post(WITHDRAWALS, {"memberRef": "m-1"})
    before = await sent(intake), await intake.get("/v1/incidents/lab/acts")
    status, answer = await intake.post(WITHDRAWALS, {"memberRef": "m-1"})

    assert (200, False) == (status, answer["changed"])
    assert before == (await sent(intake), await intake.get("/v1/incidents/lab/acts"))


async def test_a_later_upload_brings_the_member_back(intake: Intake) -> None:
    """The same record again is a correction now, also after sealing; it may be another person meanwhile."""
    await upload(intake, a_record())
    await intake.post(WITHDRAWALS, {"memberRef": "m-1"})
    await intake.post(f"{COHORT}/seal")
    _, report = await upload(intake, a_record())
    await intake.post(WITHDRAWALS, {"memberRef": "m-1"})
    await upload(intake, a_record(bsn="999990342"))

    assert 1 == report["accepted"]
    assert [(1, 0), (2, FLAG_WITHDRAWN), (3, 0), (4, FLAG_WITHDRAWN), (5, 0), (5, FLAG_RETRACTED)] == await sent(intake)
    assert (1, 0, 1, 0) == await figures(intake)


async def test_what_nobody_sent_cannot_be_withdrawn(intake: Intake) -> None:
    """A memberRef or line that names no record is 404; a request that names none, or two, is 400."""
    await upload(intake, a_record())
    asked: list[Any] = [
        {"memberRef": "m-2"},
        {"line": 1},
        {},
        {"memberRef": "m-1", "line": 2},
        {"line": 0},
        [],
        {"x": 1},
    ]

    assert [404, 404, 400, 400, 400, 400, 400] == [(await intake.post(WITHDRAWALS, one))[0] for one in asked]
    assert 404 == (await intake.post(f"{COHORT}-x/withdrawals", {"memberRef": "m-1"}))[0]


@pytest.mark.parametrize("named", [{"memberRef": "m-9"}, {"line": 2}], ids=["by-ref", "by-line"])
async def test_a_rejected_record_is_accepted_and_discarded(intake: Intake, named: dict[str, Any]) -> None:
    """It was received and stays so: nothing is missing, and nobody has to mend it any more."""
    await upload(intake, a_record(), BAD)
    before = await figures(intake)
    status, answer = await intake.post(WITHDRAWALS, named)
    _, again = await intake.post(WITHDRAWALS, named)
    totals = (await intake.totals())[-1].counts

    assert (2, 1, 1, 0) == before
    assert (200, "rejected", True, "no") == (status, answer["was"], answer["changed"], answer["told"])
    assert not again["changed"]
    assert (2, 0, 2, 1) == await figures(intake)
    assert {"received": 2, "rejected": 0, "accepted": 2, "discarded": 1} == dict(totals)


async def test_a_line_that_two_records_had_names_neither(intake: Intake) -> None:
    """Two uploads had a bad record on line 1: the answer says so, and the memberRef still names each."""
    await upload(intake, a_record(memberRef="m-8", bsn="1"))
    await upload(intake, BAD)
    by_line, answer = await intake.post(WITHDRAWALS, {"line": 1})
    by_ref, _ = await intake.post(WITHDRAWALS, {"memberRef": "m-9"})
    still, _ = await intake.post(WITHDRAWALS, {"line": 1})

    assert (409, 200, 409) == (by_line, by_ref, still)
    assert "memberRef" in answer["detail"]
    assert (2, 1, 1, 1) == await figures(intake)


async def test_a_discarded_record_comes_back(intake: Intake) -> None:
    """Valid, it is a member like any other; as bad as before, it is rejected again, and counted once each time."""
    await upload(intake, BAD)
    await intake.post(WITHDRAWALS, {"memberRef": "m-9"})
    seen = [await figures(intake)]
    await upload(intake, BAD)
    seen.append(await figures(intake))
    await intake.post(WITHDRAWALS, {"memberRef": "m-9"})
    await upload(intake, a_record(memberRef="m-9"))
    seen.append(await figures(intake))

    assert [(1, 0, 1, 1), (1, 1, 0, 0), (1, 0, 1, 0)] == seen


async def test_who_may_withdraw_and_cancel(intake: Intake) -> None:
    """A source withdraws its own records, and does not see others'; a cohort as a whole is an operator's to cancel."""
    await upload(intake, a_record())
    async with intake.as_principal("other") as other, intake.as_principal("lab") as lab:
        asked = [
            (await other.post(WITHDRAWALS, {"memberRef": "m-1"}))[0],
            (await other.post(f"{COHORT}/cancel"))[0],
            (await lab.post(f"{COHORT}/cancel"))[0],
            (await lab.post(WITHDRAWALS, {"memberRef": "m-1"}))[0],
        ]
    _, told = await intake.get("/v1/incidents/lab/acts")
    member = await intake.pool.fetchval("select member from acts where act = 'record-withdrawn'")

    assert [404, 403, 403, 200] == asked
    assert ("lab", "record-withdrawn") == (told["acts"][-1]["principal"], told["acts"][-1]["act"])
    assert member_id(intake.keys.pepper("member")[1], "lab", "wave-1", "m-1") == member


async def test_whether_somebody_may_have_been_told_is_said_honestly(intake: Intake) -> None:
    """Once anything of the incident was let go, be it taken back since or another cohort's, only `maybe` is true."""
    await upload(intake, a_record(), a_record(memberRef="m-2"))
    _, before = await intake.post(WITHDRAWALS, {"memberRef": "m-1"})
    for auto in (True, False):
        await intake.put(OTHERS, {"source": "other", "autoRelease": auto})
    _, after = await intake.post(WITHDRAWALS, {"memberRef": "m-2"})

    assert ("no", "maybe") == (before["told"], after["told"])


async def test_an_event_withdraws_a_member(intake: Intake) -> None:
    """Also one of the same batch; the same event again, after the member came back, is ignored."""
    upstream = Upstream(intake)
    event = upstream.event("member-withdrawn", withdrawn("m-1"), "w")
    reasons = await upstream.send(upstream.members(a_record()), event)
    reasons += await upstream.send(upstream.members(a_record()))
    reasons += await upstream.send(event)

    assert [] == reasons
    assert [(1, 0), (2, FLAG_WITHDRAWN), (3, 0)] == await sent(intake)
    assert 1 == await intake.pool.fetchval("select count(*) from acts where act = 'record-withdrawn'")


async def test_an_event_for_an_unknown_member_is_set_aside_and_can_be_replayed(intake: Intake) -> None:
    """What came before its member is a dead letter; sent again once the member is there, it is taken."""
    upstream = Upstream(intake)
    early = upstream.event("member-withdrawn", withdrawn("m-1"), "w")
    first = await upstream.send(early)
    await upstream.send(upstream.members(a_record()))

    assert ["unknown-member"] == first
    assert [] == await upstream.send(early)
    assert [(1, 0), (2, FLAG_WITHDRAWN)] == await sent(intake)


async def test_a_topic_withdraws_members_of_its_own_source_alone(intake: Intake) -> None:
    """B's topic cannot take back A's member, whatever the event says of its source."""
    await upload(intake, a_record())
    upstream = OtherUpstream(intake)

    assert ["unknown-cohort"] == await upstream.send(upstream.event("member-withdrawn", withdrawn("m-1")))
    assert [(1, 0)] == await sent(intake)


async def test_a_cancelled_cohort_is_closed_for_good(intake: Intake) -> None:
    """It says so in its next version, takes no members, and is released, sealed or changed no more: 409."""
    await upload(intake, a_record())
    status, shown = await intake.post(f"{COHORT}/cancel")
    again, unchanged = await intake.post(f"{COHORT}/cancel")
    refused = [
        (await intake.post(f"{COHORT}/release", {"all": True}))[0],
        (await intake.post(f"{COHORT}/seal"))[0],
        (await intake.put(COHORT, {"source": "lab", "autoRelease": True}))[0],
        (await intake.put(COHORT, {"source": "lab", "declaredCount": 9}))[0],
        (await upload(intake, a_record(memberRef="m-2")))[0],
        (await upload(intake, a_record(city="Breda")))[0],
    ]
    change = (await intake.changes())[-1].cohorts[0]

    assert (200, 2, True) == (status, shown["version"], shown["cancelled"])
    assert (200, 2) == (again, unchanged["version"])
    assert [409] * 6 == refused
    assert (2, True, []) == (change.version, change.cancelled, list(change.release_after))
    assert (1, 0, 1, 0) == await figures(intake)


async def test_a_released_cohort_can_be_cancelled(intake: Intake) -> None:
    """Its release holds no more, and is not given again."""
    await intake.post(f"{COHORT}/release", {"all": True})
    _, shown = await intake.post(f"{COHORT}/cancel")

    assert (True, True) == (shown["released"], shown["cancelled"])
    assert 409 == (await intake.post(f"{COHORT}/release", {"all": True}))[0]


async def test_events_for_a_cancelled_cohort_are_set_aside(intake: Intake) -> None:
    """Upstream hears that its members and its seal were not taken."""
    await intake.post(f"{COHORT}/cancel")
    upstream = Upstream(intake)

    assert ["conflict", "conflict"] == await upstream.send(
        upstream.members(a_record()), upstream.event("cohort-sealed", IDS)
    )
    assert (0, 0, 0, 0) == await figures(intake)


async def test_a_cohort_that_is_cancelled_during_an_upload_takes_nothing_more(intake: Intake) -> None:
    """What was not durable by then is refused line by line, and counted nowhere."""

    async def body() -> Any:
        yield orjson.dumps(a_record())
        await intake.post(f"{COHORT}/cancel")
        yield b"\n"

    status, report = await intake.upload(body(), Content_Type="application/x-ndjson")

    assert (409, [{"cohort-cancelled"}, 1]) == (
        status, [{one["problem"] for one in report["problems"]}, report["rejected"]],
    )  # fmt: skip
    assert (0, 0, 0, 0) == await figures(intake)
