"""What a print house answers, in its folder or by SFTP: kept once in effect, never lost, and acted on by people."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.core.access import Caller, Principal, Role
from services.core.receipts import ReceiptKind, ReceiptReason
from services.core.status import AttemptState
from services.demo.provider_records import ProviderRecords
from services.demo.standins.faults import Fault, Faults
from services.demo.standins.print_house import PrintHouse as StandIn
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.printed.deciding import PostedError, UnknownJobError
from services.dispatch.printed.hearing import MOST_BYTES
from services.dispatch.provider import AnsweringProvider
from services.rendering.letters.profile_file import USUAL_PROFILE
from tests.integration.dispatch.bench import Bench, a_payload
from tests.integration.dispatch.printed_bench import KEEP, Printed
from tests.integration.dispatch.test_sftp import House
from tests.unit.dispatch.people import an_id, some_notices

ACCEPTED, UNPRINTED_STATE = AttemptState.ACCEPTED, AttemptState.UNPRINTED
BY = Caller(Principal("op", frozenset({Role.OPERATOR})), "request-1")


@pytest.fixture(params=["folder", "sftp"])
async def printed(letters: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Printed]:
    """Return a print house that fetches its files, and one that is sent them."""
    async with AsyncExitStack() as stack:
        if request.param == "sftp":
            house = House(tmp_path / "house")
            await stack.enter_async_context(house.serve())
            provider: AnsweringProvider = house.printer()
            stack.push_async_callback(provider.close)
            yield Printed(letters, provider, house.local, house.inbox)
            return
        folder = tmp_path / "print"
        folder.mkdir()
        provider = PrintFolder(folder, "ndjson")
        stack.push_async_callback(provider.close)
        yield Printed(letters, provider, folder, folder)


@pytest.fixture
async def folder(letters: Bench, tmp_path: Path) -> AsyncIterator[Printed]:
    """Return a print house that fetches its files."""
    path = tmp_path / "print"
    path.mkdir()
    provider = PrintFolder(path, "ndjson")
    yield Printed(letters, provider, path, path)
    await provider.close()


async def test_a_rejected_job_told_nobody(printed: Printed) -> None:
    """Its letters are held and counted as such, listed, and stay until an operator decides; the answer is put away."""
    bad, good = await printed.print(3, 2)
    printed.say(bad, state="rejected", reason="digest")
    printed.say(good, state="acknowledged")
    await printed.hear()
    line = await printed.line()
    kept = sorted(path.name for path in (printed.here / "answered").iterdir())

    assert {(1, UNPRINTED_STATE): 3, (1, ACCEPTED): 2} == await printed.attempts()
    assert (3, [], []) == (await printed.held(), list(printed.answers.iterdir()), await printed.bench.refused())
    assert {(ReceiptKind.REFUSED, ReceiptReason.PROVIDER)} == {said[1:] for said in await printed.receipts()}
    assert ("rejected", 1, 3, ["digest"], False) == (
        line.state, line.rejected, line.unprinted, line.reasons, line.contradictory
    )  # fmt: skip
    assert sorted([f"{bad}.answer.json", f"{good}.answer.json"]) == kept
    assert 3.0 == printed.figure("dispatch_unprinted_letters")


async def test_an_acknowledged_job_is_no_row_a_letter(folder: Printed) -> None:
    """Nothing goes to tracking: whoever was told stays told. One answer may be of all files of a run."""
    await folder.print(3, 2)
    run = (await folder.line()).run
    waiting = await folder.line()
    folder.say(run, state="acknowledged")
    await folder.hear()
    taken = await folder.line()
    folder.say(run, "posted.json", state="posted", at="2026-08-20")
    await folder.hear()

    assert ("waiting", 2, "acknowledged", 0) == (waiting.state, waiting.waiting, taken.state, taken.waiting)
    assert ("posted", []) == ((await folder.line()).state, await folder.receipts())
    assert {"acknowledged": 2.0, "posted": 2.0} == {
        kind: folder.figure("dispatch_print_answers_total", kind=kind) for kind in ("acknowledged", "posted")
    }


async def test_answers_come_to_the_same_in_any_order_and_however_often(folder: Printed) -> None:
    """Contradictory ones too: a rejection holds, its earliest time and reason with it."""
    said = [("acknowledged", 1, ""), ("posted", 3, ""), ("rejected", 2, "digest"), ("rejected", 1, "font")]
    profile = replace(USUAL_PROFILE, file=USUAL_PROFILE.file._replace(letters=1, format="ndjson"))
    for number in range(24):
        await folder.queue(number, 1)
    await folder.bench.send(PrintFolder(folder.here, profile=profile))
    files = await folder.files()
    for file, order in zip(files, permutations(said), strict=True):
        for number, (state, second, reason) in enumerate([*order, order[0]]):
            at = f"2026-08-20T10:00:0{second}+00:00"
            folder.say(file, f"{file}-{number}.json", state=state, at=at, reason=reason)
            if number == 2:
                await folder.hear(folder.listener())  # another process goes on
    await folder.hear()
    rows = await folder.bench.pool.fetch(
        "select distinct acknowledged_at, posted_at, rejected_at, reason from print_files"
    )

    times = [datetime(2026, 8, 20, 10, 0, second, tzinfo=UTC) for second in (1, 3, 1)]
    assert [(*times, "font")] == [tuple(row) for row in rows]
    assert {(1, UNPRINTED_STATE): 24} == await folder.attempts()
    assert (24, True) == (await folder.held(), (await folder.line()).contradictory)


async def test_single_letters_are_rejected_by_whose_fault_it_is(printed: Printed) -> None:
    """A bad address is its person's, who goes to the next channel; what is damaged is held; the others stay told."""
    (file,) = await printed.print(4)
    manifest = json.loads((printed.here / f"{file}.manifest.json").read_bytes())
    one, other = (row["reference"] for row in manifest["letters"][:2])
    letters = [
        {"reference": one, "state": "rejected", "reason": "bad-address"},
        {"reference": other, "state": "rejected", "reason": "damaged"},
    ]
    printed.say(file, state="acknowledged", letters=letters)
    await printed.hear()
    (back,) = await printed.bench.refused()

    assert {(1, ACCEPTED): 2, (1, UNPRINTED_STATE): 1, (1, AttemptState.BOUNCED): 1} == await printed.attempts()
    assert ("refused:bad-address", bytes.fromhex(manifest["letters"][0]["noticeId"])) == back[:2]
    assert (1, "acknowledged") == (await printed.held(), (await printed.line()).state)


async def test_what_was_said_of_every_letter_was_said_of_the_file(folder: Printed) -> None:
    """Print houses that answer by reference, or by sheets, end the wait for them too."""
    one, other = await folder.print(2, 3)
    folder.say(one, sheets=[{"first": 1, "last": 2, "state": "posted"}])
    manifest = json.loads((folder.here / f"{other}.manifest.json").read_bytes())
    folder.say(other, letters=[{"noticeId": row["noticeId"], "state": "posted"} for row in manifest["letters"]])
    await folder.hear()

    assert ("posted", []) == ((await folder.line()).state, await folder.receipts())


async def test_printed_again_is_another_attempt_in_another_file(printed: Printed) -> None:
    """By an operator, who is written down, and once; then they are told, and the first job stays rejected."""
    (file,) = await printed.print(3)
    printed.say(file, state="rejected")
    await printed.hear()
    first = await printed.deciding().print_again(file, BY)
    second = await printed.deciding().print_again(file, BY)
    await printed.bench.tick()
    queued, held = await printed.attempts(), await printed.held()
    await printed.bench.send(printed.provider)
    acts = await printed.bench.pool.fetch("select act, job, letters, principal, request_id from print_acts")
    line = await printed.line()

    assert ((3, 0), (0, 3)) == (first, second)
    assert ({(1, AttemptState.REFUSED): 3, (2, AttemptState.TAKEN): 3}, 0) == (queued, held)
    assert {(1, AttemptState.REFUSED): 3, (2, ACCEPTED): 3} == await printed.attempts()
    assert [("printed-again", file, 3, "op", "request-1")] == [tuple(row) for row in acts]
    assert (2, 1, 0) == (line.files, line.rejected, line.unprinted)
    assert 2 == len(list(printed.there.glob("*.done")))


async def test_given_up_goes_to_the_next_channel(folder: Printed) -> None:
    """By routing, as whoever else came back; nothing is printed again."""
    await folder.print(2, 1)
    line = await folder.line()
    folder.say(line.run, state="rejected", reason="layout")
    await folder.hear()
    done = await folder.deciding().give_up(line.run, BY)
    await folder.bench.tick()
    back = await folder.bench.refused()

    assert (3, {"refused:provider"}) == (done.notices, {reason for reason, _, _ in back})
    assert ({(1, AttemptState.REFUSED): 3}, 0) == (await folder.attempts(), await folder.held())


async def test_what_was_posted_as_well_is_not_printed_again_by_mistake(folder: Printed) -> None:
    """The print house contradicts itself: whoever prints it again says that they know."""
    (file,) = await folder.print(2)
    folder.say(file, "1.json", state="posted")
    folder.say(file, "2.json", state="rejected")
    await folder.hear()
    with pytest.raises(PostedError):
        await folder.deciding().print_again(file, BY)
    with pytest.raises(UnknownJobError):
        await folder.deciding().print_again(an_id("nothing").hex(), BY)
    held = await folder.held()
    done = await folder.deciding().print_again(file, BY, even_if_posted=True)

    assert (2, 2) == (held, done.notices)


async def test_a_job_that_is_posted_after_it_was_printed_again_is_told(folder: Printed, caplog: Any) -> None:
    """Its people have two letters: that is no secret."""
    (file,) = await folder.print(2)
    folder.say(file, "1.json", state="rejected")
    await folder.hear()
    await folder.deciding().print_again(file, BY)
    await folder.bench.tick()
    folder.say(file, "2.json", state="posted")
    await folder.hear()

    assert 1.0 == folder.figure("dispatch_print_answers_total", kind="contradictory")
    assert [file] == [vars(one)["job"] for one in caplog.records if "and that it was rejected" in one.getMessage()]


async def test_what_cannot_be_read_is_left_and_named_and_stops_nothing(printed: Printed, caplog: Any) -> None:
    """Each is there for people, is said once, and is read again once it is written anew."""
    file, other = await printed.print(1, 1)
    printed.say(an_id("nothing").hex(), "a-unknown.json", state="posted")
    printed.say(file, "b-malformed.json", state="burnt by mevrouw De Vries")
    printed.say(file, "c-large.json", state="posted", more="x" * MOST_BYTES)
    printed.say(file, "d name.json", state="posted")
    printed.say(file, "e-letters.json", letters=[{"noticeId": an_id("nobody").hex(), "state": "posted"}])
    (printed.answers / "f-link.json").symlink_to(printed.here / f"{file}.done")
    os.mkfifo(printed.answers / "g-fifo.json")
    printed.say(other, "z.json", state="acknowledged")
    await printed.hear()
    await printed.hear()
    left = printed.left()
    errors = [record for record in caplog.records if "left where it lies" in record.getMessage()]
    printed.say(file, "b-malformed.json", state="rejected")
    await printed.hear()

    assert {"unknown-job": 1, "malformed": 2, "too-large": 1, "name": 1, "link": 1, "no-file": 1} == left
    assert 7 == len(errors)
    assert "Vries" not in " ".join(map(str, (vars(record) for record in errors)))
    assert an_id("nothing").hex() in {getattr(record, "job", "") for record in errors}
    assert {(1, UNPRINTED_STATE): 1, (1, ACCEPTED): 1} == await printed.attempts()
    assert ["z.json"] == [path.name for path in (printed.here / "answered").iterdir() if path.name == "z.json"]


async def test_a_link_under_another_name_is_not_read(folder: Printed) -> None:
    """Whoever may put a file into the folder could have us read one of ours by it."""
    (file,) = await folder.print(1)
    secret = folder.here / "secret"
    secret.write_bytes(json.dumps({"job": file, "state": "rejected"}).encode())
    folder.answers.mkdir()
    os.link(secret, folder.answers / "hard.json")
    await folder.hear()

    assert ({"link": 1}, {(1, ACCEPTED): 1}) == (folder.left(), await folder.attempts())


async def test_an_answer_that_is_faster_than_our_own_note_waits_for_it(folder: Printed) -> None:
    """We died between the mark and the outcome: the print house answers meanwhile, and nothing is lost."""
    notices = some_notices(2)
    await folder.bench.seal(notices, [a_payload()] * 2)
    await folder.bench.take(notices)
    await folder.bench.die_in(folder.provider, after=True)
    (mark,) = folder.here.glob("*.done")
    folder.say(mark.stem, state="rejected")
    await folder.hear()
    before, left = await folder.attempts(), folder.left()
    await folder.bench.send(folder.provider)
    await folder.hear(folder.listener())

    assert ({(1, AttemptState.INTENT): 2}, {"not-done": 1}) == (before, left)
    assert {(1, UNPRINTED_STATE): 2} == await folder.attempts()


async def test_a_process_that_dies_before_it_put_an_answer_away_kept_it_once(folder: Printed, monkeypatch: Any) -> None:
    """The next one reads it again: the same receipts at most, and one count."""
    (file,) = await folder.print(2)
    folder.say(file, state="rejected", at="2026-08-20")

    async def dies(*_: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(folder.provider.answers, "put_away", dies)
        with pytest.raises(OSError, match="gone"):
            await folder.hear()
    await folder.hear(folder.listener())

    assert (2, 2) == (len(await folder.receipts()), await folder.held())
    assert [] == list(folder.answers.iterdir())


async def test_print_files_go_once_the_print_house_has_them(folder: Printed) -> None:
    """After a while, and where people live with them; marks and manifests stay, so nothing is printed twice.

    What is not answered stays too.
    """
    taken, rejected, waiting = await folder.print(1, 1, 1)
    folder.say(taken, state="acknowledged")
    folder.say(rejected, state="rejected")
    await folder.hear()
    await folder.listener(KEEP - timedelta(minutes=1)).clear()
    early = {path.stem for path in folder.here.glob("*.ndjson")}
    await folder.listener(KEEP + timedelta(minutes=1)).clear()
    late = {path.stem for path in folder.here.glob("*.ndjson")}
    manifests = {path.name.partition(".")[0]: path.read_bytes() for path in folder.here.glob("*.manifest.json")}
    placed = {name: [letter["kix"] for letter in orjson.loads(body)["letters"]] for name, body in manifests.items()}

    assert ({taken, rejected, waiting}, {rejected, waiting}) == (early, late)
    assert 3 == len(list(folder.here.glob("*.done"))) == len(placed)
    assert ([""], True, True) == (placed[taken], all(placed[rejected]), all(placed[waiting]))
    assert [] == list((folder.here / "answered").iterdir())


async def test_a_server_that_is_away_is_asked_again(letters: Bench, tmp_path: Path) -> None:
    """What it says meanwhile is heard when it is back."""
    house = House(tmp_path / "house")
    async with house.serve():
        provider = house.printer()
        printed = Printed(letters, provider, house.local, house.inbox)
        (file,) = await printed.print(1)
        await provider.close()
    printed.say(file, state="rejected")
    with pytest.raises(OSError, match="cannot be asked"):
        await printed.hearing.look()
    async with house.serve():
        await printed.hear()
        await provider.close()

    assert {(1, UNPRINTED_STATE): 1} == await printed.attempts()


@pytest.mark.parametrize(("fault", "expected"), [(Fault.REFUSED, UNPRINTED_STATE), (Fault.RECEIPT_DOUBLE, ACCEPTED)])
async def test_the_stand_in_is_understood(folder: Printed, fault: Fault, expected: AttemptState) -> None:
    """A print house that rejects, and one that says everything twice."""
    await folder.print(2)
    house = StandIn(folder.here, ProviderRecords(folder.here / "letter.records"))
    house.faults = Faults(shares={fault: 100.0})
    house.look()
    await folder.hear()

    assert ({(1, expected): 2}, {}) == (await folder.attempts(), folder.left())
