"""The page says what is known in the reader's language, holds no script, and trusts nothing that was typed."""

import itertools

import pytest

from services.tracking.domain import Verdict
from services.tracking.verification.page import LANGUAGES, STYLE, language_of, render
from tests.unit.tracking.test_page import Outline

REFERENCE = "7K2M-9QXR-4TBN-W3HC"
ALL = list(itertools.product(LANGUAGES, [None, *Verdict]))


@pytest.mark.parametrize(("language", "verdict"), ALL)
def test_every_answer_is_a_whole_page(language: str, verdict: Verdict | None) -> None:
    """It is well formed, says its language, has one heading, and leads to the other languages."""
    page = Outline(render(language, verdict, REFERENCE))

    assert ("html", "lang", language) in page.attributes
    assert 1 == page.tags.count("h1")
    assert {f"?lang={one}" for one in LANGUAGES} - {f"?lang={language}"} == {
        value for tag, name, value in page.attributes if (tag, name) == ("a", "href")
    }
    assert not [text for text in page.text if "{" in text and text != STYLE]


@pytest.mark.parametrize(("language", "verdict"), ALL)
def test_nothing_is_loaded_and_nothing_runs(language: str, verdict: Verdict | None) -> None:
    """No script, no picture, no address but its own."""
    page = Outline(render(language, verdict, REFERENCE))

    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert {f"/verify?lang={language}"} == {value for _, name, value in page.attributes if name == "action"}


def test_a_slip_is_told_at_its_field() -> None:
    """Who cannot see the page hears what is wrong with the field, and gets back what was typed, to mend it."""
    page = render("nl", Verdict.MISTYPED, '7K2M-9QXR"><script>')
    outline = Outline(page)

    assert ("input", "aria-describedby", "answer hint") in outline.attributes
    assert ("input", "value", '7K2M-9QXR"><script>') in outline.attributes
    assert "script" not in outline.tags
    assert "<title>Fout: " in page


def test_what_was_verified_is_repeated() -> None:
    """Readers see which reference an answer is about, and the field is empty for the next one."""
    for verdict in (Verdict.GENUINE, Verdict.UNKNOWN):
        outline = Outline(render("en", verdict, REFERENCE))
        assert any(REFERENCE in text for text in outline.text[2:])
        assert ("input", "value", "") in outline.attributes


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "nl"),
        ("en", "nl", "en"),
        ("", "en-GB,en;q=0.9,nl;q=0.8", "en"),
        ("", "de, nl;q=0.5, en;q=0.7", "en"),
        ("pl", "pl;q=x, *", "nl"),
    ],
)
def test_the_language_is_the_readers(asked: str, accepted: str, language: str) -> None:
    """What is asked for, else what the browser accepts first, else Dutch."""
    assert language == language_of(asked, accepted)
