"""A print file is read again before anybody may print it."""

import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from services.core.incident import CONTENT_BLOCKS
from services.rendering.letters.data import as_lines
from services.rendering.letters.manifest import Content
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile_file import SUPPLIED, named_profile
from services.rendering.letters.read_back import ReadBackError, agree
from tests.unit.dispatch.people import a_contact, an_incident, some_letters


@pytest.fixture(scope="module")
def typesetter() -> Typesetter:
    """Return a compiler that has read its fonts."""
    return Typesetter()


def _content(typesetter: Typesetter, job: PrintJob) -> Content:
    pdf, extents = typesetter.set(job)
    first_pages, pages = zip(*extents, strict=True)
    return Content(".pdf", pdf, first_pages, pages)


def _read(body: bytes, job: PrintJob, content: Content) -> None:
    agree(body, job, replace(content, body=body), sha256(body).hexdigest())


@pytest.mark.parametrize("name", SUPPLIED)
def test_what_was_set_agrees(name: str) -> None:
    """In each layout, language and kind, long or short, for names with all sorts of signs."""
    contacts = [
        a_contact(),
        a_contact(family_name="(Berg) \\ [x]TJ", street="Łódź'straße ffi fl", country="DE"),
        a_contact(family_name="Παππά-Київський"),
    ]
    job = some_letters(3, contacts=contacts, languages=["nl", "en", "nl"], supersedes=[b"", b"x" * 16, b""])
    content = _content(Typesetter(named_profile(name)), job)

    _read(content.body, job, content)


def test_long_letters_and_blank_pages_agree(typesetter: Typesetter) -> None:
    """A letter of three pages has a blank one that nothing is to stand on."""
    words = {"nl": "\n\n".join(["Wat er gebeurde, en wat wij doen. " * 6] * 6)}
    incident = an_incident(languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, words))
    job = some_letters(2, incident=incident)
    content = _content(typesetter, job)

    assert (4, 4) == content.pages
    _read(content.body, job, content)


def _kids(pdf: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Return a PDF with other pages, of as many bytes."""
    found = re.search(rb"/Kids\[([^]]*)\]", pdf)
    assert found
    kids = b" ".join(change(re.findall(rb"\d+ 0 R", found[1]))).ljust(len(found[1]))
    return pdf[: found.start(1)] + kids + pdf[found.end(1) :]


@pytest.mark.parametrize(
    "change",
    [
        lambda kids: [kids[2], *kids[1:]],
        lambda kids: [*kids[2:], *kids[:2]],
        lambda kids: [kids[0], *kids[2:], kids[1]],
        lambda kids: kids[:-1],
        lambda kids: kids[:0],
    ],
    ids=["somebody else's page", "another order", "shifted by one", "a page less", "none"],
)  # fmt: skip
def test_pages_in_another_place_do_not_agree(typesetter: Typesetter, change: Any) -> None:
    """One off, and people would get others' letters."""
    job = some_letters(3)
    content = _content(typesetter, job)
    with pytest.raises(ReadBackError):
        _read(_kids(content.body, change), job, content)


def test_a_letter_of_somebody_else_does_not_agree(typesetter: Typesetter) -> None:
    """The manifest would name another one."""
    job = some_letters(3)
    content = _content(typesetter, job)
    other = replace(job, references=[job.references[1], job.references[0], job.references[2]])
    with pytest.raises(ReadBackError, match="a letter is not on its page"):
        _read(content.body, other, content)


@pytest.mark.parametrize("column", ["addresses", "kix", "greetings", "earlier", "words"])
def test_what_is_somebody_elses_on_a_page_does_not_agree(typesetter: Typesetter, column: str) -> None:
    """The reference alone says nothing of the envelope in which a letter goes."""
    contacts = [a_contact(), a_contact(family_name="Jansen", house_number="7", house_letter="")]
    job = some_letters(2, contacts=contacts, languages=["nl", "en"], supersedes=[b"", b"x" * 16])
    content = _content(typesetter, job)
    columns: dict[str, Any] = {column: [*reversed(getattr(job, column))]}

    _read(content.body, job, content)
    with pytest.raises(ReadBackError, match="a letter is not on its page"):
        _read(content.body, replace(job, **columns), content)


def test_own_lines_that_typst_set_are_read_too(typesetter: Typesetter) -> None:
    """Who is not plain lies beside the others; another's lines in their place do not agree."""
    contacts = [a_contact(family_name=name) for name in ("Be\u0301rg", "Berg", "Ho\u0308f")]
    job = some_letters(3, contacts=contacts)
    content = _content(typesetter, job)
    other = content.body.replace(b"/O0 Do", b"/O- Do").replace(b"/O1 Do", b"/O0 Do").replace(b"/O- Do", b"/O1 Do")

    assert 1 == content.body.count(b"/O0 Do") == content.body.count(b"/O1 Do")
    _read(content.body, job, content)
    with pytest.raises(ReadBackError, match="a letter is not on its page"):
        _read(other, job, content)


@pytest.mark.parametrize("at", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_does_not_agree(typesetter: Typesetter, at: float) -> None:
    """Whatever the disk kept of it, it is known by its digest, and by what is in it."""
    job = some_letters(2)
    content = _content(typesetter, job)
    cut = content.body[: int(at * len(content.body))]
    with pytest.raises(ReadBackError):
        _read(cut, job, content)
    with pytest.raises(ReadBackError, match="not what was written"):
        agree(cut, job, content, sha256(content.body).hexdigest())


def test_a_stream_that_was_damaged_does_not_agree(typesetter: Typesetter) -> None:
    """Not every wrong bit can be unpacked."""
    job = some_letters(1)
    content = _content(typesetter, job)
    body = bytearray(content.body)
    streams = [found.end() for found in re.finditer(rb"stream\n", content.body)]
    for at in streams:
        body[at + 2 : at + 6] = b"\xff\xff\xff\xff"
    with pytest.raises(ReadBackError, match="cannot be read"):
        _read(bytes(body), job, content)


def test_letters_as_data_are_read_again() -> None:
    """Each is on its line."""
    job = some_letters(3, languages=["nl", "en", "nl"])
    body, first = as_lines(job)
    content = Content(".ndjson", body, range(first, first + 3), [1] * 3)
    _read(body, job, content)
    lines = body.splitlines()
    for other in ([*lines[:-2], lines[-1], lines[-2]], lines[:-1], [*lines, lines[-1]]):
        with pytest.raises(ReadBackError):
            _read(b"\n".join(other), job, content)
