"""What a print house asks is data: checked whole, and kept to on paper."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from services.core.incident import CONTENT_BLOCKS
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import Fitted, address_box, fit_envelope
from services.rendering.letters.pdf import Typeset, Typesetter
from services.rendering.letters.print_job import print_job
from services.rendering.letters.profile import Box, Profile
from services.rendering.letters.profile_file import (
    SUPPLIED,
    USUAL_PROFILE,
    InvalidProfile,
    named_profile,
    parse_profile,
)
from services.rendering.proof import problems_of
from services.rendering.samples import LONGEST
from services.rendering.told import UnfitError
from services.rendering.wording.wording import Wordings
from tests.unit.dispatch.people import CREATED, DOCUMENT, a_contact, an_incident, some_work
from tests.unit.rendering.letters.signs import signs_of

FOLDER = Path("services/rendering/letters/profiles")
LONG = {"nl": "\n\n".join(["Wat er gebeurde, en wat wij doen. " * 6] * 6)}
BACK = {
    **DOCUMENT["controller"],
    "address": ["Antonie van Leeuwenhoeklaan 9", "Gebouw U, 3e verdieping", "3720 BA  BILTHOVEN"],
}


def _source(**changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "nl-dl-left.json").read_bytes())
    return read | changes


def _set(profile: Profile, count: int = 1, **of_work: Any) -> Typeset:
    """Return letters as they are set for a print house; whoever does not fit is left out."""
    work = some_work(count, **of_work)
    found = [fit_envelope(one, address_box(profile)) for contact in work.contacts if (one := envelope(contact))]
    fitted = [one for one in found if one]
    letters = work.pick(list(range(len(fitted))))
    return Typesetter(profile).set(print_job("job", letters, fitted, Wordings(on_paper=True), CREATED))


def _fitted(profile: Profile, **changes: str) -> Fitted | None:
    found = envelope(a_contact(**changes))
    assert found
    return fit_envelope(found, address_box(profile))


def _problems(**changes: Any) -> list[str]:
    with pytest.raises(InvalidProfile) as caught:
        parse_profile("x", _source(**changes))
    return [one["field"] for one in caught.value.problems]


@pytest.mark.parametrize("name", SUPPLIED)
def test_every_sign_of_a_letter_stands_where_its_profile_lets_it(name: str) -> None:
    """The address lies in the window and nothing else does; nothing is where the print house puts something itself."""
    profile = named_profile(name)
    incident = an_incident(controller=BACK)
    pdf = _set(profile, incident=incident, revisions=[2], supersedes=[b"x" * 16]).pdf
    signs = [Box(left, top, right - left, bottom - top) for left, top, right, bottom in signs_of(pdf)]
    seen = [sign for sign in signs if sign.overlaps(profile.window)]
    edges = Box(profile.edge, profile.edge, 210 - 2 * profile.edge, 297 - 2 * profile.edge)

    x, y, width, height = profile.address
    shown = Box(x - 0.3, y - 0.3, width + 0.3, height + 0.3)  # signs have rounded parts

    assert len(seen) > 30
    assert all(shown.holds(sign) for sign in seen)
    assert [] == [sign for sign in signs for kept in profile.kept_free if sign.overlaps(kept)]
    assert all(edges.holds(sign) for sign in signs)
    assert [] == problems_of(incident, profile)


def test_an_address_has_to_fit_the_window_of_the_print_house() -> None:
    """What one window shows may be too much for a smaller one: then the person is held, and nothing is cut off."""
    found = envelope(LONGEST)
    assert found
    fitted = {name: fit_envelope(found, address_box(named_profile(name))) is not None for name in SUPPLIED}

    assert {"nl-dl-left": True, "notifynl": True, "pingen": False} == fitted


def test_a_bar_code_is_printed_where_it_is_asked_for() -> None:
    """A print house that reads the address from the window wants nothing but the address in it."""
    fitted = {name: found.kix for name in SUPPLIED if (found := _fitted(named_profile(name)))}

    assert {"nl-dl-left": "2583XL103XC", "notifynl": "", "pingen": ""} == fitted


def test_a_longer_letter_than_the_print_house_takes_is_refused() -> None:
    """Whoever writes the document hears it, and nobody gets half a letter."""
    profile = replace(USUAL_PROFILE, most_sheets=1)
    incident = an_incident(languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, LONG))
    with pytest.raises(UnfitError, match="makes a letter of 3 pages; the print house takes 2"):
        _set(profile, incident=incident)

    assert ["content"] == [one["field"] for one in problems_of(incident, profile)]
    assert [] == problems_of(incident, USUAL_PROFILE)


@pytest.mark.parametrize(
    ("changes", "pages"),
    [
        ({}, [(1, 4), (5, 4)]),
        ({"plex": "simplex"}, [(1, 3), (4, 3)]),
        ({"file": USUAL_PROFILE.file._replace(letters=1)}, [(1, 3), (4, 3)]),
    ],
)
def test_blank_pages_fill_sheets_that_people_would_share(changes: dict[str, Any], pages: list[tuple[int, int]]) -> None:
    """On one side, or alone in a file, nobody shares a sheet."""
    incident = an_incident(languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, LONG))
    found = _set(replace(USUAL_PROFILE, **changes), 2, incident=incident)

    assert pages == found.extents
    assert sum(count for _, count in pages) == len(pypdfium2.PdfDocument(found.pdf))


def test_a_black_letter_has_no_colour() -> None:
    """Each point on paper is grey: one ink is paid for."""
    bitmap = pypdfium2.PdfDocument(_set(replace(USUAL_PROFILE, colour="black")).pdf)[0].render(scale=0.5)
    pixels, wide = bytes(bitmap.buffer), bitmap.n_channels

    assert pixels[0::wide] == pixels[1::wide] == pixels[2::wide]


def test_fold_marks_stand_at_the_edge_alone() -> None:
    """Lines of four millimetres in the left margin, where the machine folds."""
    page = pypdfium2.PdfDocument(_set(replace(USUAL_PROFILE, fold_marks=True)).pdf)[0].render(scale=2)
    pixels, wide = bytes(page.buffer), page.n_channels
    points = [
        (at // page.stride, at % page.stride // wide)
        for at in range(0, len(pixels), wide)
        if pixels[at] != 255 and at % page.stride // wide < page.width // 10
    ]
    places = [(row / page.height * 297, column / page.width * 210) for row, column in points]

    assert {99, 198} == {round(down) for down, _ in places}
    assert all(4.8 <= across <= 9.2 for _, across in places)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"window": None}, ["window"]),
        ({"address": {"x": 25, "y": 50, "width": "92", "height": 43}}, ["address.width"]),
        ({"colour": "sepia", "plex": "both"}, ["colour", "plex"]),
        ({"windows": 1}, ["windows"]),
        ({"mostSheets": 0, "foldMarks": "no"}, ["foldMarks", "mostSheets"]),
        ({"postage": {"domestic": "", "abroad": "x"}}, ["postage.domestic"]),
        ({"file": {"format": "pdf", "letters": 1025, "order": "name", "manifest": ["csv"]}},
         ["file.letters", "file.manifest", "file.order"]),
        ({"keptFree": [{"x": 0, "y": 60, "width": 210, "height": 5}]}, ["address", "sender"]),
        ({"edge": 26}, ["address", "letterhead", "sender", "particulars", "returnAddress"]),
        ({"address": {"x": 24, "y": 50, "width": 92, "height": 43}}, ["address"]),
        ({"address": {"x": 25, "y": 50, "width": 80, "height": 43}}, ["address"]),
        ({"address": {"x": 25, "y": 50, "width": 92, "height": 10}}, ["address"]),
        ({"sender": {"x": 100, "y": 50, "width": 52, "height": 43}}, ["sender", "sender"]),
        ({"particulars": 80}, ["particulars", "particulars", "particulars"]),
        ({"folds": [70]}, ["folds"]),
        ({"sheetMark": {"x": 8, "y": 120, "width": 10, "height": 9}}, ["sheetMark"]),
        ({"sheetMark": {"x": 20, "y": 55, "width": 10, "height": 10}}, ["sheetMark"] * 3),
        ({"sheetMark": {"x": 8, "y": 120, "width": 10, "height": 10}, "mostSheets": 100}, ["mostSheets"]),
        ({"margins": {"left": 40, "right": 40, "top": 25, "bottom": 24}}, ["margins"]),
    ],
)  # fmt: skip
def test_a_profile_is_refused_with_each_fault_and_its_place(changes: dict[str, Any], places: list[str]) -> None:
    """Boxes over each other, in a fold, on the edge or where the print house prints are found before any letter is."""
    assert sorted(places) == sorted(_problems(**changes))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000])
def test_a_file_that_is_no_profile_is_told_so(tmp_path: Path, text: str) -> None:
    """Whatever is in it, a fault of the setting is named."""
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(ValueError, match=r"must be an object|is not JSON"):
        named_profile(str(tmp_path / "own.json"))
    with pytest.raises(ValueError, match="must be one of nl-dl-left, notifynl, pingen, or a file"):
        named_profile(str(tmp_path / "none.json"))


def test_a_profile_of_ones_own_is_a_file(tmp_path: Path) -> None:
    """A print house more is a file more, and no code."""
    (tmp_path / "ours.json").write_text(json.dumps(_source(colour="black")))

    assert replace(USUAL_PROFILE, name="ours", colour="black") == named_profile(str(tmp_path / "ours.json"))
