"""Stand-ins for the providers, to try Heraut out: a mail server, a portal and the like that record what they took.

    python -m services.demo.standins --records DIR [--host H] [--smtp-port N, and so for each] [--certificate F]
        [--ready-file F] [--control-port N] [--print-dir DIR | --sftp-dir DIR]

They behave as real ones do: the portal takes each Idempotency-Key once and says of closed accounts that they are gone,
and the mail server refuses mailboxes that are. The check reads their records. With `--control-port` they misbehave as
told there (`control.py`). With `--print-dir` a print house picks up what is done in that folder; with `--sftp-dir` it
has an SFTP server of its own, whose address and keys are told too.
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import uvloop

from services.core.channel import Channel
from services.demo.provider_records import ProviderRecords, read_provider_records, record_file
from services.demo.standins import CONTROL, STANDINS
from services.demo.standins.control import Controlled, control_app
from services.demo.standins.print_house import PrintHouse
from services.demo.standins.sftp import SftpServer
from services.kit.certificate import OwnPair, listening
from services.kit.files import write_atomically
from services.kit.process import configure_logs, serve_http, stop_on_signals

__all__ = ["main"]


async def _serve(arguments: argparse.Namespace) -> None:
    """Run all stand-ins until SIGTERM. Their addresses are told by the settings of Heraut that name them."""
    arguments.records.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    stop_on_signals(stop)
    file = arguments.certificate
    tls = listening(OwnPair(file, file, "--certificate")) if file else None
    addresses: dict[str, str] = {}
    controlled: dict[str, Controlled] = {}
    async with AsyncExitStack() as running:
        kept = {channel: _records(arguments.records, channel, running) for channel in Channel}
        for channel, one in STANDINS.items():
            serving = one.serve(kept[channel], arguments.host, getattr(arguments, f"{one.name}_port"), tls)
            addresses[one.setting], controlled[one.name] = await running.enter_async_context(serving)
        house, told = await _print_house(arguments, kept[Channel.LETTER], controlled, running)
        addresses |= told
        if arguments.control_port is not None:
            app = control_app(controlled)
            addresses[CONTROL] = await running.enter_async_context(
                serve_http(app, arguments.host, arguments.control_port)
            )
        _tell(addresses, arguments.ready_file)
        async with asyncio.TaskGroup() as group:
            for records in kept.values():
                group.create_task(records.sync_regularly(stop))
            if house:
                group.create_task(house.run(stop))


def _records(folder: Path, channel: Channel, running: AsyncExitStack) -> ProviderRecords:
    records = ProviderRecords(record_file(folder, channel))
    running.callback(records.close)
    return records


async def _print_house(
    arguments: argparse.Namespace,
    records: ProviderRecords,
    controlled: dict[str, Controlled],
    running: AsyncExitStack,
) -> tuple[PrintHouse | None, dict[str, str]]:
    """Return the print house that is wanted, and the settings that lead to it."""
    folder, settings = arguments.print_dir, {}
    if arguments.sftp_dir:
        server = await running.enter_async_context(SftpServer(arguments.sftp_dir).serve(arguments.host))
        folder, settings, controlled["sftp"] = server.inbox, server.settings, server
    if folder is None:
        return None, {}
    seen = {record["job"] for record in read_provider_records(records.path)}
    controlled["print"] = house = PrintHouse(folder, records, seen)
    return house, settings


def _tell(addresses: dict[str, str], ready_file: Path | None) -> None:
    """Print the addresses, and write them to the ready file where one is wanted."""
    text = orjson.dumps(addresses).decode()
    print(text, flush=True)  # noqa: T201 - a program of its own says where it listens
    if ready_file:
        write_atomically(ready_file, text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run all stand-ins until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m services.demo.standins")
    parser.add_argument("--host", default="127.0.0.1")
    for one in STANDINS.values():
        parser.add_argument(f"--{one.name}-port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--control-port", type=int, help="where they are told how to misbehave; 0 = any free port")
    house = parser.add_mutually_exclusive_group()
    house.add_argument("--print-dir", type=Path, help="print folder that a print house picks up from")
    house.add_argument("--sftp-dir", type=Path, help="home of a print house with an SFTP server")
    parser.add_argument("--records", type=Path, required=True, help="folder of the record files")
    parser.add_argument("--certificate", type=Path, help="file of key and certificate; unset = in the open")
    parser.add_argument("--ready-file", type=Path, help="where to write the addresses listened at")
    configure_logs("standins", "warning")
    uvloop.run(_serve(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
