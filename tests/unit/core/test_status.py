"""An attempt moves only along the table."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.status import TRANSITIONS, AttemptState, can_become


def test_every_state_has_its_row() -> None:
    """No state is forgotten in the table."""
    assert set(AttemptState) == set(TRANSITIONS)


@given(st.sampled_from(AttemptState), st.sampled_from(AttemptState))
def test_what_a_provider_accepted_or_refused_stays_so(state: AttemptState, following: AttemptState) -> None:
    """An end is an end, but for what came back, was not printed or read; nothing is handed over without an intent."""
    back = {AttemptState.BOUNCED, AttemptState.RETURNED}
    if state in {AttemptState.ACCEPTED, AttemptState.REFUSED, *back}:
        after = {*back, AttemptState.UNPRINTED, AttemptState.UNREAD}
        assert can_become(state, following) == (state is AttemptState.ACCEPTED and following in after)
    if following == AttemptState.ACCEPTED:
        assert can_become(state, following) == (state in {AttemptState.INTENT, AttemptState.UNKNOWN})
