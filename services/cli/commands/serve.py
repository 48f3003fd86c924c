"""`heraut serve`: one service in the foreground."""

import runpy
import sys

import click

from services.core.rooms import DISPATCH_STAGES, ROOMS

__all__ = ["serve"]


@click.command()
@click.argument("room", type=click.Choice(ROOMS))
@click.option("--channel", type=click.Choice([stage.removeprefix("dispatch-") for stage in DISPATCH_STAGES]))
@click.option("--ready-file", type=click.Path(dir_okay=False), help="Where to write the address listened at.")
def serve(room: str, channel: str | None, ready_file: str | None) -> None:
    """Run one service: what a container does with `python -m services.ROOM`."""
    if (room == "dispatch") != bool(channel):
        raise click.UsageError("dispatch needs --channel, and no other service takes it")
    options = [*(["--channel", channel] if channel else []), *(["--ready-file", ready_file] if ready_file else [])]
    sys.argv = [f"services.{room}", *options]
    runpy.run_module(f"services.{room}", run_name="__main__", alter_sys=True)
