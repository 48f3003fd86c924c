"""Names in other scripts, with the faces that `make faces` installs."""

import json
from hashlib import sha256
from pathlib import Path

import pypdfium2
import pytest
import typst

from services.rendering.letters.faces import FOLDER, REGULAR, face
from services.rendering.letters.fitting import MM, fit_envelope
from services.rendering.letters.manifest import Content
from services.rendering.letters.own_face import MORE, faces_in, lacking, own_face
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.read_back import agree
from tests.unit.dispatch.people import a_contact, some_letters

NAMES = [
    "محمد عبد الرحمن", "אברהם כהן", "किरण शर्मा", "Հակոբյան", "ჯავახიშვილი", "ሀይሌ ገብረ", "สมชาย ใจดี", "தமிழ்ச்செல்வன்",
    "রবীন্দ্রনাথ", "ਗੁਰਪ੍ਰੀਤ", "પટેલ", "d'Ancona-محمد",
]  # fmt: skip
LOCK = Path("deploy/letters/faces.json")
installed = pytest.mark.skipif(not MORE.exists(), reason="make faces installs them")


def test_without_more_faces_the_bundled_one_is_all_there_is(tmp_path: Path) -> None:
    """Nothing changes for who installs none: such people are held."""
    found = faces_in(tmp_path / "none")

    assert face(REGULAR).widths == found.widths
    assert ["ع"] == found.missing("ع")
    assert ["\u0591"] == found.missing("a\u0591")


def test_scripts_without_a_face_are_known(tmp_path: Path) -> None:
    """Whoever sets a machine up hears whose letters would be held, before anybody's is."""
    assert {"Arabic", "Chinese", "Korean"} <= set(lacking(faces_in(tmp_path)))


@installed
def test_each_installed_face_is_of_a_script_that_doctor_names() -> None:
    """No face is installed in vain."""
    assert {"Chinese", "Japanese", "Korean"} >= set(lacking())


@installed
@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_another_script_is_printable(name: str) -> None:
    """Each sign has a glyph, and marks have one in the face of what they stand on."""
    assert [] == own_face().missing(name)


@installed
def test_a_mark_on_a_letter_of_another_face_is_not_printable() -> None:
    """Typst would take both from one face, and print a box: an Arabic vowel on a Hebrew letter."""
    assert ["\u064e"] == own_face().missing("ב\u064e")


@installed
def test_letters_in_other_scripts_lie_in_the_file_of_the_others() -> None:
    """Who writes otherwise gets the same letter, read back as any other, with the name in it."""
    contacts = [a_contact(family_name=name, prefix="") for name in (*NAMES, "Berg")]
    job = some_letters(len(contacts), contacts=contacts)
    pdf, extents = Typesetter().set(job)
    first_pages, pages = zip(*extents, strict=True)
    agree(pdf, job, Content(".pdf", pdf, first_pages, pages), sha256(pdf).hexdigest())
    fonts = {one.get_base_name() for page in pypdfium2.PdfDocument(pdf) for one in _fonts(page)}

    assert len(contacts) == len(job.addresses)
    assert all(any(f"NotoSans{script}" in name for name in fonts) for script in ("Arabic", "Hebrew", "Devanagari"))


def _fonts(page: pypdfium2.PdfPage) -> list[pypdfium2.PdfFont]:
    objects = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT], max_depth=3)
    return [one.get_font() for one in objects]


@installed
@pytest.mark.parametrize("name", NAMES)
def test_a_line_in_another_script_is_never_wider_than_it_was_measured(name: str) -> None:
    """Signs that join are narrower than alone: what fits here fits on paper, or is broken, or made smaller."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FOLDER)])
    families = json.dumps(["Source Sans 3", *(one for one in fonts.families() if one != "Source Sans 3")])
    source = f"""#set text(font: ({families[1:-1]}), size: 10pt, fallback: false)
#context [#metadata(measure(text({json.dumps(name, ensure_ascii=False)})).width / 1pt)<width>]"""
    (width,) = json.loads(typst.query(source.encode(), "<width>", field="value", font_paths=fonts))

    assert width <= own_face().width(name, 10.0) + 0.01


@installed
def test_a_long_name_in_another_script_is_broken_in_its_box() -> None:
    """As any other."""
    lines = (" ".join(["عبد الرحمن"] * 20), "Kerkstraat 1", "1234 AB  RIJSWIJK")
    found = fit_envelope((lines, ""))

    assert found is not None
    assert len(found.lines) > 3
    assert all(own_face().width(line, found.size) <= 92 * MM for line in found.lines)


def test_what_is_installed_is_locked() -> None:
    """Each face by its digest: everybody who installs them prints the same."""
    locked = json.loads(LOCK.read_text(encoding="utf-8"))

    assert all(len(digest) == 64 for files in locked.values() for digest in files.values())
    assert all(sha256(path.read_bytes()).hexdigest() in {d for files in locked.values() for d in files.values()}
               for path in MORE.glob("*.tt?"))  # fmt: skip
