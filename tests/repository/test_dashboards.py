"""Dashboards as any Grafana shows them: any data source, any scrape interval, a page of help at what may look bad."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana import dashboards

FOLDER = Path(__file__).parents[2] / "deploy"
PAGES = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
RUNBOOKS = {path.stem for path in (FOLDER / "prometheus" / "runbooks").iterdir()}
_RANGE = re.compile(r"\[([^\]]+)\]")
_SELECTOR = re.compile(r"\{([^}]*)\}")
# Series of rules have no process; what fires is not a figure of a process either.
_OF_RULES = re.compile(r"(?:heraut:[a-z_:]+|ALERTS)\{[^}]*\}")


def _page(path: Path) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return page


def _panels() -> Iterator[Any]:
    for path in PAGES:
        for panel in _page(path)["panels"]:
            yield pytest.param(panel, id=f"{path.stem}: {panel['title']}")


def test_dashboards_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed is what the code builds."""
    monkeypatch.setattr("sys.argv", ["dashboards.py", "--check"])

    assert 0 == dashboards.main()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_asks_for_its_source_its_room_and_its_process(path: Path) -> None:
    """It can be imported anywhere, and is changed in its code alone."""
    page = _page(path)
    names = [one["name"] for one in page["templating"]["list"]]

    assert ["datasource", "job", "instance"] == names[:3]
    assert page["editable"] is False
    assert len({panel["title"] for panel in page["panels"]}) == len(page["panels"])


@pytest.mark.parametrize("panel", [*_panels()])
def test_a_panel_says_what_it_shows_of_what_was_chosen(panel: dict[str, Any]) -> None:
    """Its title, what is learned from it, its unit; rates over what the scrape interval allows."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "$datasource"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "$datasource"
        assert target["legendFormat"]
        assert {*_RANGE.findall(target["expr"])} <= {"$__rate_interval"}
        for selector in _SELECTOR.findall(_OF_RULES.sub("", target["expr"])):
            assert 'job=~"$job",instance=~"$instance"' in selector


@pytest.mark.parametrize("panel", [*_panels()])
def test_what_may_look_bad_leads_to_a_page_of_help(panel: dict[str, Any]) -> None:
    """The page is there; a panel that turns red has one, or says by itself what is meant."""
    linked = [link["url"] for link in panel["links"]]

    assert {url.removeprefix("${runbooks}/").removesuffix(".md") for url in linked} <= RUNBOOKS


def test_what_everybody_is_adds_up_to_all() -> None:
    """No disposition is left out of the funnel, and each is a share of the same whole."""
    (panel,) = [one for one in dashboards.war_room()["panels"] if one["title"] == "Where everybody is"]
    (target,) = panel["targets"]
    parts, _, whole = target["expr"].partition(" / ")

    assert parts.removeprefix("sum by (disposition) ") == whole.removeprefix("scalar(sum").removesuffix(")")
