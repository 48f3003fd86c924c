"""Who may do what is one table, which the README shows."""

import re
from pathlib import Path

import pytest

from services.core.access import PERMITTED, RECORDED, Act, Principal, Role

README = Path(__file__).parents[3] / "README.md"
LAB = Principal("lab", frozenset({Role.SOURCE}), frozenset({"Lab B.V."}))


def test_every_act_is_for_somebody() -> None:
    """An act without a row could be done by nobody, and one recorded must be an act."""
    assert set(Act) == set(PERMITTED)
    assert all(PERMITTED.values())
    assert set(Act) > RECORDED


def test_every_role_is_good_for_something() -> None:
    """A role that permits nothing would be a promise."""
    assert set(Role) == {role for roles in PERMITTED.values() for role in roles}


@pytest.mark.parametrize("act", [Act.COHORT_RELEASED, Act.AUTO_RELEASE_SET, Act.INCIDENT_PUT])
def test_no_source_lets_a_notice_go(act: Act) -> None:
    """What lets notices go, or says what they say, is an operator's."""
    assert frozenset({Role.OPERATOR}) == PERMITTED[act]


def test_a_source_may_do_its_acts_to_its_own() -> None:
    """The role source permits nothing of another source, and another role beside it is not narrowed by it."""
    both = Principal("both", frozenset({Role.SOURCE, Role.OPERATOR}), frozenset({"Lab B.V."}))
    asked = [None, "Lab B.V.", "LUMC"]

    assert [True, True, False] == [LAB.may(Act.COHORT_SEALED, source) for source in asked]
    assert [True, True, True] == [both.may(Act.COHORT_SEALED, source) for source in asked]
    assert [False, False, False] == [LAB.may(Act.COHORT_RELEASED, source) for source in asked]


def test_the_readme_shows_the_table() -> None:
    """Roles and what each may do, as the code has it."""
    _, _, section = README.read_text(encoding="utf-8").partition("\n## Who may do what\n")
    rows = re.findall(r"^\| `([\w-]+)` \| .*? \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    shown = {role: set(re.findall(r"`([\w-]+)`", acts)) for role, acts in rows}

    assert {role.value: {act.value for act in Act if role in PERMITTED[act]} for role in Role} == shown
