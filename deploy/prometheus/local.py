#!/usr/bin/env python3
"""A Prometheus on the loopback address that scrapes every service of a running `heraut up`.

    deploy/prometheus/local.py [--data DIR] [--port PORT]        until Ctrl-C; prints its address

Reads the addresses from the data directory's services.json, and scrapes with its scrape.token. Where Prometheus is
missing and we are root, Debian's package is installed.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

__all__ = ["PrometheusUnavailable", "program", "prometheus"]

_RULES = Path(__file__).resolve().parent / "rules" / "*.yml"
# Replaying an empty write-ahead log takes no time; a busy machine may.
_START_SECONDS = 30.0


class PrometheusUnavailable(Exception):  # noqa: N818 - it says what is, not that somebody erred
    """No Prometheus can be had here; the message says why."""


@contextmanager
def prometheus(
    addresses: Mapping[str, str], folder: Path, *, token_file: Path, port: int = 0, interval: str = "1s"
) -> Iterator[str]:
    """Run a Prometheus that scrapes these services (name -> base URL) with a token; returns its address."""
    prometheus_program = program("prometheus", "prometheus")
    port = port or _free_port()
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(addresses, token_file, interval)), encoding="utf-8")
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                prometheus_program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=log,
            stderr=log,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(process, url, folder / "prometheus.log")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def _config(addresses: Mapping[str, str], token_file: Path, interval: str) -> dict[str, object]:
    """Make one job a room, as in the configuration for containers."""
    jobs: dict[str, list[str]] = {}
    for service, url in addresses.items():
        jobs.setdefault(service.split("-")[0], []).append(url.removeprefix("http://"))
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(_RULES)],
        "scrape_configs": [
            {
                "job_name": job,
                "authorization": {"credentials_file": str(token_file.resolve())},
                "static_configs": [{"targets": targets}],
            }
            for job, targets in jobs.items()
        ],
    }


def program(name: str, package: str) -> str:
    """Return where a program is; Debian's package is installed where we may. Raises PrometheusUnavailable."""
    if found := shutil.which(name):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", package]):
            subprocess.run(
                command, check=False, capture_output=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            )
        if found := shutil.which(name):
            return found
    raise PrometheusUnavailable(f"{name} is not installed, and Debian's package {package} needs root")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1):  # noqa: S310 - our own loopback address
                return
        except OSError:
            time.sleep(0.1)
    raise PrometheusUnavailable(f"it does not answer; its log is {log}")


def main() -> int:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("var/heraut"))
    parser.add_argument("--port", type=int, default=9090)
    arguments = parser.parse_args()
    services = arguments.data / "services.json"
    if not services.exists():
        print(f"{services} is not there: is `heraut up` running and ready?", file=sys.stderr)
        return 2
    try:
        with (
            tempfile.TemporaryDirectory(prefix="heraut-prometheus-") as folder,
            prometheus(
                json.loads(services.read_text()),
                Path(folder),
                token_file=arguments.data / "scrape.token",
                port=arguments.port,
            ) as url,
        ):
            print(url, flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except PrometheusUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
