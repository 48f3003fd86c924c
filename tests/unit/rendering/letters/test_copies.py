"""A copy for a screen says and shows what was printed, and has tags for those who have it read out to them."""

from typing import Any

import pypdfium2
import pytest
from pypdf import PdfReader

from services.rendering.letters.copies import Copies
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.profile_file import SUPPLIED, named_profile
from tests.unit.dispatch.people import DOCUMENT, a_contact, some_letters

LANGUAGES = ["nl", "en"]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[PdfReader]:
    """Return a Dutch copy, and an English one of a supplement."""
    folder = tmp_path_factory.mktemp("copies")
    job = some_letters(2, languages=LANGUAGES, supersedes=[b"", b"x" * 16])
    for at, body in enumerate(Copies().of(job)):
        (folder / f"{at}.pdf").write_bytes(body)
    return [PdfReader(folder / f"{at}.pdf") for at in range(2)]


def _lines(page: pypdfium2.PdfPage) -> list[str]:
    """Return the words of a page, wherever they stand: on paper somebody's own come first."""
    return sorted(page.get_textpage().get_text_range().split())


@pytest.mark.parametrize("name", SUPPLIED)
def test_a_copy_says_what_was_printed(name: str) -> None:
    """The same words on the same pages, also for whoever is not stamped."""
    profile = named_profile(name)
    contacts = [a_contact(), a_contact(family_name="Be\u0301rg-Київський")]
    job = some_letters(2, contacts=contacts, languages=LANGUAGES, supersedes=[b"", b"x" * 16])
    printed, extents = Typesetter(profile).set(job)
    pages = pypdfium2.PdfDocument(printed)
    for (first, _), body in zip(extents, Copies(profile).of(job), strict=True):
        copy = pypdfium2.PdfDocument(body)
        for at, page in enumerate(copy):
            assert _lines(pages[first - 1 + at]) == _lines(page)


def test_a_copy_has_title_and_language(copies: list[PdfReader]) -> None:
    """A reader says the title instead of a file's name, and knows in which language to speak."""
    roots: list[Any] = [found.trailer["/Root"] for found in copies]
    titles = [found.metadata.title if found.metadata else None for found in copies]

    assert LANGUAGES == [root["/Lang"] for root in roots]
    assert DOCUMENT["title"] == titles[0]
    assert str(titles[1]).startswith("Supplement")
    assert all(root["/ViewerPreferences"]["/DisplayDocTitle"] for root in roots)


def test_a_copy_has_its_headings(copies: list[PdfReader]) -> None:
    """Who listens can go from one to the next: the subject, and a question over each part."""
    for found in copies:
        top: list[Any] = found.outline
        subject, below = top
        assert "laboratorium" in subject.title or "data breach" in subject.title
        assert len(below) >= 5
