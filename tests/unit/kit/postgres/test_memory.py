"""How much memory the embedded PostgreSQL reckons with."""

from pathlib import Path

import pytest

from services.kit.postgres.embedded import memory_for_us


@pytest.mark.parametrize("said", ["max\n", None])
def test_a_machine_without_a_limit_has_all_its_memory(tmp_path: Path, said: str | None) -> None:
    """No group of processes is limited, or there is no such file."""
    limit = tmp_path / "memory.max"
    if said is not None:
        limit.write_text(said)

    assert memory_for_us(limit) == memory_for_us(tmp_path / "nowhere") > 2**27


def test_a_container_has_what_it_is_given(tmp_path: Path) -> None:
    """A quarter of the host's memory may be more than the whole container has."""
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2**27}\n")

    assert 2**27 == memory_for_us(limit)
