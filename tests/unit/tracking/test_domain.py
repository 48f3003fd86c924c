"""A notice's row and the counts are functions of the set of events: order, repeats and batches change nothing."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import CHANNEL_NAMES, Channel
from services.tracking.domain import Deltas, Finding, Outcomes, State, Superseded, come_twice
from services.tracking.histories import History, history_of, moved

NOTICES = [bytes([n]) * 16 for n in range(3)]
# What never differs between events of one notice: its bearer, so its cohort, and its revision.
BEARERS = {notice: (f"lab/c{n % 2}", b"m" + notice[1:], n + 1) for n, notice in enumerate(NOTICES)}


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """Draw what an event says of a notice."""
    notice = draw(st.sampled_from(NOTICES))
    scope, member, revision = BEARERS[notice]
    at = draw(st.integers(0, 3))
    if draw(st.booleans()):
        return next(iter(Superseded("0", at, [scope], [notice], [draw(st.integers(1, 4))]).findings()))
    state = draw(
        st.sampled_from([State.UNKNOWN, State.EXHAUSTED, State.ACCEPTED, State.REATTEMPTED, State.UNPRINTABLE])
    )
    attempt, channel = draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 2, 4]))
    return Finding(notice, scope, member, revision, state, attempt, at, channel)


def _heard(events: Sequence[Finding]) -> tuple[dict[bytes, Finding], dict[str, Counter[str]]]:
    """Hear events one by one, as rows and counts are kept."""
    histories: dict[bytes, History] = {}
    deltas: Deltas = {}
    for event in events:
        before, heard = histories.get(event.notice), history_of(event)
        after = before.joined(heard) if before else heard
        moved(deltas, "0", before.standing() if before else None, after.standing())
        histories[event.notice] = after
    rows = {notice: history.finding for notice, history in histories.items()}
    return rows, {scope: +counts for scope, counts in deltas.get("0", {}).items() if +counts}


@given(findings(), findings(), findings())
def test_joining_knows_no_order(a: Finding, b: Finding, c: Finding) -> None:
    """Joining is commutative, associative and idempotent."""
    one, other, third = (history_of(event._replace(notice=a.notice)) for event in (a, b, c))

    assert one.joined(other) == other.joined(one)
    assert one.joined(other).joined(third) == one.joined(other.joined(third))
    assert one.joined(one) == one


@given(st.data())
def test_any_order_and_any_repeat_give_the_same_rows_and_counts(data: st.DataObject) -> None:
    """Whatever the log does with order and repeats, the same events come to the same."""
    events = data.draw(st.lists(findings(), max_size=8))
    again = data.draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    shuffled = data.draw(st.permutations([*events, *again]))

    assert _heard(events) == _heard(shuffled)


@given(st.lists(findings(), max_size=10))
def test_a_notice_is_counted_by_its_final_state_and_once(events: list[Finding]) -> None:
    """Counts are what a recount of the rows would give."""
    rows, counts = _heard(events)
    taken = {
        (event.notice, event.attempt): event
        for event in sorted(events, key=lambda one: (-one.at, -one.channel))
        if event.state == State.ACCEPTED
    }

    recounted: dict[str, Counter[str]] = {}
    for one in taken.values():
        name = f"accepted_{CHANNEL_NAMES[Channel(one.channel)]}" if one.channel else ""
        recounted.setdefault(one.scope, Counter())[name] += 1
    for row in rows.values():
        mine = recounted.setdefault(row.scope, Counter())
        mine["notices_settled"] += row.state in {State.EXHAUSTED, State.ACCEPTED}
        mine["notified"] += row.state == State.ACCEPTED and row.counted
        mine["exhausted"] += row.state == State.EXHAUSTED and row.counted
        mine["held_unprintable"] += row.state == State.UNPRINTABLE and row.counted
    for mine in recounted.values():
        del mine[""]
    assert {scope: +counter for scope, counter in recounted.items() if +counter} == counts


@given(st.lists(findings(), min_size=1, max_size=6))
def test_accepted_wins_and_the_last_supersession_holds(events: list[Finding]) -> None:
    """Accepted holds over everything; what stands again counts again, until the next time."""
    for notice, row in _heard(events)[0].items():
        mine = [event for event in events if event.notice == notice]
        assert any(event.state == State.ACCEPTED for event in mine) == (row.state == State.ACCEPTED)
        assert (max(event.mark for event in mine) in {0, 2, 4}) == row.counted


def _course(ends: Sequence[State]) -> list[Finding]:
    """Return what is heard of a notice, one attempt after the other: how each ended, and that it was made again."""
    scope, member, revision = BEARERS[NOTICES[0]]
    heard = []
    for attempt, state in enumerate(ends, 1):
        began = [] if attempt == 1 else [State.REATTEMPTED]
        heard += [
            Finding(NOTICES[0], scope, member, revision, one, attempt, attempt, 4)
            for one in (*began, *((State.UNKNOWN, state) if state == State.EXHAUSTED else (state,)))
        ]
    return heard


ENDS = st.lists(st.just(State.EXHAUSTED), max_size=3).flatmap(
    lambda given_up: st.sampled_from([State.UNKNOWN, State.EXHAUSTED, State.ACCEPTED]).map(
        lambda last: [*given_up, last]
    )
)


@given(ENDS, st.data())
def test_the_last_that_happened_holds_whatever_is_heard_first(ends: list[State], data: st.DataObject) -> None:
    """Exhausted, on its way again, exhausted once more or notified: any order and repeats come to where it is now."""
    course = _course(ends)
    heard = data.draw(st.permutations(course * 2))

    row = _heard(heard)[0][NOTICES[0]]

    assert (course[-1].state, course[-1].attempt) == (row.state, row.attempt)


@given(ENDS, st.data())
def test_what_is_on_its_way_again_is_in_flight(ends: list[State], data: st.DataObject) -> None:
    """At each instant a notice counts once at most, as notified or exhausted, and not at all between the two."""
    heard = data.draw(st.permutations(_course(ends)))

    for so_far in range(1, len(heard) + 1):
        rows, counts = _heard(heard[:so_far])
        figures = Counter(counts.get("lab/c0", {}))
        state = rows[NOTICES[0]].state
        assert (state == State.EXHAUSTED, state == State.ACCEPTED) == (figures["exhausted"], figures["notified"])


def test_a_block_of_new_rows_counts_like_its_findings() -> None:
    """The fast way of counting a block gives what the slow way gives."""
    states = [State.ACCEPTED, State.UNKNOWN, State.EXHAUSTED, State.ACCEPTED]
    ids = [bytes([n]) * 16 for n in range(4)]
    block = Outcomes("5", 4, 9, ["a/b", "a/b", "a/c", "a/c"], ids, ids, [1] * 4, [*states], [1] * 4)
    slowly: Deltas = {}
    fast: Deltas = {}
    for finding in block.findings():
        moved(slowly, "5", None, history_of(finding).standing())
    block.add_to(fast)

    assert slowly == fast


def test_a_refused_row_leaves_its_block_and_no_other() -> None:
    """Columns stay together when rows are left out."""
    ids = [bytes([n]) * 16 for n in range(3)]
    block = Outcomes("5", 4, 9, ["a/b", "a/c", "a/d"], ids, ids[::-1], [1, 2, 3], [3, 1, 3], [4, 5, 6])

    left, out = block.parted([1])

    assert [(ids[0], "a/b", ids[2], 1, 3, 4), (ids[2], "a/d", ids[0], 3, 3, 6)] == [f[:6] for f in left.findings()]
    assert [(ids[1], "a/c", ids[1], 2, 1, 5)] == [f[:6] for f in out.findings()]
    assert block.parted([])[0] is block
    assert [*out.findings()] == [*block.of({ids[1], b"another"}).findings()]


def test_notices_that_come_twice_are_named() -> None:
    """In whatever blocks they come."""
    one, other, third = NOTICES

    assert set() == come_twice(NOTICES)
    assert {one, third} == come_twice([one, other, third, one, third, one])
