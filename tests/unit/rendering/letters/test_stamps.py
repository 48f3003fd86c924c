"""What is stamped on a letter looks and reads as if typst had set it."""

from itertools import starmap
from typing import Any

import pypdfium2
import pytest
import uharfbuzz
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.rendering.contact import Contact
from services.rendering.letters.faces import FOLDER, REGULAR
from services.rendering.letters.fitting import MM
from services.rendering.letters.glyphs import NotPlainError, glyphs
from services.rendering.letters.kix import ASCENDER, DESCENDER, FULL, SIGNS, TRACKER, bars
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.profile_file import SUPPLIED, named_profile
from tests.unit.dispatch.people import a_contact, some_letters

_LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2 + "ff ft fft AV To"
_MARKED = "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßÀÉÖŁłŃńŐőŒœŘřŞşŠšŢţŤťŪūŽžĲĳ'`-.,/()&\\"
_ABROAD = "ẾềệốựĐđ"
_DECOMPOSED = "e\u0301n\u0303"  # typst sets them
NOT_PLAIN = [_DECOMPOSED, "\u00a0", "\u2011", "王", "علي", "a\u0308", "µ", "\u200d", "Đặ\u0323", "Київ", "Παππά"]
NAMES = st.text(_LATIN + _MARKED, min_size=1, max_size=24).filter(str.strip)
PEOPLE = st.builds(
    a_contact,
    initials=st.sampled_from(["J.A.", "", "Æ.Ø.", "P.V.T."]),
    prefix=st.sampled_from(["van den", "d'", ""]),
    family_name=NAMES | st.sampled_from(["Київський-Παππά", "Nguyễn"]),
    street=NAMES, house_number=st.sampled_from(["1", "77", "12345"]), house_letter=st.sampled_from(["", "f"]),
    city=NAMES, care_of=st.sampled_from(["", "Stichting Bewindvoering Noord-Oost", "Hoff & Zn."]),
)  # fmt: skip
_STATES = {(True, True): FULL, (True, False): ASCENDER, (False, True): DESCENDER, (False, False): TRACKER}
_FINE = 0.01  # points: a three-hundredth of a millimetre
_DARKER = 48  # of 255: what the eye sees beside the same thing


@pytest.fixture(scope="module")
def both_ways() -> tuple[Typesetter, Typesetter]:
    """Return who stamps, and who leaves everything to typst."""
    return Typesetter(), Typesetter(stamped=False)


def _texts(pdf: bytes) -> list[str]:
    return [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf)]


def _places(pdf: bytes) -> list[float]:
    """Return where each sign lies on its page, as the edges of its box, in points."""
    texts: list[Any] = [page.get_textpage() for page in pypdfium2.PdfDocument(pdf)]
    return [edge for text in texts for sign in range(text.count_chars()) for edge in text.get_charbox(sign)]


def _pictures(pdf: bytes) -> list[bytes]:
    pages = pypdfium2.PdfDocument(pdf)
    rendered: list[Any] = [page.render(scale=1.5, grayscale=True) for page in pages]
    return [bytes(bitmap.buffer) for bitmap in rendered]


def _differs(one: bytes, other: bytes) -> int:
    """Return how many points of a picture are seen to differ."""
    if one == other:
        return 0
    return sum(abs(mine - theirs) > _DARKER for mine, theirs in zip(one, other, strict=True))


@given(text=st.text(_LATIN + _MARKED + _ABROAD, min_size=1, max_size=40))
def test_a_line_of_pairs_is_shaped_as_a_whole(text: str) -> None:
    """HarfBuzz gives the same glyphs in the same places for the whole line, or the line is not plain."""
    plain, _ = glyphs()
    face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FOLDER / REGULAR)))
    found, at = [], 0
    shown = plain.shown(text)
    font, buffer = uharfbuzz.Font(face), uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.direction, buffer.script = "ltr", "Latn"
    uharfbuzz.shape(font, buffer)
    for part in shown.strip("<>").split(">"):
        moved, _, digits = part.rpartition("<")
        at -= int(moved or 0)
        for place in range(0, len(digits), 4):
            glyph = int(digits[place : place + 4], 16)
            found.append((glyph, at))
            at += font.get_glyph_h_advance(glyph)
    expected, at = [], 0
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        expected.append((info.codepoint, at))
        at += place.x_advance

    assert expected == found


@pytest.mark.parametrize(
    "text", [_DECOMPOSED, "\u00a0", "\u2011", "王", "علي", "a\u0308", "µ", "\u200d", "Đặ\u0323", "Київ", "Παππά"]
)
def test_what_is_not_plain_is_left_to_typst(text: str) -> None:
    """Marks, joins, other directions, and signs that look as another one: the text would not be read back."""
    plain, _ = glyphs()
    with pytest.raises(NotPlainError):
        plain.shown(f"J. {text} Berg")


@given(texts=st.lists(st.text(_LATIN + _MARKED + _ABROAD, max_size=20) | st.sampled_from([*NOT_PLAIN, "\n", "a\nb"])))
def test_many_lines_at_once_are_as_each_alone(texts: list[str]) -> None:
    """Nobody's line comes to stand in another's place, whatever signs others have."""
    plain, _ = glyphs()

    assert [line for text in texts for line in plain.shown_all([text])] == plain.shown_all(texts)
    assert all(
        bool(line) == (text not in [*NOT_PLAIN, "\n", "a\nb"])
        for text, line in zip(texts, plain.shown_all(texts), strict=True)
    )


@given(people=st.lists(PEOPLE, min_size=4, max_size=4))
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_a_stamped_letter_reads_and_looks_as_a_set_one(
    both_ways: tuple[Typesetter, Typesetter], people: list[Contact]
) -> None:
    """The same text is taken out of both, and each sign of it lies in the same place, far finer than the eye sees.

    Pictures are compared where people are always the same ones: a renderer rounds each sign to a whole point, so that
    a hundredth of a point can move one by one.
    """
    job = some_letters(4, contacts=people, languages=["nl", "en", "nl", "en"], supersedes=[b"", b"", b"x" * 16, b""])
    stamped, left = (one.set(job).pdf for one in both_ways)

    assert _texts(left) == _texts(stamped)
    assert pytest.approx(_places(left), abs=_FINE) == _places(stamped)


@pytest.mark.parametrize("name", SUPPLIED)
def test_every_profile_has_the_same_places(name: str) -> None:
    """What typst and the stamp take from a print profile is the same, in each of its colours."""
    profile = named_profile(name)
    job = some_letters(2, supersedes=[b"", b"x" * 16])
    stamped, left = Typesetter(profile).set(job).pdf, Typesetter(profile, stamped=False).set(job).pdf

    assert _texts(left) == _texts(stamped)
    assert 0 == max(starmap(_differs, zip(_pictures(left), _pictures(stamped), strict=True)))


def test_whoever_is_not_plain_lies_in_the_same_file(both_ways: tuple[Typesetter, Typesetter]) -> None:
    """Their neighbours are stamped, and each stands on their own pages."""
    names = ["Berg", f"Be{_DECOMPOSED}", "Hoff", f"{_DECOMPOSED}sen"]
    job = some_letters(4, contacts=[a_contact(family_name=name) for name in names])
    found = both_ways[0].set(job)
    texts = _texts(found.pdf)

    assert [name[:2] in texts[extent.first_page - 1] for name, extent in zip(names, found.extents, strict=True)]
    assert 2 == found.pdf.count(b"/O0 ") + found.pdf.count(b"/O1 ") - 2
    assert all(reference in texts[2 * at] for at, reference in enumerate(job.references))


@pytest.mark.parametrize("addition", ["", "c", "bis III"])
def test_a_bar_code_is_read_from_the_printed_sheet(both_ways: tuple[Typesetter, Typesetter], addition: str) -> None:
    """As a sorting machine sees it: at 300 dots to the inch, each bar where it is full, high, low or short."""
    contact = a_contact(house_number="77", house_letter="", house_number_addition=addition)
    job = some_letters(1, contacts=[contact])
    bitmap: Any = pypdfium2.PdfDocument(both_ways[0].set(job).pdf)[0].render(scale=300 / 72, grayscale=True)
    pixels, stride = bytes(bitmap.buffer), bitmap.stride
    low_line = 50 + (0.66 + 2 * 1.16 + 2.3) * 11 / MM  # the upper edge of the code, in mm

    def row(mm: float) -> list[bool]:
        begin = round((low_line + mm) * 300 / 25.4) * stride
        return [shade < 128 for shade in pixels[begin : begin + bitmap.width]]

    middle, high, low = row(2.5), row(1.0), row(4.0)
    begins = [at for at in range(1, 1300) if middle[at] and not middle[at - 1]]
    bars_seen = [_STATES[any(high[at : at + 4]), any(low[at : at + 4])] for at in begins]
    signs = {tuple(bars(sign)): sign for sign in SIGNS}

    assert job.kix[0] == "".join(signs[tuple(bars_seen[at : at + 4])] for at in range(0, len(bars_seen), 4))


def test_a_letter_weighs_little() -> None:
    """Three kilobytes each in a full file, and a font of its own signs alone."""
    typesetter = Typesetter()

    assert len(typesetter.set(some_letters(256)).pdf) < 256 * 3000
    assert len(typesetter.set(some_letters(1)).pdf) < 32_000
