"""Our own HTTP under TLS, with real certificates: who is called proves it, and a renewed certificate is shown."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

from services.cli.client import trusting
from services.kit.certificate import OwnPair, listening
from services.kit.errors import ConfigError
from services.kit.process import Limits, serve_http
from tests.certificates import made_certificates

_NAMES = "HERAUT_TLS_CERT, HERAUT_TLS_KEY"


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Return a file with a certificate for the loopback address and its key."""
    return made_certificates(_folder(tmp_path / "first")).certificate


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
async def served(pair: Path) -> AsyncIterator[str]:
    """Return the address of an application under TLS."""
    app = web.Application()
    app.router.add_get("/", _answer)
    async with serve_http(app, "127.0.0.1", 0, tls=listening(OwnPair(pair, pair, _NAMES))) as url:
        yield url


async def _answer(_: web.Request) -> web.StreamResponse:
    return web.Response(text="here")


async def _asked(url: str, context: ssl.SSLContext) -> int:
    async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as answer:
        return answer.status


async def test_the_command_line_trusts_the_certificate_of_its_settings_alone(
    served: str, pair: Path, tmp_path: Path
) -> None:
    """A token goes to nobody who has another certificate, even one that the same name stands in."""
    other = made_certificates(_folder(tmp_path / "other"))

    assert served.startswith("https://")
    assert 200 == await _asked(served, trusting(pair))
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await _asked(served, trusting(other.certificate))


async def test_a_renewed_certificate_is_shown_without_a_restart(served: str, pair: Path, tmp_path: Path) -> None:
    """Renewing is copying two files; half a pair changes nothing."""
    made = made_certificates(_folder(tmp_path / "second"))
    before = shutil.copy(pair, tmp_path / "before.pem")
    await asyncio.to_thread(pair.write_text, "half a pair")
    still = await _asked(served, trusting(Path(before)))
    shutil.copy(made.certificate, pair)

    assert (200, 200) == (still, await _asked(served, trusting(made.certificate)))
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await _asked(served, trusting(Path(before)))


def test_files_that_are_no_pair_are_a_fault_of_the_settings(tmp_path: Path) -> None:
    """The service ends with words, not with a trace."""
    with pytest.raises(ConfigError, match="HERAUT_TLS_CERT, HERAUT_TLS_KEY: No such file"):
        listening(OwnPair(tmp_path / "none.pem", tmp_path / "none.key", _NAMES))


def test_too_many_get_an_answer_under_tls_too(pair: Path) -> None:
    """On the loop that services run on, whose connections are of its own kind."""
    uvloop.run(_two_on_one(pair))


async def _two_on_one(pair: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        begun.set()
        await ended.wait()
        return web.Response(text="late")

    app = web.Application()
    app.router.add_get("/", slow)
    tls = listening(OwnPair(pair, pair, _NAMES))
    async with serve_http(app, "127.0.0.1", 0, Limits(connections=1), tls=tls) as url:
        first = asyncio.create_task(_asked(url, trusting(pair)))
        await begun.wait()
        second = await _asked(url, trusting(pair))
        ended.set()

        assert (200, 503) == (await first, second)
