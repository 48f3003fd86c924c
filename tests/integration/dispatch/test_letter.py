"""Letters end to end: table, vault, print folder, and what crashes leave."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.core.channel import Channel
from services.core.cohort import Cohort
from services.core.notices import FLAG_SECRET_ADDRESS
from services.core.status import AttemptState
from services.dispatch.breaker import Breaker, BreakerPolicy
from services.dispatch.channels.letter import PrintFolder
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.channels.test_letter import Shifted
from tests.unit.dispatch.people import DOCUMENT, an_incident, some_notices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a print folder."""
    path = tmp_path / "print"
    path.mkdir()
    return path


async def _queue(bench: Bench, count: int, flags: Sequence[int] = ()) -> list[bytes]:
    notices = some_notices(count, flags=flags or [0] * count)
    await bench.seal(notices, [a_payload(houseNumber=str(at + 1)) for at in range(count)])
    await bench.take(notices)
    return sorted(notices.ids)


def _printed(folder: Path) -> list[str]:
    """Return the notices of all finished batches, each as often as it is there."""
    finished = [path.with_suffix(".manifest.json") for path in folder.glob("*.done")]
    return sorted(letter["noticeId"] for path in finished for letter in json.loads(path.read_bytes())["letters"])


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_everybody_gets_one_letter(letters: Bench, folder: Path) -> None:
    """Each queued attempt is one letter of one finished batch, and one accepted outcome."""
    ids = await _queue(letters, 12)
    await letters.send(PrintFolder(folder))

    assert [notice.hex() for notice in ids] == _printed(folder)
    assert {AttemptState.ACCEPTED: ids} == await letters.attempted()


async def test_secret_addresses_have_batches_of_their_own(letters: Bench, folder: Path) -> None:
    """Who handles secret addresses can be kept small."""
    ids = await _queue(letters, 4, flags=[0, FLAG_SECRET_ADDRESS, 0, FLAG_SECRET_ADDRESS])
    await letters.send(PrintFolder(folder, "ndjson"))
    about = [json.loads(body) for name, body in _files(folder).items() if name.endswith(".manifest.json")]
    found = sorted(sorted(letter["noticeId"] for letter in one["letters"]) for one in about)

    assert sorted([[ids[0].hex(), ids[2].hex()], [ids[1].hex(), ids[3].hex()]]) == found


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("letter_format", ["pdf", "ndjson"])
async def test_a_crash_between_intent_and_outcome_ends_with_the_same_batch(
    letters: Bench, folder: Path, letter_format: str, *, after: bool
) -> None:
    """Whoever owns the partition next sets the same batch, from its stored members and date, to the byte."""
    ids = await _queue(letters, 5)
    await letters.die_in(PrintFolder(folder, letter_format), after=after)
    before = _files(folder)
    await letters.send(PrintFolder(folder, letter_format))

    assert [notice.hex() for notice in ids] == _printed(folder)
    assert 3 == len(_files(folder))
    assert before.items() <= _files(folder).items()
    assert {AttemptState.ACCEPTED: ids} == await letters.attempted()


@pytest.mark.parametrize("lost", [(".done",), (".done", ".manifest.json"), (".done", ".manifest.json", ".pdf")])
async def test_a_crash_while_the_files_get_their_names_ends_with_the_same_files(
    letters: Bench, folder: Path, lost: tuple[str, ...]
) -> None:
    """However far the batch had come, it is finished as if nothing had happened, and nothing is written twice."""
    await _queue(letters, 3)
    await letters.die_in(PrintFolder(folder), after=True)
    whole = _files(folder)
    for name in whole:
        if name.endswith(lost):
            os.unlink(folder / name)  # noqa: PTH108 - the crash, not work of an event loop
    await letters.send(PrintFolder(folder))

    assert whole == _files(folder)


async def test_a_folder_that_is_away_costs_nothing_but_time(letters: Bench, folder: Path) -> None:
    """While the folder cannot be written to the batch stays open, and goes on when it can."""
    ids = await _queue(letters, 3)
    away = folder.with_name("away")
    os.rename(folder, away)  # noqa: PTH104 - the fault, not work of an event loop

    async def tried() -> bool:
        return letters.count("repeat") >= 3.0

    printer = PrintFolder(folder)
    await letters.send(printer, until=tried)
    waiting = await letters.states()
    os.rename(away, folder)  # noqa: PTH104
    await letters.send(printer)

    assert {AttemptState.INTENT: 3} == waiting
    assert [notice.hex() for notice in ids] == _printed(folder)


async def test_files_that_do_not_hold_their_letters_keep_everybody_waiting(letters: Bench, folder: Path) -> None:
    """Nobody is told by them, nor blamed for them; each gets one letter once the files are right."""
    letters.breaker = Breaker(BreakerPolicy(first_probe=0.05))
    ids = await _queue(letters, 3)
    wrong = PrintFolder(folder)
    wrong._typesetter = Shifted()

    async def paused() -> bool:
        return letters.paused("provider") == 1.0

    await letters.send(wrong, until=paused)
    waiting = (await letters.states(), _files(folder), await letters.pool.fetchval("select count(*) from print_files"))
    await letters.send(PrintFolder(folder))

    assert ({AttemptState.TAKEN: 3}, {}, 0) == waiting
    assert [notice.hex() for notice in ids] == _printed(folder)
    assert {AttemptState.ACCEPTED: ids} == await letters.attempted()


async def test_whoever_has_no_address_goes_back_to_routing(letters: Bench, folder: Path) -> None:
    """A letter that would not arrive is not sent; its person is tried on the next channel."""
    notices = some_notices(2)
    await letters.seal(notices, [a_payload(city=""), a_payload()])
    await letters.take(notices)
    await letters.send(PrintFolder(folder, "ndjson"))
    ((reason, ids, tried),) = await letters.refused()

    assert ("no-address", notices.ids[0], bytes([Channel.LETTER])) == (reason, ids, tried)
    assert [notices.ids[1].hex()] == _printed(folder)


async def test_a_cohort_reads_the_words_of_its_group(letters: Bench, folder: Path) -> None:
    """One incident tells each group what happened to it; whoever is in none reads the general words."""
    own = {"nl": "Uw gegevens zijn gestolen bij de kliniek", "en": "Your data was stolen at the clinic"}
    letters.incident = an_incident(variants=[{"when": {"group": "clinic"}, "title": own}])
    groups = {"wave-1": "", "wave-2": "clinic"}
    for name, group in groups.items():
        of_it = ("lab-2026", name, 1, "lab", 1)
        letters.incidents.put(Cohort(*of_it, auto_release=True, sealed=False, released=False, group=group))
    cohorts = ["wave-1", "wave-2"]
    notices = some_notices(2, letters.incident, cohorts=cohorts, carriers=[(name,) for name in cohorts])
    await letters.seal(notices, [a_payload(), a_payload()])
    await letters.take(notices)
    await letters.send(PrintFolder(folder, "ndjson"))
    (lines,) = [body for name, body in _files(folder).items() if name.endswith(".ndjson")]
    read = [json.loads(line) for line in lines.splitlines()]
    subjects = {line["wordingId"]: line["wording"]["subject"] for line in read if "wording" in line}

    assert [DOCUMENT["title"], own["nl"]] == [subjects[line["wordingId"]] for line in read if "noticeId" in line]


async def test_words_that_cannot_be_set_stop_their_incident(letters: Bench, folder: Path) -> None:
    """Of a document that was taken before such were refused: nobody is blamed, and nobody else waits."""
    letters.incident = an_incident(controller=DOCUMENT["controller"] | {"name": "Stichting " * 40})
    await _queue(letters, 2)

    async def stopped() -> bool:
        return letters.paused("content") == 1.0

    await letters.send(PrintFolder(folder), until=stopped)

    assert ({AttemptState.TAKEN: 2}, {}) == (await letters.states(), _files(folder))
