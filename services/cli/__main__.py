"""`heraut`: the command line."""

import logging
import sys
from importlib import import_module
from platform import python_version

import click

from services.cli.console import Fault
from services.cli.failures import as_fault
from services.cli.options import Commands
from services.core.version import this_commit, this_version
from services.kit.files import keep_private

__all__ = ["heraut", "main"]

# Each command is the object of its own name in the module of its name, in `services.cli.commands`.
_COMMANDS = (
    "channel",
    "cohort",
    "demo",
    "dlq",
    "doctor",
    "identity",
    "incident",
    "keys",
    "ledger",
    "migrate",
    "preview",
    "principal",
    "print",
    "receipts",
    "rejected",
    "restored",
    "serve",
    "settings",
    "topics",
    "unknown",
    "up",
    "watch",
)


class _Commands(Commands):
    """A group that imports a command when it is used: `heraut ledger` does not wait for Kafka's client."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        try:
            command: click.Command = getattr(import_module(f"services.cli.commands.{name}"), name)
        except ModuleNotFoundError as missing:
            raise Fault(f"`heraut {name}` needs {missing.name}, which is not installed here: heraut[demo]") from None
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(f"{this_version()}, commit {this_commit()}, Python {python_version()}", prog_name="heraut")
def heraut() -> None:
    """Tell everyone hit by a data breach what was taken from them: once, fast, provably.

    Settings are HERAUT_* variables: `heraut settings` lists them. Exit status: 0 = done, 1 = a check did not hold or it
    could not be done, 2 = bad usage, input or configuration.
    """


def main() -> None:
    """Run the command line. A failure is told in lines, a bug by its traceback."""
    keep_private()
    # Without a handler, Python would print the warnings of libraries between our lines. A service that runs in
    # this process sets up its log itself.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        heraut(prog_name="heraut")
    except Exception as error:
        fault = as_fault(error)
        if fault is None:
            raise
        fault.show()
        sys.exit(fault.exit_code)


if __name__ == "__main__":
    main()
