"""A command that fails tells its user why in lines, and a bug keeps its traceback."""

import errno

import asyncpg
import pytest

from services.cli.failures import as_fault
from services.demo.errors import DemoError
from services.kit.errors import ConfigError, HerautError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (HerautError("it is gone"), ("it is gone", 1)),
        (ConfigError("HERAUT_X is needed"), ("HERAUT_X is needed", 2)),
        (DemoError("no Kafka", 2), ("no Kafka", 2)),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), ("cannot connect: connection refused", 1)),
        (FileNotFoundError(errno.ENOENT, "", "a.csv"), ("no such file or directory (a.csv)", 1)),
        (asyncpg.PostgresError("permission denied\nin full"), ("the database refused: permission denied", 1)),
    ],
)
def test_a_failure_is_told_in_lines(error: Exception, told: tuple[str, int]) -> None:
    """What failed and the exit status follow from the error."""
    fault = as_fault(error)

    assert fault
    assert told == (fault.message, fault.exit_code)


def test_a_bug_keeps_its_traceback() -> None:
    """An error that nobody expected is raised again."""
    assert as_fault(KeyError("bug")) is None
