"""`heraut keys`: the key ring."""

from pathlib import Path

import click

from services.cli.console import Fault, print_json, say
from services.cli.options import data_option, json_option
from services.cli.target import read_settings
from services.kit.vault import KeyRing

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Look after the key ring."""


@keys.command()
@data_option
@json_option
def rotate(data: Path, *, as_json: bool) -> None:
    """Add a new version of every key; the versions before stay, and still open what they closed.

    Incidents that begin from then on use the new keys, those that are there keep theirs: nobody is told again. Running
    services go on with the old ring until they are restarted. Restart intake last: an incident that it begins with a
    key that another service does not have yet waits there.
    """
    path = read_settings(data).key_ring_path
    if not path.exists():
        raise Fault(f"{path} is not there: `heraut up` makes it", 2)
    version = KeyRing.rotate(path).pepper("match")[0]
    if as_json:
        print_json({"path": str(path), "version": version})
    else:
        say(f"{path} has keys of version {version} now: restart the services, intake last")
