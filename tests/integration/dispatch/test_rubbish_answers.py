"""What a provider answers is an outsider's bytes: whatever they are, a row has a result, and this process lives on."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.core.channel import Channel
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.portal import Portal
from services.dispatch.mail_config import SmtpAddress
from services.dispatch.outcomes import Ending, HandOver
from services.kit.clock import SystemClock
from tests.unit.dispatch.people import some_work

_OK = b"HTTP/1.1 200 OK\r\n"
_LATER = b"HTTP/1.1 429 Later\r\nContent-Length: 0\r\nRetry-After: "
_BOMB = gzip.compress(b"\0" * 200_000_000)


@asynccontextmanager
async def _answering(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Run a server that says what it likes; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _portal_says(answer: bytes) -> HandOver:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for at in range(0, len(answer), 65_536):  # no more at once: what this side keeps would be measured as well
            writer.write(answer[at : at + 65_536])
            await writer.drain()

    async with _answering(talk) as port:
        portal = Portal(f"http://127.0.0.1:{port}", timeout=5.0)
        try:
            return await portal.hand_over(some_work(1, Channel.PORTAL), lambda: True)
        finally:
            await portal.close()


async def _server_says(*answers: bytes) -> HandOver:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(answer)
            await writer.drain()
            await reader.readline()

    async with _answering(talk) as port:
        smtp = Smtp(SmtpAddress(f"smtp://u:p@127.0.0.1:{port}"), SystemClock(), command_timeout=1.0, data_timeout=1.0)
        try:
            return await smtp.hand_over(some_work(1, Channel.EMAIL), lambda: True)
        finally:
            await smtp.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("²".encode(), None),
        ("٣".encode(), None),
        (b"9" * 400, None),
        (b"1e999", None),
        (b"-5", None),
        (b"Fri, 31 Dec 9999 23:59:59 -9999", None),
        (b"Sun, 06 Nov 99999999999999 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:37", None),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (b"120", 120.0),
    ],
)
async def test_a_wait_is_read_strictly(value: bytes, seconds: float | None) -> None:
    """`Retry-After` is digits or a date (RFC 9110, 10.2.3); anything else asks for no wait of its own."""
    handed = await _portal_says(_LATER + value + b"\r\n\r\n")

    assert handed.outage is not None
    assert (Ending.NOT_SENT, seconds) == (handed.results[0].ending, handed.outage.after)


@pytest.mark.parametrize(
    "answer",
    [
        _OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB) + _BOMB,
        _OK + b"Connection: close\r\n\r\n" + b"a" * 30_000_000,
        _OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\naaaaa",
    ],
    ids=["bomb", "long", "no gzip"],
)
async def test_an_answer_costs_little_whatever_is_in_it(answer: bytes) -> None:
    """Its status is all that counts: the rest is neither unpacked nor kept."""
    tracemalloc.start()
    handed = await _portal_says(answer)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert Ending.ACCEPTED is handed.results[0].ending
    assert peak < 8_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xfe\r\n\r\n",
        b"HTTP/1.1 \xc2\xb2\xc2\xb2\xc2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_no_answer_of_a_portal_ends_the_process(answer: bytes) -> None:
    """What is no answer is none: it is asked again, or what it says pauses the channel."""
    handed = await _portal_says(answer)

    assert handed.results[0].ending in {Ending.REPEAT, Ending.HELD, Ending.ACCEPTED}


@pytest.mark.parametrize(
    "answers",
    [
        (b"\xff\xff\xff\r\n",),
        ("²²² hello\r\n".encode(),),
        (b"220 x\r\n", b"250-" + b"a" * 50_000 + b"\r\n"),
        (b"220 x\r\n", *[b"250-x\r\n" * 10_000] * 3),
        (b"220 x\r\n", b"250-x\r\n250-AUTH CRAM-MD5 \xff\r\n250 SIZE \xc2\xb2\r\n", b"334 !not base64\xff\r\n"),
        (b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n", b"no tls at all\r\n"),
        (b"220 x\r\n", b"250 x\r\n", "535 5.7.8 ²\r\n".encode(), b"999 what\r\n"),
        (b"000 x\r\n",),
    ],
)
async def test_no_answer_of_a_mail_server_ends_the_process(answers: tuple[bytes, ...]) -> None:
    """Nothing was handed over, and that is sure: everything waits."""
    handed = await _server_says(*answers)

    assert handed.results[0].ending in {Ending.NOT_SENT, Ending.HELD}


async def test_nothing_is_sent_where_tls_was_taken_out_of_the_greeting() -> None:
    """Beyond this machine a server without STARTTLS, or somebody on the way who hides it, gets no mail."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"220 x\r\n", b"250-x\r\n250 SIZE 1000000\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            writer.write(answer)
            asked.append(await reader.readline())

    async with _answering(talk) as port:
        address = SmtpAddress(f"smtp://127.0.0.1:{port}")
        beyond = SmtpAddress(f"smtp://mail.example:{port}")
        address.start_tls = beyond.start_tls  # type: ignore[method-assign]  # a name that leads here, for this test
        smtp = Smtp(address, SystemClock(), command_timeout=1.0, data_timeout=1.0)
        handed = await smtp.hand_over(some_work(1, Channel.EMAIL), lambda: True)
        await smtp.close()

    assert Ending.NOT_SENT is handed.results[0].ending
    assert [] == [line for line in asked if line.upper().startswith((b"MAIL", b"RCPT", b"DATA"))]
