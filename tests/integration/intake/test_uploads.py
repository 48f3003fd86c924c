"""Uploads, from the request to the rows and blocks."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

import aiohttp
import pytest
from notification.topics import MEMBERS_ACCEPTED

from services.core.ids import member_id, partitions_of
from services.core.notices import FLAG_RETRACTED
from services.core.witnesses import NO_WITNESSES
from services.kit.vault.vault import Vault
from tests.conftest import RoomPool
from tests.integration.intake.conftest import COHORT, PARTITIONS, Intake
from tests.unit.intake.builders import a_record

HEADER = "memberRef,bsn,familyName,street,houseNumber,postcode,city,email,dataCategories\n"


def a_row(ref: str, bsn: str = "999990019", city: str = "Utrecht") -> str:
    """Return a line of CSV."""
    return f"{ref},{bsn},Vries,Kerkstraat,12,1234AB,{city},{ref or 'x'}@example.nl,name|bsn\n"


def rows(count: int, **changed: str) -> str:
    """Return a CSV body of so many members."""
    return HEADER + "".join(a_row(f"m-{at}", **changed) for at in range(count))


async def test_members_are_durable_when_the_answer_comes(intake: Intake) -> None:
    """Accepted members are in the table, in the vault and in the log, with the totals that they make."""
    status, answer = await intake.upload(rows(3))

    assert (202, 3, 3, 0) == (status, answer["received"], answer["accepted"], answer["rejected"])
    assert (3, 0, 3) == await intake.counts()
    blocks = await intake.accepted()
    assert 3 == sum(len(block.versions) for block in blocks)
    assert {("lab", 1, "wave-1", 1)} == {
        (b.incident_id, b.incident_version, b.cohort_id, b.cohort_version) for b in blocks
    }
    assert {"received": 3, "rejected": 0, "accepted": 3, "discarded": 0} == dict(blocks[0].totals.counts)
    (totals,) = await intake.totals()
    assert (1, "lab/wave-1") == (totals.sequence, totals.scope)


async def test_member_travels_in_its_persons_partition(intake: Intake) -> None:
    """Each block holds people of its own partition, with what readers need and nothing personal."""
    await intake.upload(rows(1))
    query = "select partition, block from log.log where topic = $1"
    (row,) = await intake.pool.fetch(query, MEMBERS_ACCEPTED)
    (block,) = await intake.accepted()

    assert [row["partition"]] == partitions_of([block.pseudonyms], PARTITIONS)
    assert member_id(intake.keys.pepper("member")[1], "lab", "wave-1", "m-0") == block.members
    assert ([1], [3], [3], b"\x06", b"\x00") == (
        list(block.versions),
        list(block.exposed),
        list(block.confirmed),
        block.channels,
        block.flags,
    )
    assert not any(word in row["block"] for word in (b"Vries", b"999990019", b"Utrecht", b"m-0"))


async def test_vault_opens_for_dispatch_alone(intake: Intake, room_pool: RoomPool) -> None:
    """What was sealed opens with the identity of the block, and intake itself may not read it."""
    await intake.upload(rows(1))
    (block,) = await intake.accepted()
    wanted = [(block.slots[0], block.members, 1, block.pseudonyms)]
    dispatch = await room_pool("dispatch")
    (contact,) = await Vault(intake.keys).fetch(dispatch, "lab", wanted)  # type: ignore[arg-type]

    assert isinstance(contact, bytes)
    assert ("Vries", "1234AB", "NL", "nl") == tuple(
        json.loads(contact)[name] for name in ("familyName", "postcode", "country", "language")
    )


async def test_same_upload_again_changes_nothing(intake: Intake) -> None:
    """A repeated upload is accepted line for line, and moves no counter, row or block."""
    await intake.upload(rows(3))
    before = await intake.blocks(MEMBERS_ACCEPTED)
    status, answer = await intake.upload(rows(3))

    assert (202, 3, 3) == (status, answer["received"], answer["accepted"])
    assert (3, 0, 3) == await intake.counts()
    assert before == await intake.blocks(MEMBERS_ACCEPTED)
    assert 1 == len(await intake.totals())


async def test_other_content_later_is_a_correction(intake: Intake) -> None:
    """A later record under the same memberRef is the member's next version; the count stays."""
    await intake.upload(rows(2))
    await intake.upload(HEADER + a_row("m-0", city="Breda") + a_row("m-2"))
    versions = sorted(version for block in await intake.accepted() for version in block.versions)

    assert [1, 1, 1, 2] == versions
    assert (3, 0, 3) == await intake.counts()


async def test_a_correction_says_whether_it_is_of_the_contact_data(intake: Intake) -> None:
    """Other facts leave the address standing since the version that brought it; another address is new."""
    for row in (a_row("m-0"), a_row("m-0", city="Breda"), a_row("m-0", city="Breda").replace("name|bsn", "name")):
        await intake.upload(HEADER + row)

    assert [(1, {}), (2, {}), (3, {0: 2})] == sorted(
        (version, dict(block.contact_since)) for block in await intake.accepted() for version in block.versions
    )


async def test_correction_of_the_person_leaves_the_old_partition(intake: Intake) -> None:
    """Where a correction names somebody else, the old person's partition hears that the member is gone."""
    await intake.upload(HEADER + a_row("m-0", bsn="999990019"))
    (first,) = await intake.accepted()
    await intake.upload(HEADER + a_row("m-0", bsn="999990342"))
    left, moved = sorted(
        (b for b in await intake.accepted() if list(b.versions) == [2]), key=lambda b: b.flags, reverse=True
    )

    assert (first.pseudonyms, bytes([FLAG_RETRACTED])) == (left.pseudonyms, left.flags)
    assert first.members == left.members == moved.members
    assert first.pseudonyms != moved.pseudonyms
    assert (NO_WITNESSES, first.witnesses) == (left.witnesses, moved.witnesses)  # the name and birth date are the same


async def test_ref_repeated_within_an_upload_is_a_mistake(intake: Intake) -> None:
    """Other content under the same memberRef in one upload is rejected, also chunks apart; the first one stands."""
    body = HEADER + "".join(a_row(f"m-{at}") for at in range(20_000)) + a_row("m-1", city="Breda") + a_row("m-2")
    _, answer = await intake.upload(body)

    assert (20_002, 20_001, 1) == (answer["received"], answer["accepted"], answer["rejected"])
    assert [(20_002, "m-1", "memberRef", "repeated-member-ref", "error")] == [
        tuple(problem.values()) for problem in answer["problems"]
    ]
    assert (20_000, 0, 20_000) == await intake.counts()


async def test_rejected_records_are_counted_once(intake: Intake) -> None:
    """However often a bad record comes, it is one rejected record of the ledger; without a memberRef it is none."""
    body = HEADER + a_row("m-0") + a_row("m-1", bsn="999999999") + a_row("", bsn="999990019")
    for _ in range(2):
        _, answer = await intake.upload(body)

    assert (2, 1, 1, 1) == tuple(answer[name] for name in ("received", "accepted", "rejected", "unreadable"))
    assert [(3, "bsn", "invalid-bsn"), (4, "memberRef", "required")] == [
        (p["line"], p["field"], p["problem"]) for p in answer["problems"]
    ]
    assert (2, 1, 1) == await intake.counts()
    kept = await intake.pool.fetch("select line, fields, problems from rejections order by line")
    assert [(3, ["bsn"], ["invalid-bsn"])] == [tuple(r) for r in kept]


async def test_rejected_record_that_comes_back_valid_moves(intake: Intake) -> None:
    """A mended record goes from rejected to accepted, and is still one record."""
    await intake.upload(HEADER + a_row("m-0", bsn="999999999"))
    await intake.upload(HEADER + a_row("m-0"))

    assert (1, 0, 1) == await intake.counts()


async def test_accepted_member_that_comes_back_invalid_stays(intake: Intake) -> None:
    """A bad later record takes nothing away, and is told of."""
    await intake.upload(HEADER + a_row("m-0"))
    _, answer = await intake.upload(HEADER + a_row("m-0", bsn="999999999"))

    assert ["invalid-bsn"] == [problem["problem"] for problem in answer["problems"]]
    assert (1, 0, 1) == await intake.counts()


async def test_unreachable_member_is_accepted_and_told(intake: Intake) -> None:
    """A person whom no channel reaches is accepted, and the source hears of it."""
    _, answer = await intake.upload("memberRef,bsn,dataCategories\nm-0,999990019,name\n")

    assert (1, [(2, "m-0", None, "unreachable", "warning")]) == (
        answer["accepted"],
        [tuple(problem.values()) for problem in answer["problems"]],
    )


async def test_ndjson_and_gzip_are_taken(intake: Intake) -> None:
    """The other format and the other encoding come to the same."""
    lines = [json.dumps(a_record(memberRef=f"m-{at}")) for at in range(3)]
    body = gzip.compress("\n".join(lines).encode())
    status, answer = await intake.upload(body, Content_Type="application/x-ndjson", Content_Encoding="gzip")

    assert (202, 3) == (status, answer["accepted"])


async def test_upload_cut_off_keeps_what_came_and_goes_on(intake: Intake) -> None:
    """A connection that dies keeps the whole lines that came; the same upload again changes nothing for those."""
    body = rows(100).encode()

    async def half() -> Any:
        yield body[: len(body) // 2]
        for _ in range(3):  # each answer comes after what the upload asked of the database before
            await intake.counts()
        raise ConnectionResetError

    with pytest.raises(aiohttp.ClientError):
        await intake.upload(half())
    async with asyncio.timeout(5):
        while not (received := (await intake.counts())[0]):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0)
    durable = body[: len(body) // 2].count(b"\n") - 1
    _, answer = await intake.upload(body)

    assert durable == received
    assert (100, (100, 0, 100)) == (answer["accepted"], await intake.counts())


@pytest.mark.parametrize(
    ("body", "encoding", "reason", "last_line"),
    [
        (gzip.compress(rows(2).encode())[:-4], "gzip", "gzip", 3),
        (rows(1).encode() + b"m-2,999990019,\xe9\n", "identity", "encoding", 2),
        (rows(1).encode() + b'm-2,"999990019\n', "identity", "unclosed-quote", 2),
        (rows(1).encode("utf-16"), "identity", "utf-16", 0),
    ],
)
async def test_broken_body_tells_how_far_it_came(
    intake: Intake, body: bytes, encoding: str, reason: str, last_line: int
) -> None:
    """A body that breaks is answered with the last line that is durable; an unterminated one is not counted."""
    status, answer = await intake.upload(body, Content_Encoding=encoding)

    assert (400, reason, last_line) == (status, answer["reason"], answer["lastDurableLine"])
    assert max(last_line - 1, 0) == await intake.people()


async def test_last_line_without_end_counts_when_the_body_is_whole(intake: Intake) -> None:
    """A file without a final line end loses nobody."""
    _, answer = await intake.upload(rows(2).rstrip("\n"))

    assert 2 == answer["accepted"]


async def test_two_uploads_of_the_same_people_at_once(intake: Intake) -> None:
    """Uploads side by side count everybody once, whatever comes first."""
    body = rows(5_000)
    backwards = HEADER + "".join(reversed(body.splitlines(keepends=True)[1:]))
    answers = await asyncio.gather(intake.upload(body), intake.upload(backwards), intake.upload(body))

    assert [(202, 5_000)] * 3 == [(status, answer["accepted"]) for status, answer in answers]
    assert (5_000, 0, 5_000) == await intake.counts()
    assert 5_000 == sum(len(block.versions) for block in await intake.accepted())


async def test_valid_and_invalid_at_once_are_one_record(intake: Intake) -> None:
    """The same records, good in one upload and bad in another, end accepted and counted once."""
    good, bad = rows(2_000), rows(2_000, bsn="999999999")
    await asyncio.gather(intake.upload(good), intake.upload(bad), intake.upload(good), intake.upload(bad))

    assert (2_000, 0, 2_000) == await intake.counts()
    assert 0 == await intake.pool.fetchval("select count(*) from rejections")


async def test_sealed_cohort_takes_corrections_and_nobody_new(intake: Intake) -> None:
    """After sealing, known members may be corrected and rejected ones mended; new ones are refused."""
    await intake.upload(HEADER + a_row("m-0") + a_row("m-1", bsn="999999999"))
    await intake.post(f"{COHORT}/seal")
    refused, told = await intake.upload(HEADER + a_row("m-9"))
    status, answer = await intake.upload(
        HEADER + a_row("m-0", city="Breda") + a_row("m-1") + a_row("m-9") + a_row("m-8", bsn="999999999")
    )

    assert (409, ["cohort-sealed"]) == (refused, [problem["problem"] for problem in told["problems"]])
    assert (202, 2, 2) == (status, answer["accepted"], answer["rejected"])
    assert [(4, "cohort-sealed"), (5, "invalid-bsn")] == [(p["line"], p["problem"]) for p in answer["problems"]]
    assert (2, 0, 2) == await intake.counts()


async def test_problems_are_capped(intake: Intake) -> None:
    """The answer stays readable; its counts are of all lines."""
    _, answer = await intake.upload(rows(1_500, bsn="999999999"))

    assert (1_500, 1_000, True) == (answer["rejected"], len(answer["problems"]), answer["problemsTruncated"])


async def test_idempotency_key_gives_the_same_answer(intake: Intake) -> None:
    """The same key and body give the answer that was given; another body is refused; another cohort is apart."""
    await intake.put("/v1/incidents/lab/cohorts/wave-2", {"source": "lab"})
    bad = HEADER + a_row("m-0", bsn="999999999")
    first = await intake.upload(bad, Idempotency_Key="k1")
    await intake.upload(HEADER + a_row("m-0"))
    again = await intake.upload(bad, Idempotency_Key="k1")
    other, _ = await intake.upload(rows(1), Idempotency_Key="k1")
    apart, _ = await intake.upload(rows(1), cohort="/v1/incidents/lab/cohorts/wave-2", Idempotency_Key="k1")

    assert first == again
    assert (409, 202) == (other, apart)


async def test_huge_line_is_one_unreadable_line(intake: Intake) -> None:
    """Ten megabytes in one line are one bad line among good ones."""
    body = HEADER + a_row("m-0") + "x" * 10_000_000 + "\n" + a_row("m-1")
    _, answer = await intake.upload(body)

    assert (2, 0, 1) == (answer["accepted"], answer["rejected"], answer["unreadable"])
    assert [(3, "line-too-long")] == [(p["line"], p["problem"]) for p in answer["problems"]]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", "text/csv", 400),
        ("memberRef,dataCategories,shoeSize\n", "text/csv", 400),
        ("memberRef,dataCategories\n", "text/csv", 202),
        ("", "application/x-ndjson", 202),
        ("{}", "application/json", 415),
        ("", "text/csv; charset=latin-1", 415),
    ],
)
async def test_bodies_without_members(intake: Intake, body: str, kind: str, status: int) -> None:
    """A body without members is fine; one without columns, or of another kind, is not."""
    assert status == (await intake.upload(body.encode(), Content_Type=kind))[0]


async def test_trickled_upload_is_committed_meanwhile(intake: Intake) -> None:
    """Nothing of an upload is lost for being slow: lines come one at a time and all are taken."""

    async def slowly() -> Any:
        for line in rows(5).splitlines(keepends=True):
            yield line.encode()
            await asyncio.sleep(0)

    _, answer = await intake.upload(slowly())

    assert 5 == answer["accepted"]


async def test_slow_uploads_hold_nobody_else_up(intake: Intake) -> None:
    """Eight bodies of one principal that never end leave a slot to the next one, and the last of them are put off."""
    going_on = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield rows(1).encode()
        await going_on.wait()

    slow = [asyncio.create_task(intake.upload(endless())) for _ in range(8)]
    async with asyncio.timeout(30), intake.as_principal("colleague") as colleague:
        while intake.context.metrics.open_uploads._value.get() < 4:  # noqa: ASYNC110 - a gauge has no event
            await asyncio.sleep(0.01)
        status, answer = await colleague.upload(HEADER + a_row("m-of-another"))
        for put_off in islice(asyncio.as_completed(slow), 4):  # all of them, before a slot becomes free
            await put_off
        going_on.set()
        statuses = sorted([(await one)[0] for one in slow])

    assert (202, 1) == (status, answer["accepted"])
    assert [202] * 4 + [503] * 4 == statuses
