"""The ledger's equations hold, whatever was heard first; what cannot be true is said to be so."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.cohort import Cohort
from services.core.ledger import HoldReason
from services.tracking.ledger import NO_HOLDS, CohortLine, Heard, Ledger, Line, Totals, hear, ledger_of

COUNT = st.integers(0, 50)
# Any figures, as when totals of different stages and partitions were read at different times.
# What dispatch counts stands in `unprinted`, as it is no more than what is on the way.
SETTLED = [reason for reason in HoldReason if reason.stage != "dispatch"]
HOLDS = st.fixed_dictionaries(dict.fromkeys(SETTLED, COUNT)).map(lambda counts: {**NO_HOLDS, **counts})
FIGURES = [f.name for f in fields(Heard) if f.name != "holds"]
ANY = st.builds(
    lambda figures, holds: Heard(**figures, holds=holds), st.fixed_dictionaries(dict.fromkeys(FIGURES, COUNT)), HOLDS
)


@st.composite
def truthful(draw: st.DrawFn) -> Heard:
    """Draw figures that can all be true at once."""
    notified, exhausted, flying, unseen, rejected = (draw(COUNT) for _ in range(5))
    merged, suppressed, withdrawn, discarded, holds = draw(COUNT), draw(COUNT), draw(COUNT), draw(COUNT), draw(HOLDS)
    returned = holds[HoldReason.UNPRINTABLE]  # these are released members
    released = notified + exhausted + flying + returned
    accepted = released + merged + suppressed + withdrawn + sum(holds.values()) - returned + unseen + discarded
    return Heard(
        received=accepted + rejected,
        rejected=rejected,
        accepted=accepted,
        released=released,
        notified=notified,
        exhausted=exhausted,
        merged=merged,
        suppressed=suppressed,
        withdrawn=withdrawn,
        discarded=discarded,
        unprinted=draw(st.integers(0, flying)),
        holds=holds,
    )


def a_cohort(cohort_id: str = "c", declared: int | None = None) -> Cohort:
    """Return a cohort of incident `lab`."""
    return Cohort("lab", cohort_id, 1, "urn:source", declared, auto_release=True, sealed=False, released=False)


def holds(line: Line) -> bool:
    """Tell whether the three equations hold and nothing but `missing` is negative."""
    figures = [getattr(line, name) for name in line.__slots__ if name not in {"missing", "holds"}]
    return (
        line.declared == line.missing + line.received
        and line.received == line.rejected + line.accepted
        and line.accepted == sum(line.standing().values())
        and min(*figures, *line.holds.values()) >= 0
    )


@given(truthful(), st.one_of(st.none(), COUNT))
def test_true_figures_are_shown_as_they_are_and_balance(heard: Heard, declared: int | None) -> None:
    """Nothing is lifted where nothing needs to be."""
    ledger = ledger_of("lab", "", [a_cohort(declared=declared)], {"lab/c": heard})

    assert heard.agrees
    assert heard == heard.lifted()
    assert holds(ledger.totals)


@given(ANY)
def test_the_equations_hold_at_every_moment(heard: Heard) -> None:
    """Whatever stage was heard first, a later one's figures imply the earlier one's, and the line balances."""
    heard = replace(heard, received=heard.rejected + heard.accepted)

    lifted = heard.lifted()

    assert lifted.agrees
    assert holds(ledger_of("lab", "", [a_cohort(declared=7)], {"lab/c": heard}).totals)
    assert (heard.notified, heard.exhausted, heard.rejected) == (lifted.notified, lifted.exhausted, lifted.rejected)


@given(truthful(), st.integers(1, 50))
def test_a_release_heard_late_is_taken_from_who_waits_and_invents_nobody(heard: Heard, late: int) -> None:
    """Who was notified before their release was heard of was unseen, held or merged: never one member more."""
    behind = min(late, heard.released)
    holds = {**heard.holds, HoldReason.UNRELEASED: heard.holds[HoldReason.UNRELEASED] + behind}
    early = replace(heard, released=heard.released - behind, holds=holds)

    assert heard.accepted == early.lifted().accepted


@given(truthful(), st.integers(1, 5), st.sampled_from(["notified", "exhausted", "merged", *SETTLED]))
def test_one_too_many_is_found_once_nothing_is_on_the_way(heard: Heard, more: int, where: str | HoldReason) -> None:
    """A count that moved twice for one member cannot be true when all else has come to its end."""
    still = replace(heard, released=heard.notified + heard.exhausted)
    still = replace(still, accepted=still.seen, received=still.seen + still.rejected)
    if isinstance(where, HoldReason):
        wrong = replace(still, holds={**still.holds, where: still.holds[where] + more})
    else:
        wrong = replace(still, **{where: getattr(still, where) + more})

    assert not wrong.agrees


def test_broken_figures_are_shown_as_they_are() -> None:
    """Where figures disagree for good, the line says so and shows the negative term."""
    heard = Heard(received=2, accepted=2, released=2, notified=3)

    ledger = ledger_of("lab", "", [a_cohort()], {"lab/c": heard}, {"lab/c"})

    assert not ledger.balanced
    assert -1 == ledger.cohorts[0].line.in_flight


def test_missing_is_negative_where_more_came_than_declared() -> None:
    """A surplus is shown as what it is, and balances."""
    ledger = ledger_of("lab", "", [a_cohort(declared=1)], {"lab/c": Heard(received=3, accepted=3)})

    assert -2 == ledger.cohorts[0].line.missing
    assert ledger.balanced


def test_who_is_missing_or_rejected_should_be_told_and_was_not() -> None:
    """A cohort of which half is missing is not told whole, whatever became of the rest."""
    heard = Heard(received=500, rejected=60, accepted=440, released=400, merged=30, suppressed=10, notified=400)
    line = ledger_of("lab", "", [a_cohort(declared=1_000)], {"lab/c": heard}).totals

    assert (960, 400 / 960) == (line.to_be_told, line.told)


def test_the_surplus_of_one_cohort_hides_nobody_who_is_missing_in_another() -> None:
    """Whom to tell is added up cohort by cohort: of each, declared or received, whichever is more."""
    heard = {name: Heard(received=8, accepted=8, released=8, notified=8) for name in ("lab/c", "lab/d")}
    ledger = ledger_of("lab", "", [a_cohort("c", declared=4), a_cohort("d", declared=12)], heard)

    assert [(8, 1.0), (12, 8 / 12)] == [(one.line.to_be_told, one.line.told) for one in ledger.cohorts]
    assert (0, 20, 16 / 20) == (ledger.totals.missing, ledger.totals.to_be_told, ledger.totals.told)


def test_nobody_waits_for_what_a_cancelled_cohort_lacks() -> None:
    """It takes nothing more: its missing and rejected records went with it. Who was told by it was told."""
    heard = Heard(received=8, rejected=2, accepted=6, released=2, withdrawn=4, notified=1)
    cancelled = replace(a_cohort("c", declared=20), cancelled=True)
    surplus = replace(a_cohort("d", declared=4), cancelled=True)
    ledger = ledger_of("lab", "", [cancelled, surplus], {"lab/c": heard, "lab/d": heard})

    assert [(12, 2, 0.5), (-4, 2, 0.5)] == [
        (one.line.missing, one.line.to_be_told, one.line.told) for one in ledger.cohorts
    ]
    assert (4, 0.5) == (ledger.totals.to_be_told, ledger.totals.told)
    assert all(holds(one.line) for one in ledger.cohorts)


def test_of_nobody_there_is_no_share() -> None:
    """A cohort of which nothing was declared or came is neither told nor untold."""
    assert (0, None) == (Line().to_be_told, Line().told)


@given(truthful(), st.one_of(st.none(), COUNT))
def test_told_is_a_share_of_everybody_who_is_not_accounted_for_otherwise(heard: Heard, declared: int | None) -> None:
    """Where figures are true it lies between nobody and all, and is all only if nobody is left anywhere."""
    line = ledger_of("lab", "", [a_cohort(declared=declared)], {"lab/c": heard}).totals

    left = line.held + line.in_flight + line.exhausted + line.rejected + max(0, line.missing)
    assert line.to_be_told == line.notified + left
    assert line.told is None or 0 <= line.told <= 1
    assert (line.told == 1) == (left == 0 and line.notified > 0)


def test_a_cohort_that_nothing_came_of_is_missing_whole() -> None:
    """A declared cohort stands in the ledger before its first record."""
    ledger = ledger_of("lab", "", [a_cohort(declared=9)], {})

    assert Line(declared=9, missing=9) == ledger.totals


def test_a_cohort_whose_opening_was_not_heard_of_yet_is_counted() -> None:
    """Nobody is left out because control was late; another incident's cohorts stay out."""
    heard = {"lab/x": Heard(received=1, accepted=1), "lab2/y": Heard(received=5, accepted=5)}

    ledger = ledger_of("lab", "", [], heard)

    assert [CohortLine("x", None, Line(1, 1, accepted=1, in_flight=1), balanced=True, first_at=None)] == [
        *ledger.cohorts
    ]


def test_sources_of_a_stage_are_added_up() -> None:
    """A stage's partitions together are the stage."""
    rows = [
        Totals("intake", "lab/c", {"received": 5, "rejected": 1, "accepted": 4}, 70),
        Totals("deduplication", "lab/c", {"released": 1, "merged": 1, "held_unreachable": 8}, 80),
        Totals("deduplication", "lab/c", {"released": 2}, 81),
        Totals("tracking", "lab/c", {"notified": 1, "exhausted": 1, "notices_settled": 2}, 90),
        Totals("tracking", "lab/c", {"notified": 1}, 91),
    ]

    holds = {**NO_HOLDS, HoldReason.UNREACHABLE: 8}
    expected = Heard(5, 1, 4, released=3, merged=1, notified=2, exhausted=1, holds=holds, first_at=70)
    assert {"lab/c": expected} == hear(rows)


@pytest.mark.parametrize(("balanced", "expected"), [((True, True), True), ((True, False), False), ((), True)])
def test_a_ledger_balances_when_all_its_cohorts_do(balanced: tuple[bool, ...], expected: bool) -> None:  # noqa: FBT001
    """One cohort that does not balance is enough."""
    lines = tuple(CohortLine("c", "", Line(), one, None) for one in balanced)

    assert expected == Ledger("lab", "", lines).balanced
