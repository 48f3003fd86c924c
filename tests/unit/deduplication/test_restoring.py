"""What holds when a database was set back: notices that are made again have the ids that they had."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.channel import ALL_CHANNELS
from services.deduplication.domain import Member
from services.deduplication.dossier import Dossier, decide
from tests.unit.deduplication.builders import an_id, terms
from tests.unit.deduplication.test_properties import free_versions


@settings(max_examples=150, deadline=None)
@given(
    st.lists(free_versions(), min_size=1, max_size=6, unique_by=lambda m: m.member), st.randoms(use_true_random=False)
)
def test_notices_before_and_after_a_restore_have_the_same_ids(versions: list[Member], chance: random.Random) -> None:
    """Everybody is told at one release, or each on arrival: whoever bears a first notice both times bears the same one.

    Of members whose groups are the same both times; what came later may have shown another one to be torn.
    """
    members = [m._replace(accepted_at=at, flags=0, cohort=1, channels=ALL_CHANNELS) for at, m in enumerate(versions)]
    waited = decide(Dossier.unknown(an_id("p"), 0), [[m] for m in members], terms(released=())).dossier
    once = decide(waited, [()], terms()).dossier
    shuffled = chance.sample(members, len(members))
    again = decide(
        decide(Dossier.unknown(an_id("p"), 0), [[m] for m in shuffled], terms(released=())).dossier, [()], terms()
    )
    step_by_step = decide(Dossier.unknown(an_id("p"), 0), [[m] for m in members], terms()).dossier

    assert {c.bearer: c.notice for c in once.claims} == {c.bearer: c.notice for c in again.dossier.claims}
    at_once = {c.bearer: c.notice for c in once.claims}
    assert all(at_once.get(c.bearer, c.notice) == c.notice for c in step_by_step.claims if c.revision == 1)
