"""The yardstick: figures of machines of different speed, beside each other."""

from loadtests.yardstick import times_frozen_floor, yardstick


def test_the_divisor_stays_and_the_machine_is_left_out() -> None:
    """Twice as slow a machine, where all costs twice as much, shows the same."""
    quick = times_frozen_floor(49.4, {"readJsonMicroseconds": 0.70})
    slow = times_frozen_floor(98.8, {"readJsonMicroseconds": 1.40})

    assert (3.83, 3.83) == (quick, slow)


def test_both_lines_take_time() -> None:
    """The yardstick reads something on every machine."""
    assert all(microseconds > 0 for microseconds in yardstick().values())
