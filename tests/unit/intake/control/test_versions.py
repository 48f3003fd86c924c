"""How much an incident's versions may come to."""

import pytest

from services.intake.control.versions import LARGEST, VersionsSoFar, check_size, check_versions
from services.intake.errors import ConflictError, ThrottledError
from services.wire.incident_document import InvalidDocument


def test_a_document_has_a_largest_size() -> None:
    """The largest is taken, one byte more is not."""
    check_size(b"a" * LARGEST)
    with pytest.raises(InvalidDocument, match="at most"):
        check_size(b"a" * (LARGEST + 1))


def test_versions_together_have_one_too() -> None:
    """Thirty-two of the largest fit, a thirty-third does not: memory ends somewhere in every process."""
    check_versions(VersionsSoFar(31 * LARGEST, 0), b"a" * LARGEST)
    with pytest.raises(ConflictError):
        check_versions(VersionsSoFar(32 * LARGEST, 0), b"a")


def test_versions_do_not_come_too_often() -> None:
    """Nineteen within a minute leave room for one."""
    check_versions(VersionsSoFar(0, 19), b"a")
    with pytest.raises(ThrottledError) as caught:
        check_versions(VersionsSoFar(0, 20), b"a")

    assert 60.0 == caught.value.after
