"""When the log is looked at again."""

from services.kit.eventlog.pace import Pace


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _pace() -> tuple[Pace, _Clock]:
    clock = _Clock()
    return Pace(idle=0.05, fuller=0.2, fullest=0.4, quiet=0.5, monotonic=clock), clock


def test_the_first_look_is_at_once() -> None:
    """Nobody waits before anything is known."""
    pace, _ = _pace()

    assert pace.remaining() == 0


def test_a_full_answer_is_followed_at_once() -> None:
    """A backlog is worked off without a pause."""
    pace, clock = _pace()
    pace.looked(clock.now, 64, 64)

    assert pace.remaining() == 0


def test_a_part_filled_answer_gives_the_next_one_time_to_fill() -> None:
    """Under load the next look is a while after this one began, so work in between costs no extra wait."""
    pace, clock = _pace()
    pace.looked(clock.now, 3, 64)
    clock.now += 0.15

    assert round(pace.remaining(), 6) == 0.05


def test_an_empty_answer_is_followed_after_the_idle_wait() -> None:
    """A quiet log is looked at seldom."""
    pace, clock = _pace()
    pace.looked(clock.now, 0, 64)

    assert round(pace.remaining(), 6) == 0.05


def test_in_a_steady_stream_the_next_one_is_given_longer() -> None:
    """Part-filled answers that follow each other are worked off in fewer, fuller batches; a gap ends that."""
    pace, clock = _pace()
    waits = []
    for found in (3, 3, 3, 3, 0, 3):
        pace.looked(clock.now, found, 64)
        waits.append(round(pace.remaining(), 6))

    assert [0.2, 0.3, 0.4, 0.4, 0.05, 0.2] == waits


def test_after_more_empty_answers_it_is_looked_at_more_seldom() -> None:
    """Nothing to do costs next to nothing; the first block that comes ends the quiet."""
    pace, clock = _pace()
    for _ in range(8):
        pace.looked(clock.now, 0, 64)
    quiet = pace.remaining()
    pace.looked(clock.now, 1, 64)
    pace.looked(clock.now, 0, 64)

    assert (0.5, 0.05) == (round(quiet, 6), round(pace.remaining(), 6))


def test_what_is_seen_ends_the_quiet() -> None:
    """Whoever counts the backlog and finds one does not wait for the next look."""
    pace, clock = _pace()
    for _ in range(8):
        pace.looked(clock.now, 0, 64)
    pace.wake()

    assert pace.remaining() == 0


def test_what_is_seen_in_a_stream_breaks_no_batch_up() -> None:
    """Whoever only counts the backlog does not make batches smaller."""
    pace, clock = _pace()
    pace.looked(clock.now, 3, 64)
    pace.wake()

    assert round(pace.remaining(), 6) == 0.2


def test_a_look_of_somebody_else_counts() -> None:
    """Who has just seen that there is nothing saves the log its own look; in a stream batches fill no longer for it."""
    pace, clock = _pace()
    pace.looked(clock.now, 3, 64)
    pace.looked_in_passing()
    streaming = round(pace.remaining(), 6)
    pace.looked(clock.now, 0, 64)
    clock.now += 0.05
    pace.looked_in_passing()

    assert (0.2, 0.075) == (streaming, round(pace.remaining(), 6))


def test_a_change_makes_it_look_at_once() -> None:
    """A resume or a new assignment does not wait."""
    pace, clock = _pace()
    pace.looked(clock.now, 0, 64)
    pace.reset()

    assert pace.remaining() == 0
