"""A pause holds whoever it must hold, and its end finds them."""

from dataclasses import replace

from hypothesis import given, settings

from services.core.channel import ALL_CHANNELS
from services.core.policy import Correction
from services.deduplication.domain import Waits
from services.deduplication.dossier import Dossier, decide
from tests.unit.deduplication.builders import a_member, an_id, terms
from tests.unit.deduplication.model import Control
from tests.unit.deduplication.test_properties import EVENTS, Event, happen, under


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_whoever_a_pause_holds_is_found_at_its_end(events: list[Event]) -> None:
    """The end of a pause finds everybody that it may set free, and finds nobody twice."""
    dossier = Dossier.unknown(an_id("p"), 0)
    control = Control(ALL_CHANNELS, frozenset({1, 2, 3}), paused=frozenset({1, 2}))
    for event in events:
        control = event if isinstance(event, Control) else control
        dossier = happen(dossier, event, control).dossier
        for cohort in control.paused:
            would = decide(dossier, [()], under(control._replace(paused=control.paused - {cohort})))

            assert not would.released or cohort in _waiting_for_an_end(dossier)
            assert cohort not in _waiting_for_an_end(would.dossier)


def _waiting_for_an_end(dossier: Dossier) -> set[int]:
    """Return the cohorts whose pause somebody waits for."""
    return {dossier.members[m].cohort for m, s in dossier.standings.items() if s.waits == Waits.PAUSE}


def test_a_correction_waits_for_the_end_of_a_pause() -> None:
    """It says what the members of a paused cohort say: it goes out once that may be told, whatever limits there are."""
    told = decide(Dossier.unknown(an_id("p"), 0), [[a_member("a", exposed=3)]], terms()).dossier
    told = told._replace(claims=[claim._replace(course=2) for claim in told.claims])  # its hand-over began
    wanted = replace(terms(released=()), correction=Correction.ALWAYS, limited={1})
    paused = decide(told, [[a_member("a", version=2, exposed=1)]], replace(wanted, paused={1}))
    freed = decide(paused.dossier, [()], wanted)

    assert ([], Waits.PAUSE) == (paused.released, paused.dossier.standings[an_id("a")].waits)
    assert [(1, None)] == [(one.exposed, one.rests_on) for one in freed.released]
