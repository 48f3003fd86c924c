"""When a writer wakes its readers."""

from services.kit.eventlog.silence import Silence


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_block_wakes_the_readers_of_its_topic() -> None:
    """Who has waited for long knows nothing of it."""
    assert ["a"] == Silence(0.5, _Clock()).broken_by({"a"})


def test_in_a_stream_nobody_is_woken() -> None:
    """However long it lasts: its readers look by themselves."""
    clock = _Clock()
    silence = Silence(0.5, clock)
    silence.broken_by({"a"})
    woken: list[str] = []
    for _ in range(10):
        clock.now += 0.4
        woken += silence.broken_by({"a"})

    assert woken == []


def test_after_a_pause_the_next_block_wakes_them_again() -> None:
    """Each topic for itself: a stream in one says nothing to the readers of another."""
    clock = _Clock()
    silence = Silence(0.5, clock)
    silence.broken_by({"a", "b"})
    clock.now += 0.4
    silence.broken_by({"a"})
    clock.now += 0.2

    assert ["b"] == silence.broken_by({"a", "b"})
