"""The image's health check, against the face of a service."""

import asyncio
from pathlib import Path

from services.kit.certificate import OwnPair, listening
from services.kit.probe import is_ready
from services.kit.process import figures_app, serve_http
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.testing import FakeClock
from tests.certificates import made_certificates


async def test_it_tells_whether_the_service_is_ready(tmp_path: Path) -> None:
    """By the settings of the service; under TLS it believes its own certificate alone, which lies beside its key."""
    pair, other = (made_certificates(_made(tmp_path / name)).certificate for name in ("own", "other"))
    health = Health("intake", FakeClock())
    tls = listening(OwnPair(pair, pair, "HERAUT_TLS_*"))
    async with (
        serve_http(figures_app(health, new_registry()), "127.0.0.1", 0) as plain,
        serve_http(figures_app(health, new_registry()), "127.0.0.1", 0, tls=tls) as secured,
    ):
        settings = {"HERAUT_HTTP_HOST": "0.0.0.0", "HERAUT_HTTP_PORT": plain.rpartition(":")[2]}  # noqa: S104 - as in compose
        under_tls = {"HERAUT_HTTP_PORT": secured.rpartition(":")[2], "HERAUT_TLS_CERT": str(pair)}
        asked = [settings, under_tls, under_tls | {"HERAUT_TLS_CERT": str(other)}, under_tls | {"HERAUT_TLS_CERT": ""}]
        ready = [await asyncio.to_thread(is_ready, environ) for environ in asked]
        health.drain()
        draining = await asyncio.to_thread(is_ready, settings)

    assert ([True, True, False, False], False) == (ready, draining)
    assert not await asyncio.to_thread(is_ready, settings)  # nobody answers


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
