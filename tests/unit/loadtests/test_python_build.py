"""How a build of Python is told from another."""

import pytest

from loadtests.python_build import is_profile_guided

_CONFIGURED = "-fprofile-use -fprofile-correction"  # what configure writes, whether it is used or not


@pytest.mark.parametrize(
    ("arguments", "flag", "guided"),
    [
        ("'--prefix=/usr/local' '--enable-optimizations'", _CONFIGURED, True),
        ("'--prefix=/home/me/.pyenv/versions/3.11.7' '--enable-shared'", _CONFIGURED, False),
        ("'--enable-shared' '--prefix=/usr' '--with-dtrace'", "", True),  # Debian's
    ],
)
def test_profile_guided_builds_are_told_from_others(arguments: str, flag: str, *, guided: bool) -> None:
    """Images and Debian have guided builds; who compiles by hand has one only where he asks for it."""
    assert guided == is_profile_guided({"CONFIG_ARGS": arguments, "PGO_PROF_USE_FLAG": flag})


def test_a_build_that_says_nothing_is_taken_for_slow() -> None:
    """No figure is praised for a build that it may not have had."""
    assert not is_profile_guided({})
