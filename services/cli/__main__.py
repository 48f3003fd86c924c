"""`heraut`: the command line."""

import logging
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import click

from services.cli.console import Fault
from services.kit.errors import ConfigError, HerautError

__all__ = ["heraut", "main"]

# Each command is read in when it is used: a look at the ledger need not wait for Kafka's client.
_COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cohort": ("services.cli.cohort", "cohort"),
        "demo": ("services.cli.demo", "demo"),
        "dlq": ("services.cli.dead_letters", "dlq"),
        "doctor": ("services.cli.doctor", "doctor"),
        "incident": ("services.cli.incident", "incident"),
        "ledger": ("services.cli.ledger", "ledger"),
        "migrate": ("services.cli.running", "migrate_command"),
        "serve": ("services.cli.running", "serve"),
        "topics": ("services.cli.running", "topics"),
        "up": ("services.cli.running", "up"),
    }
)


class _Commands(click.Group):
    """The commands of `_COMMANDS`."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name]
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="heraut")
def heraut() -> None:
    """Tell everyone hit by a data breach what was taken from them: once, fast, provably.

    Settings are HERAUT_* variables; see the README. Exit status: 0 = done, 1 = a check did not hold or it
    could not be done, 2 = bad usage, input or configuration.
    """


def main() -> None:
    """Run the command line; what goes wrong is told in lines, not in tracebacks."""
    # Libraries' own warnings would stand between the lines; a service that runs here sets up its log itself.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        heraut(prog_name="heraut")
    except HerautError as error:
        _end(str(error), getattr(error, "status", 2 if isinstance(error, ConfigError) else 1))
    except OSError as error:
        what = "cannot connect: " if isinstance(error, ConnectionError) else ""
        where = f" ({error.filename})" if error.filename else ""
        _end(f"{what}{os.strerror(error.errno or 0).lower()}{where}", 1)
    except Exception as error:
        # asyncpg is not read in for every command; what the server refused is no bug of ours to trace back.
        if not type(error).__module__.startswith("asyncpg."):
            raise
        _end(f"the database refused: {str(error).splitlines()[0]}", 1)


def _end(message: str, status: int) -> None:
    Fault(message, status).show()
    sys.exit(status)


if __name__ == "__main__":
    main()
