"""Letters: the batch as set, and its files in the print folder."""

import csv
import errno
import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from services.core.incident import CONTENT_BLOCKS
from services.core.notices import FLAG_SECRET_ADDRESS
from services.dispatch.blame import Blame
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.domain import Work
from services.dispatch.outcomes import Ending, Result
from services.rendering.letters.pdf import Typeset, Typesetter
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile_file import USUAL_PROFILE
from tests.unit.dispatch.people import a_contact, an_incident, some_letters, some_work

ACCEPTED = Result(Ending.ACCEPTED)
HOSTILE = [
    "#panic(1)",
    '#read("/etc/passwd")',
    "*bold* _it_ `raw` $x$ @label <label>",
    "\\u{41}",
    "= heading",
    "{name}",
]


def _go() -> bool:
    return True


@pytest.fixture(scope="module")
def typesetter() -> Typesetter:
    """Return a compiler that has read its fonts."""
    return Typesetter()


@pytest.fixture
async def folder(tmp_path: Path) -> PrintFolder:
    """Return a print folder."""
    return PrintFolder(tmp_path)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a switch: while it holds anything, syncing a file says that the disk is full."""
    full: list[bool] = [True]

    def fsync(_: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    return full


def _identities(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _names(folder: Path) -> list[str]:
    return sorted(path.name.split(".", 1)[1] for path in folder.iterdir())


def _batch(work: Work) -> str:
    assert work.round.print_job
    return work.round.print_job.hex()


def test_a_batch_is_the_same_bytes_every_time(typesetter: Typesetter) -> None:
    """A repeat after a crash, by another process, makes the same file."""
    first = typesetter.set(some_letters(3))

    assert first == Typesetter().set(some_letters(3))
    assert first.pdf != typesetter.set(some_letters(4)).pdf


def test_each_letter_begins_on_a_new_sheet(typesetter: Typesetter) -> None:
    """Extents follow each other without a gap, so no page is anybody else's or nobody's."""
    extents = typesetter.set(some_letters(5)).extents
    nexts = [extent.first_page + extent.pages for extent in extents]

    assert [1, *nexts[:-1]] == [extent.first_page for extent in extents]
    assert all(extent.pages % 2 == 0 for extent in extents)


@pytest.mark.parametrize(("paragraphs", "pages"), [(1, 2), (6, 4)])
def test_the_last_sheet_of_a_letter_is_filled(typesetter: Typesetter, paragraphs: int, pages: int) -> None:
    """A letter of one or three pages gets a blank one, so that no two people share a sheet."""
    words = {"nl": "\n\n".join(["Wat er gebeurde, en wat wij doen. " * paragraphs] * paragraphs)}
    incident = an_incident(version=paragraphs, languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, words))
    letters = typesetter.set(some_letters(2, incident=incident))

    assert [(1, pages), (1 + pages, pages)] == letters.extents
    assert f"/Count {2 * pages}".encode() in letters.pdf


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_values_and_never_run(typesetter: Typesetter, name: str) -> None:
    """No name, street or city can do anything but be printed."""
    contact = a_contact(family_name=name, street=name, city=name, care_of=name)

    assert typesetter.set(some_letters(1, contacts=[contact])).pdf.startswith(b"%PDF-")


async def test_a_batch_is_three_files_the_last_saying_done(folder: PrintFolder, tmp_path: Path) -> None:
    """The manifest names every letter and the hash of the file that holds them."""
    work = some_work(2)
    work.round.print_run = "20260820-0-normal-1"
    handed = await folder.hand_over(work, _go)
    body = (tmp_path / f"{_batch(work)}.manifest.json").read_bytes()
    about, notices = json.loads(body), work.round.notices
    mark = json.loads((tmp_path / f"{_batch(work)}.done").read_bytes())

    assert [ACCEPTED] * 2 == handed.results
    assert (2, 4, 2, bytes.fromhex(about["sha256"])) == handed.printed
    assert {
        "job": "20260820-0-normal-1",
        "manifestSha256": hashlib.sha256(body).hexdigest(),
        **{name: about[name] for name in ("sha256", "pages", "sheets")},
        "letters": 2,
    } == mark
    assert ["done", "manifest.json", "pdf"] == _names(tmp_path)
    assert {
        "batchId": _batch(work),
        "incidentId": "lab-2026",
        "createdAt": "2026-08-20T09:30:00.000+00:00",
        "job": "20260820-0-normal-1",
        "profile": "nl-dl-left",
        "plex": "duplex",
        "colour": "rgb",
        "handling": "normal",
        "pages": 4,
        "sheets": 2,
        "sha256": hashlib.sha256((tmp_path / f"{_batch(work)}.pdf").read_bytes()).hexdigest(),
        "letters": [
            {
                "noticeId": notices.ids[row].hex(),
                "attempt": 1,
                "reference": work.references[row],
                "revision": 1,
                "firstPage": 1 + 2 * row,
                "pages": 2,
                "firstSheet": 1 + row,
                "sheets": 1,
                "kix": "2583XL103XC",
                "country": "NL",
                "postage": "standard",
            }
            for row in range(2)
        ],
    } == about


async def test_a_file_of_secret_addresses_says_so(folder: PrintFolder, tmp_path: Path) -> None:
    """The print house can see who may handle it, and which letters go abroad."""
    contacts = [a_contact(), a_contact(country="be")]
    work = some_work(2, contacts=contacts, flags=[FLAG_SECRET_ADDRESS] * 2)
    await folder.hand_over(work, _go)
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())

    assert "secret" == about["handling"]
    assert [("NL", "standard"), ("BE", "international")] == [
        (one["country"], one["postage"]) for one in about["letters"]
    ]


async def test_letters_lie_in_the_order_that_the_print_house_asks_for(tmp_path: Path) -> None:
    """By postcode and number, abroad last; each result is still its own person's."""
    numbers = ["10", "9", "1", "2"]
    contacts = [a_contact(house_number=number, postcode="1234AB") for number in numbers]
    contacts[2] = a_contact(country="BE", house_number="1", postcode="1000")
    contacts[3] = a_contact(postcode="1011AA", family_name="𐎠")
    profile = replace(USUAL_PROFILE, file=USUAL_PROFILE.file._replace(order="postcode", manifest=("json", "csv")))
    work = some_work(4, contacts=contacts)
    handed = await PrintFolder(tmp_path, profile=profile).hand_over(work, _go)
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())
    table = list(csv.DictReader((tmp_path / f"{_batch(work)}.manifest.csv").read_text().splitlines()))

    assert [ACCEPTED] * 3 == handed.results[:3]
    assert Result(Ending.REFUSED, "unprintable:familyName") == handed.results[3]
    assert [work.references[row] for row in (1, 0, 2)] == [letter["reference"] for letter in about["letters"]]
    assert [{name: str(value) for name, value in letter.items()} for letter in about["letters"]] == table


async def test_a_print_house_may_take_one_letter_a_file(tmp_path: Path) -> None:
    """Then no batch is larger, and a file that weighs too much is not handed over."""
    rules = USUAL_PROFILE.file._replace(letters=1, most_bytes=1000)
    folder = PrintFolder(tmp_path, profile=replace(USUAL_PROFILE, file=rules))
    handed = await folder.hand_over(some_work(1), _go)

    assert 1 == folder.traits.batch_size
    assert ([Result(Ending.HELD, "unmade", Blame.CONTENT)], []) == (handed.results, _names(tmp_path))


async def test_a_finished_batch_stands(folder: PrintFolder, tmp_path: Path) -> None:
    """What the print house may have fetched is not touched again."""
    work = some_work(1)
    await folder.hand_over(work, _go)
    before = _identities(tmp_path)
    work.round.repeated = True
    handed = await folder.hand_over(work, _go)

    assert [ACCEPTED] == handed.results
    assert before == _identities(tmp_path)


@pytest.mark.parametrize("lost", [("done",), ("done", "manifest.json"), ("done", "manifest.json", "pdf")])
async def test_an_unfinished_batch_is_finished_with_the_same_bytes(
    folder: PrintFolder, tmp_path: Path, lost: tuple[str, ...]
) -> None:
    """Wherever a crash cut the writing off, the repeat ends with the files of an uninterrupted run."""
    work = some_work(2)
    await folder.hand_over(work, _go)
    whole = _contents(tmp_path)
    for suffix in lost:
        (tmp_path / f"{_batch(work)}.{suffix}").unlink()
    (tmp_path / f".{_batch(work)}.pdf.12345").write_bytes(b"half")
    work.round.repeated = True
    await folder.hand_over(work, _go)

    assert whole == _contents(tmp_path)


async def test_an_unfinished_file_of_an_older_template_is_replaced(folder: PrintFolder, tmp_path: Path) -> None:
    """The manifest names the hash of what really lies there."""
    work = some_work(1)
    (tmp_path / f"{_batch(work)}.pdf").write_bytes(b"as an older version set it")
    await folder.hand_over(work, _go)
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())

    assert hashlib.sha256((tmp_path / f"{_batch(work)}.pdf").read_bytes()).hexdigest() == about["sha256"]


async def test_a_full_disk_leaves_nothing_to_be_seen_and_the_batch_open(
    folder: PrintFolder, tmp_path: Path, full_disk: list[bool]
) -> None:
    """No half-written file is ever there, and the batch goes on when there is room."""
    work = some_work(2)
    handed = await folder.hand_over(work, _go)
    seen = _names(tmp_path)
    full_disk.clear()
    again = await folder.hand_over(work, _go)

    assert ([Result(Ending.REPEAT)] * 2, []) == (handed.results, seen)
    assert handed.outage is not None
    assert [ACCEPTED] * 2 == again.results


class Shifted(Typesetter):
    """A typesetter whose pages lie one further than it says, as a blank sheet too many would make them."""

    def set(self, job: PrintJob) -> Typeset:
        """Set the letters, and say where they do not lie."""
        pdf, extents = super().set(job)
        return Typeset(pdf, [*extents[1:], extents[0]])


async def test_letters_that_are_not_on_their_pages_are_not_handed_over(folder: PrintFolder, tmp_path: Path) -> None:
    """Else people get others' letters: everything stays open, and the channel pauses."""
    folder._typesetter = Shifted()
    handed = await folder.hand_over(some_work(2), _go)

    assert ([Result(Ending.HELD, "read-back", Blame.PROVIDER)] * 2, []) == (handed.results, _names(tmp_path))
    assert handed.printed is None


@pytest.mark.parametrize("letter_format", ["pdf", "ndjson"])
async def test_what_the_disk_did_not_keep_is_not_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter_format: str
) -> None:
    """A file is read again before it gets its name."""
    work, synced = some_work(2), os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        synced(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", fsync)
        handed = await PrintFolder(tmp_path, letter_format).hand_over(work, _go)
    seen = _names(tmp_path)
    again = await PrintFolder(tmp_path, letter_format).hand_over(work, _go)

    assert ([Result(Ending.HELD, "read-back", Blame.PROVIDER)] * 2, []) == (handed.results, seen)
    assert [ACCEPTED] * 2 == again.results


@pytest.mark.parametrize("mark", [b"", b"{}", b"\xff", b"0" * 64])
async def test_a_mark_that_cannot_be_read_keeps_everybody_waiting(
    folder: PrintFolder, tmp_path: Path, mark: bytes
) -> None:
    """Somebody may have printed the file: a human looks before anything is printed again."""
    work = some_work(1)
    (tmp_path / f"{_batch(work)}.done").write_bytes(mark)
    handed = await folder.hand_over(work, _go)

    assert ([Result(Ending.HELD, "read-back", Blame.PROVIDER)], ["done"]) == (handed.results, _names(tmp_path))


async def test_whoever_has_no_address_is_refused_alone(folder: PrintFolder, tmp_path: Path) -> None:
    """One bad address keeps nobody else from their letter."""
    work = some_work(2, contacts=[a_contact(city=""), a_contact()])
    handed = await folder.hand_over(work, _go)
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())

    assert [Result(Ending.REFUSED, "no-address"), ACCEPTED] == handed.results
    assert [work.round.notices.ids[1].hex()] == [letter["noticeId"] for letter in about["letters"]]


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        ({"family_name": "𐎠"}, "familyName"),
        ({"salutation": "Beste 𐎠"}, "salutation"),
        ({"addressee": "𐎠"}, "addressee"),
        ({"address_lines": "Postbus 1|𐎠"}, "addressLines"),
    ],
)
async def test_whoever_cannot_be_printed_is_refused_alone(
    folder: PrintFolder, tmp_path: Path, contact: dict[str, str], field: str
) -> None:
    """Signs without a glyph would be boxes: the source hears which field has them."""
    work = some_work(2, contacts=[a_contact(**contact), a_contact()])
    handed = await folder.hand_over(work, _go)
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())

    assert [Result(Ending.REFUSED, f"unprintable:{field}"), ACCEPTED] == handed.results
    assert [work.round.notices.ids[1].hex()] == [letter["noticeId"] for letter in about["letters"]]


async def test_nothing_is_written_once_the_hand_over_may_not_begin(folder: PrintFolder, tmp_path: Path) -> None:
    """A process that may have been replaced puts nothing in the folder."""
    handed = await folder.hand_over(some_work(1), lambda: False)

    assert ([Result(Ending.NOT_SENT)], []) == (handed.results, _names(tmp_path))


def _plant(folder: Path, suffix: str) -> None:
    """Put a link in the place of one of a job's files; without the one that says that the job is done."""
    (name,) = {path.name.partition(".")[0] for path in folder.iterdir()}
    planted, elsewhere = folder / f"{name}{suffix}", folder.parent / f"elsewhere{suffix}"
    planted.rename(elsewhere)
    planted.symlink_to(elsewhere)
    if suffix != ".done":
        (folder / f"{name}.done").unlink()


def _kinds(folder: Path) -> list[str]:
    return sorted(stat.filemode(path.lstat().st_mode) for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".done", ".pdf", ".manifest.json"])
async def test_no_link_takes_the_place_of_a_letter(folder: PrintFolder, tmp_path: Path, suffix: str) -> None:
    """Whoever can write to a shared folder can neither have a job taken for done nor exchange its letters later."""
    work = some_work(2)
    await folder.hand_over(work, _go)
    _plant(tmp_path, suffix)
    await folder.hand_over(work, _go)

    assert ["-rw-------"] * 3 == _kinds(tmp_path)


async def test_a_folder_that_is_swapped_gets_no_letters(tmp_path: Path) -> None:
    """Whoever can rename a folder of a shared tree has none of a job's files written where they can read them."""
    shared, theirs = tmp_path / "shared", tmp_path / "theirs"
    for path in (shared / "print", theirs / "print"):
        path.mkdir(parents=True)
    asked = 0

    def go() -> bool:
        """Let the hand-over begin; before its files get their names the folder above is another one."""
        nonlocal asked
        asked += 1
        if asked == 2:
            shared.rename(tmp_path / "aside")
            shared.symlink_to(theirs)
        return True

    handed = await PrintFolder(shared / "print").hand_over(some_work(2), go)

    assert [Ending.ACCEPTED] * 2 == [one.ending for one in handed.results]
    assert 3 == len(list((tmp_path / "aside" / "print").iterdir()))
    assert [] == list((theirs / "print").iterdir())
