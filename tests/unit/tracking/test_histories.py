"""Where a notice stands follows from the set of what was heard of it: receipts come late or twice, and disagree."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.receipts import FAILED, Consequence, Receipt, ReceiptKind, ReceiptReason
from services.tracking.domain import Deltas, Finding, State
from services.tracking.histories import History, history_of, kept_history, moved

NOTICE, MEMBER = b"n" * 16, b"m" * 16
PORTAL, EMAIL, LETTER = 1, 2, 4
Event = Finding | Receipt


def said(state: State, attempt: int, channel: int, at: int = 0) -> Finding:
    """Return what a room of ours said of an attempt."""
    return Finding(NOTICE, "lab/c", MEMBER, 1, state, attempt, at or attempt, channel)


def receipt(kind: ReceiptKind, attempt: int = 1, channel: int = EMAIL, at: int = 50, reason: int = 0) -> Receipt:
    """Return what somebody outside said of one."""
    return Receipt(NOTICE, channel, attempt, kind, at, reason)


def heard(*events: Event) -> History:
    """Hear events in this order."""
    history = History(NOTICE)
    for event in events:
        more = history_of(event) if isinstance(event, Finding) else History(NOTICE, receipts=frozenset({event}))
        history = history.joined(more)
    return history


states = st.sampled_from([State.UNKNOWN, State.ACCEPTED, State.EXHAUSTED, State.REATTEMPTED, State.UNPRINTABLE])
findings = st.builds(said, states, st.integers(1, 3), st.sampled_from([PORTAL, EMAIL, LETTER]), st.integers(1, 9))
receipts = st.builds(
    receipt,
    st.sampled_from(ReceiptKind),
    st.integers(0, 3),
    st.sampled_from([PORTAL, EMAIL, LETTER]),
    st.integers(0, 10),
    st.sampled_from(ReceiptReason).map(int),
)
events = st.lists(findings | receipts, min_size=1, max_size=8)


@given(events, st.data())
def test_state_figures_and_what_follows_rest_on_the_set_alone(heard_of: list[Event], data: st.DataObject) -> None:
    """In any order and with any repeats the same events come to the same."""
    again = data.draw(st.lists(st.sampled_from(heard_of), max_size=6))
    shuffled = data.draw(st.permutations([*heard_of, *again]))

    one, other = heard(*heard_of), heard(*shuffled)

    assert (one, one.finding) == (other, other.finding)
    assert (one.counters(), one.consequences()) == (other.counters(), other.consequences())


def test_every_order_of_a_course_with_each_event_twice_ends_alike() -> None:
    """All permutations: a mail that was accepted, delivered and bounced, then a letter that came back."""
    course: list[Event] = [
        said(State.ACCEPTED, 1, EMAIL),
        receipt(ReceiptKind.DELIVERED),
        receipt(ReceiptKind.BOUNCED, reason=ReceiptReason.HARD),
        said(State.ACCEPTED, 2, LETTER, 60),
        receipt(ReceiptKind.RETURNED, 0, LETTER, 90, ReceiptReason.MOVED),
        said(State.EXHAUSTED, 2, 0, 91),
    ]

    found = {heard(*order, *order).finding for order in permutations(course)}

    assert {said(State.EXHAUSTED, 2, 0, 91)} == found


@given(events)
def test_counts_move_as_the_history_grows(heard_of: Sequence[Event]) -> None:
    """What was counted step by step is what the whole counts for: a recount agrees at every moment."""
    deltas: Deltas = {}
    history = History(NOTICE)
    for so_far in range(1, len(heard_of) + 1):
        after = heard(*heard_of[:so_far])
        moved(deltas, "0", history.standing(), after.standing())
        history = after
        counted: Counter[str] = sum(deltas["0"].values(), Counter())

        assert history.counters() == +counted
        assert counted["notified"] + counted["exhausted"] + counted["held_unprintable"] <= 1


@pytest.mark.parametrize(
    ("kinds", "holds"),
    [
        ([ReceiptKind.RETURNED, ReceiptKind.BOUNCED, ReceiptKind.READ], State.RETURNED),
        ([ReceiptKind.BOUNCED, ReceiptKind.READ, ReceiptKind.DELIVERED], State.BOUNCED),
        ([ReceiptKind.REFUSED, ReceiptKind.READ], State.REFUSED),
        ([ReceiptKind.READ, ReceiptKind.DELIVERED, ReceiptKind.ACCEPTED], State.ACCEPTED),
        ([ReceiptKind.COMPLAINED], State.ACCEPTED),
        ([ReceiptKind.UNREAD], State.ACCEPTED),
        ([ReceiptKind.POSTED, ReceiptKind.ACKNOWLEDGED], State.ACCEPTED),
    ],
)
def test_of_what_contradicts_the_stronger_holds(kinds: list[ReceiptKind], holds: State) -> None:
    """Returned holds over bounced, bounced over refused, and that over read, whatever came first."""
    told: list[Event] = [receipt(kind, at=at) for at, kind in enumerate(kinds, 10)]
    orders = permutations([*told, said(State.ACCEPTED, 1, EMAIL)])

    assert {holds} == {heard(*order).finding.state for order in orders}


def test_a_mail_that_came_back_is_in_flight_and_the_next_channel_tells() -> None:
    """It is told no more, and neither exhausted; the letter after it is what told, and both were taken."""
    back = heard(said(State.ACCEPTED, 1, EMAIL), receipt(ReceiptKind.BOUNCED, reason=ReceiptReason.SOFT))
    after = back.joined(heard(said(State.ACCEPTED, 2, LETTER, 60)))

    assert {"accepted_email": 1, "bounced": 1} == back.counters()
    assert {Consequence(NOTICE, EMAIL, 1, ReceiptKind.BOUNCED, ReceiptReason.SOFT)} == back.consequences()
    told = {"accepted_email": 1, "bounced": 1, "accepted_letter": 1, "notified": 1, "notices_settled": 1}
    assert told == after.counters()
    assert (State.ACCEPTED, 2, LETTER) == (after.finding.state, after.finding.attempt, after.finding.channel)


def test_what_nobody_could_know_is_settled_by_a_receipt() -> None:
    """An e-mail whose end was unknown told somebody once it was delivered; once it bounced, nobody."""
    unknown = said(State.UNKNOWN, 1, EMAIL)

    delivered, bounced = (heard(unknown, receipt(kind)) for kind in (ReceiptKind.DELIVERED, ReceiptKind.BOUNCED))

    assert {"accepted_email": 1, "notified": 1, "notices_settled": 1} == delivered.counters()
    assert {Consequence(NOTICE, EMAIL, 1, ReceiptKind.ACCEPTED, 0)} == delivered.consequences()
    assert (State.BOUNCED, 1) == (bounced.finding.state, len(bounced.consequences()))
    assert frozenset() == heard(said(State.ACCEPTED, 1, EMAIL), receipt(ReceiptKind.DELIVERED)).consequences()


def test_a_returned_letter_is_that_of_its_time() -> None:
    """A reference names no attempt: what came back before the second letter is about the first."""
    first, second = said(State.ACCEPTED, 1, LETTER, 100), said(State.ACCEPTED, 2, LETTER, 500)
    between = receipt(ReceiptKind.RETURNED, 0, LETTER, 300, ReceiptReason.MOVED)
    later = receipt(ReceiptKind.RETURNED, 0, LETTER, 900, ReceiptReason.NOT_COLLECTED)
    before = receipt(ReceiptKind.RETURNED, 0, LETTER, 50)

    assert {1} == {one.attempt for one in heard(first, second, between).consequences()}
    assert {1, 2} == {one.attempt for one in heard(first, second, between, later).consequences()}
    assert {1} == {one.attempt for one in heard(first, second, before).consequences()}


def test_a_receipt_of_an_attempt_that_is_not_known_waits_for_it() -> None:
    """It counts for nothing and nothing follows from it until its attempt is heard of."""
    early = receipt(ReceiptKind.BOUNCED)

    waiting = heard(early, said(State.ACCEPTED, 2, LETTER))

    assert ({}, frozenset()) == (heard(early).counters(), heard(early).consequences())
    assert ({"accepted_letter", "notified", "notices_settled"}, frozenset()) == (
        set(waiting.counters()),
        waiting.consequences(),
    )
    assert waiting.joined(heard(said(State.ACCEPTED, 1, EMAIL))).consequences()


def test_a_message_that_nobody_read_goes_on_and_stays_told() -> None:
    """It leads to the next channel, unless it was read, which may be heard of first; in the ledger it is told."""
    accepted, unread = said(State.ACCEPTED, 1, PORTAL), receipt(ReceiptKind.UNREAD, channel=PORTAL)
    read = receipt(ReceiptKind.READ, channel=PORTAL)

    assert {ReceiptKind.UNREAD} == {one.kind for one in heard(accepted, unread).consequences()}
    assert {"accepted_portal": 1, "notified": 1, "notices_settled": 1} == heard(accepted, unread).counters()
    assert frozenset() == heard(unread, read, accepted).consequences()


@given(findings)
def test_one_step_alone_comes_to_what_it_would_among_others(finding: Finding) -> None:
    """The short way for what nearly all have gives what the long way gives; a receipt of no attempt makes it long."""
    alone, long = heard(finding), heard(finding, receipt(ReceiptKind.BOUNCED, attempt=99))

    assert (alone.is_simple, long.is_simple) == (True, False)
    assert alone.standing() == long.standing()


@given(events)
def test_nobody_counts_as_told_by_what_came_back(heard_of: list[Event]) -> None:
    """Of the attempt that a notice counts as told by, no receipt says that it failed."""
    history = heard(*heard_of)
    found = history.finding

    if found.state == State.ACCEPTED:
        assert not {one.kind for one in history.handed_over()[found.attempt].receipts} & FAILED


@given(events)
def test_steps_are_kept_beside_a_row_that_does_not_say_them(heard_of: list[Event]) -> None:
    """What is read back from a row, and steps where they are kept, is the history as it was."""
    history = heard(*heard_of)
    standing = history.standing()

    kept = history.steps if standing.needs_steps else ()

    assert history == kept_history(standing.finding, kept, history.receipts)
