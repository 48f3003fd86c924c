"""`heraut keys`: the keys, one file a purpose."""

from pathlib import Path

import click

from services.cli.console import Fault, print_json, say
from services.cli.options import Commands, data_option, json_option
from services.cli.target import read_settings
from services.kit.vault import convert_ring, create_keys, rotate_keys

__all__ = ["keys"]


@click.group(cls=Commands)
def keys() -> None:
    """Look after the keys. They lie in HERAUT_KEYS_DIR, else beside the data directory."""


@keys.command()
@click.option(
    "--from",
    "ring",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Out of a ring of one file (keys.json), which goes once all that it held is in the folder.",
)
@data_option
@json_option
def init(ring: Path | None, data: Path, *, as_json: bool) -> None:
    """Make the keys, one file a purpose, where there are none.

    Each service needs those of its room alone: `services/core/keys.py` says which. A backup of them must not lie beside
    that of the database.
    """
    folder = read_settings(data).keys_folder
    try:
        made = convert_ring(ring, folder) if ring else create_keys(folder)
    except FileExistsError:
        raise Fault(f"{folder} is there already: nothing was changed", 2) from None
    _tell(folder, made.newest("match"), as_json=as_json, words="are made")


@keys.command()
@data_option
@json_option
def rotate(data: Path, *, as_json: bool) -> None:
    """Add a new version of every key; the versions before stay, and still open what they closed.

    Incidents that begin from then on use the new keys, those that are there keep theirs: nobody is told again. Running
    services go on with the old keys until they are restarted. Restart intake last: an incident that it begins with a
    key that another service does not have yet waits there.
    """
    folder = read_settings(data).keys_folder
    if not folder.exists():
        raise Fault(f"{folder} is not there: `heraut keys init` or `heraut up` makes it", 2)
    version = rotate_keys(folder).newest("match")
    _tell(folder, version, as_json=as_json, words="are there: restart the services, intake last")


def _tell(folder: Path, version: int, *, as_json: bool, words: str) -> None:
    if as_json:
        print_json({"path": str(folder), "version": version})
    else:
        say(f"keys of version {version} in {folder} {words}")
