"""`heraut`: the command line."""

import sys

import asyncpg
import click

from services.cli.cohort import cohort
from services.cli.console import Fault
from services.cli.dead_letters import dlq
from services.cli.demo import demo
from services.cli.doctor import doctor
from services.cli.incident import incident
from services.cli.ledger import ledger
from services.cli.running import migrate_command, serve, topics, up
from services.kit.errors import ConfigError, HerautError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="heraut")
def heraut() -> None:
    """Tell everyone hit by a data breach what was taken from them: once, fast, provably.

    Settings are HERAUT_* variables; see the README. Exit status: 0 = done, 1 = a check did not hold or it
    could not be done, 2 = bad usage, input or configuration.
    """


for command in (demo, up, serve, migrate_command, topics, incident, cohort, ledger, dlq, doctor):
    heraut.add_command(command)


def main() -> None:
    """Run the command line; what goes wrong is told in lines, not in tracebacks."""
    try:
        heraut(prog_name="heraut")
    except HerautError as error:
        _end(str(error), getattr(error, "status", 2 if isinstance(error, ConfigError) else 1))
    except asyncpg.PostgresError as error:
        _end(f"the database refused: {str(error).splitlines()[0]}", 1)
    except OSError as error:
        _end(error.strerror or type(error).__name__, 1)


def _end(message: str, status: int) -> None:
    Fault(message, status).show()
    sys.exit(status)


if __name__ == "__main__":
    main()
