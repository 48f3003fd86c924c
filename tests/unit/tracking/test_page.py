"""The page says what the ledger says, holds no script and nothing from elsewhere, and trusts no name."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from services.core.ledger import Disposition, HoldReason
from services.tracking import page as the_page
from services.tracking.ledger import NO_HOLDS, CohortLine, Ledger, Line
from services.tracking.page import render

STYLE = Path(the_page.__file__).with_name("page.css").read_text(encoding="utf-8")
AT = datetime(2025, 9, 1, 12, 0, tzinfo=UTC)
LINE = Line(
    declared=12_000, received=11_000, missing=1_000, rejected=7, accepted=10_993, notified=9_000, merged=1_500,
    suppressed=13, in_flight=10, exhausted=0,
    holds={**NO_HOLDS, HoldReason.UNRELEASED: 400, HoldReason.UNREACHABLE: 70},
)  # fmt: skip
VOID = {"meta", "rect", "link", "img", "br", "input"}


class Outline(HTMLParser):
    """Notes a page's tags, their attributes and its text; fails where tags do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes at once."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Check that it closes the last one opened."""
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append(data)


def a_ledger(*lines: CohortLine, title: str = "A breach", incident_id: str = "lab") -> Ledger:
    """Return a ledger of these cohorts."""
    return Ledger(incident_id, title, lines)


def a_line(
    cohort_id: str = "c", *, line: Line = LINE, source: str | None = "Hospital", balanced: bool = True
) -> CohortLine:
    """Return a cohort's line."""
    return CohortLine(cohort_id, source, line, balanced, None)


def test_every_figure_of_a_cohort_is_on_the_page() -> None:
    """What the ledger counts is shown, with its reasons, and whether it balances in a word and not by colour alone."""
    text = Outline(render([a_ledger(a_line())], AT, refresh=True)).text

    for shown in ("12,000", "1,000", "11,000", "7", "10,993", "9,000", "1,500", "13", "470", "10", "0"):
        assert shown in text
    assert {"400 not released", "70 unreachable", "✓ yes", "Hospital", "A breach"} <= set(text)


def test_every_place_and_every_reason_to_hold_has_its_words() -> None:
    """Nobody stands where the page has no figure, no meaning or no colour for."""
    line = Line(
        **{d.name.lower(): 2 for d in Disposition if d is not Disposition.HELD}, holds=dict.fromkeys(HoldReason, 3)
    )
    page = render([a_ledger(a_line(line=line))], AT, refresh=True)

    outline = Outline(page)
    assert {f"3 {reason.value}" for reason in HoldReason} <= set(outline.text)
    drawn = {value for tag, name, value in outline.attributes if tag == "rect" and name == "class"}
    coloured = set(re.findall(r"\.([a-z-]+) \{ fill:", STYLE))
    places = {disposition.name.lower().replace("_", "-") for disposition in Disposition}
    assert places == drawn & coloured
    assert {place.replace("-", " ").capitalize() for place in places} <= set(outline.text)


def test_conflicts_are_shown_where_there_are_any() -> None:
    """People whose identity is somebody else's too are a figure of their own, wherever they stand."""
    none, some = (
        Outline(render([a_ledger(a_line(line=replace(LINE, conflicting=count)))], AT, refresh=True)).text
        for count in (0, 123)
    )

    assert ("whose identity is somebody else's too" in none, "123" in some) == (False, True)


def test_a_name_is_never_markup() -> None:
    """A title or a source that is written like HTML is shown as it is written."""
    page = render([a_ledger(a_line(source='"><script>x'), title="<b>& co")], AT, refresh=True)

    outline = Outline(page)
    assert {'"><script>x', "<b>& co"} <= set(outline.text)
    assert not {"b", "script"} & set(outline.tags)


def test_the_page_fetches_nothing_and_carries_no_style_of_its_own_elements() -> None:
    """No script, image, link to a file or inline style: the content policy allows none."""
    outline = Outline(render([a_ledger(a_line())], AT, refresh=True))

    assert not {"script", "img", "link", "iframe", "object"} & set(outline.tags)
    assert [] == [name for _, name, _ in outline.attributes if name in {"style", "src"} or name.startswith("on")]
    assert {"?refresh=off"} == {value for tag, name, value in outline.attributes if name == "href"}


def test_the_page_can_stand_still() -> None:
    """Who reads slowly can stop the page from renewing itself (WCAG 2.2.1)."""
    assert "http-equiv" in render([], AT, refresh=True)
    assert "http-equiv" not in render([], AT, refresh=False)


def test_a_cohort_that_does_not_balance_says_so_and_the_sum_too() -> None:
    """A cohort that is out of balance is not drowned by those that are in it."""
    page = render([a_ledger(a_line(), a_line("d", balanced=False))], AT, refresh=True)

    assert (1, 2) == (page.count("✓ yes"), page.count("✗ no"))


def test_surplus_and_negative_figures_are_readable() -> None:
    """More than declared is named as such, with a proper minus sign."""
    text = Outline(render([a_ledger(a_line(line=Line(declared=1, received=3, missing=-2)))], AT, refresh=True)).text

    assert {"surplus", "\N{MINUS SIGN}2"} <= set(text)


def test_told_is_a_share_of_those_who_should_be_missing_and_rejected_included() -> None:
    """A cohort of which half is missing and a tenth is rejected is not told whole, whatever became of the rest."""
    line = Line(declared=1_000, received=500, missing=500, rejected=100, accepted=400, notified=360, merged=40)
    text = Outline(render([a_ledger(a_line(line=line))], AT, refresh=True)).text

    assert ("37%", "told, of 960 who should be") == (text[text.index("37%")], text[text.index("37%") - 1])


def test_told_is_not_a_hundred_percent_while_one_is_left() -> None:
    """Shares are rounded down, and nobody told is not shown as somebody."""
    nearly = Line(declared=10_000, received=10_000, accepted=10_000, notified=9_999, in_flight=1)
    nobody = Line(declared=1, received=1, accepted=1, in_flight=1)

    assert "99%" in Outline(render([a_ledger(a_line(line=nearly))], AT, refresh=True)).text
    assert "0%" in Outline(render([a_ledger(a_line(line=nobody))], AT, refresh=True)).text
