"""What a user is told when a command fails: lines and an exit status in place of a traceback."""

import os

from services.cli.console import Fault
from services.demo.errors import DemoError
from services.kit.errors import ConfigError, HerautError

__all__ = ["as_fault"]


def as_fault(error: Exception) -> Fault | None:
    """Return what to tell the user of an error; None for a bug, whose traceback is wanted."""
    match error:
        case DemoError():
            return Fault(str(error), error.status)
        case ConfigError():
            return Fault(str(error), 2)
        case HerautError():
            return Fault(str(error))
        case OSError():
            return Fault(_of_the_system(error))
    # asyncpg is imported only by the commands that need it, so its errors are known by the name of their module.
    if type(error).__module__.startswith("asyncpg."):
        return Fault(f"the database refused: {str(error).splitlines()[0]}")
    return None


def _of_the_system(error: OSError) -> str:
    what = "cannot connect: " if isinstance(error, ConnectionError) else ""
    where = f" ({error.filename})" if error.filename else ""
    return f"{what}{os.strerror(error.errno or 0).lower()}{where}"
