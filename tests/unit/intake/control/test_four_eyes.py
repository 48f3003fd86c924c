"""What takes two principals, and what one alone may do: a document that only stops."""

from dataclasses import replace
from typing import Any

import pytest

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.control.four_eyes import (
    AskedChange,
    check_approver,
    check_nobody_comes,
    check_only_asker,
    only_stops,
    read_approval,
)
from services.intake.errors import ConflictError, NotPermittedError
from services.wire.incident_document import parse_incident
from tests.unit.wire.test_incident_document import document

LIMITED = {"pace": {"perDay": 10, "perChannel": {"letter": 5}, "callCentre": {"callsPerDay": 10}}}


def _incident(version: int = 1, **changed: Any) -> Incident:
    return parse_incident("lab", version, document(**{"compromisedChannels": [], **changed}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({}, {"fourEyes": True}),
        ({}, {"compromisedChannels": ["email"]}),
        ({}, {"channels": ["portal", "letter"]}),
        ({"compromisedChannels": ["email"]}, {"channels": ["portal", "letter"]}),
        ({}, {"policy": LIMITED}),
        ({"policy": {"pace": {"perDay": 10}}}, {"policy": {"pace": {"perDay": 9}}}),
        ({"policy": {"pace": {"perDay": 500}}}, {"policy": {"pace": {"callCentre": {"callsPerDay": 10}}}}),
        ({}, {"policy": {"stop": {"complaints": 0.001}}}),
    ],
)
def test_a_document_that_only_stops_is_known(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Channels are closed, limits and shares are lowered, four eyes are opened; the version makes no difference."""
    assert only_stops(_incident(**before), _incident(2, **after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"title": {"nl": "Ander", "en": "Other"}}),
        ({"compromisedChannels": ["email"]}, {}),
        ({"channels": ["portal", "letter"]}, {"channels": ["portal", "email", "letter"]}),
        ({}, {"channels": ["letter", "email", "portal"]}),
        ({"policy": LIMITED}, {}),
        ({"policy": LIMITED}, {"policy": {"pace": LIMITED["pace"] | {"perChannel": {"letter": 6}}}}),
        ({"policy": LIMITED}, {"policy": {"pace": LIMITED["pace"] | {"perChannel": {"email": 1}}}}),
        ({"policy": {"pace": {"perDay": 10}}}, {"policy": {"pace": {"callCentre": {"callsPerDay": 10}}}}),
        ({}, {"policy": {"stop": {"complaints": 0.5}}}),
        ({}, {"policy": {"correction": "always"}}),
        ({}, {"policy": {"minors": {"underAge": 12}}}),
        ({}, {"policy": {"cascade": []}}),
    ],
)
def test_a_document_that_does_more_takes_two(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever is not a stop may tell somebody what nobody else has looked at, beside a stop as well."""
    assert not only_stops(_incident(**before), _incident(**after))
    assert not only_stops(_incident(**before), _incident(**{**after, "fourEyes": True}))


def test_what_one_asked_for_is_approved_by_another() -> None:
    """By name, and nobody replaces what another one asked for while it waits."""
    check_approver("anna", "bert", "change")
    check_only_asker("anna", "anna", "change")
    check_only_asker(None, "bert", "change")
    with pytest.raises(NotPermittedError, match="whoever asked for a change does not approve it"):
        check_approver("anna", "anna", "change")
    with pytest.raises(ConflictError, match="somebody else asked for another change"):
        check_only_asker("anna", "bert", "change")


@pytest.mark.parametrize(("approved_by", "version", "waits"), [(None, 3, True), (None, 4, False), ("bert", 3, False)])
def test_a_change_waits_until_it_is_approved_or_the_document_is_another(
    approved_by: str | None,
    version: int,
    waits: bool,  # noqa: FBT001 - a row of a table
) -> None:
    """It was asked for on top of one version, and holds for no other."""
    change = AskedChange(1, 3, b"{}", reissue=False, asked_by="anna", approved_by=approved_by)

    assert waits == change.waits(version)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"auto_release": True, "sealed": True}, "autoRelease"),
        ({"released": True}, "seal first"),
        ({"released": True, "sealed": True}, None),
        ({"released": True, "cancelled": True}, None),
        ({}, None),
    ],
)
def test_nobody_comes_to_what_is_released_where_it_takes_two(state: dict[str, Any], problem: str | None) -> None:
    """What goes by itself, and what is released and open, is named."""
    cohort = Cohort("lab", "wave-1", 1, "lab", None, auto_release=False, sealed=False, released=False)
    cohort = replace(cohort, **state)
    if problem is None:
        check_nobody_comes([cohort])
        return
    with pytest.raises(ConflictError, match=f"{problem}.*wave-1"):
        check_nobody_comes([cohort])


@pytest.mark.parametrize("body", [None, {}, {"number": 0}, {"number": "1"}, {"number": True}, {"number": 2**31}, []])
def test_an_approval_names_a_number(body: Any) -> None:
    """What was read is named, or nothing is approved."""
    assert ["number"] == [problem["field"] for problem in read_approval(body)[1]]


def test_an_approval_has_no_other_field() -> None:
    """A slip is not taken for a yes."""
    assert (3, [{"field": "all", "problem": "is not a field of an approval"}]) == read_approval(
        {"number": 3, "all": True}
    )
