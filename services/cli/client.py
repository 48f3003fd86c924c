"""Calls of the services over HTTP. A problem that a service answers becomes a Fault with a line for each error."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import orjson

from services.cli.console import Fault
from services.cli.problem_words import WORDS, in_words
from services.cli.target import Target, find_target

__all__ = ["Client", "Face", "Refused", "call", "incidents_instead", "open_client", "trusting"]

_END = "-----END CERTIFICATE-----"

_FACE_SECONDS = 5.0
_SHOWN_INCIDENTS = 20
_SHOWN_PROBLEMS = 20  # of an upload whose lines all failed: the first ones say what is wrong with it


class Refused(Fault):
    """A service answered with a problem; `answer_status` is its HTTP status, `body` the problem (RFC 9457)."""

    def __init__(self, status: int, body: Mapping[str, Any], more: Sequence[str] = ()) -> None:
        super().__init__("\n".join([*_lines(status, body), *more]), 2 if status in {400, 404, 409, 413, 415} else 1)
        self.answer_status = status
        self.body = body


class Face(NamedTuple):
    """What a process answered of itself."""

    status: int
    date: str | None  # by its own clock (RFC 9110, 6.6.1)
    body: bytes


class Client:
    """A session with the services of one target."""

    def __init__(self, http: aiohttp.ClientSession, target: Target) -> None:
        self._http = http
        self._target = target

    async def call(self, method: str, service: str, *path: str, **options: Any) -> Any:
        """Call `/v1/<path>` of a service and return its JSON. `options` are those of aiohttp.

        Raises Refused where the service answers with an error, and Fault where it does not answer.
        """
        async with self._answer(method, service, *path, **options) as answer:
            body = await answer.read()
            return orjson.loads(body) if body else None

    async def face(self, service: str, path: str) -> "Face":
        """Ask for a path of the process itself, such as `/readyz`. Raises Fault where it does not answer."""
        base = self._target.address(service)
        try:
            async with asyncio.timeout(_FACE_SECONDS), self._http.get(f"{base}{path}") as answer:
                return Face(answer.status, answer.headers.get("Date"), await answer.read())
        except aiohttp.ClientConnectionError as error:
            raise Fault(f"{service} does not answer at {base} ({_reason(error)})") from None
        except TimeoutError:
            raise Fault(f"{service} at {base} did not answer within {_FACE_SECONDS:.0f} s") from None

    async def pieces(self, method: str, service: str, *path: str, **options: Any) -> AsyncIterator[bytes]:
        """Call as `call` does, and give the body as it comes. Raises what `call` raises."""
        async with self._answer(method, service, *path, **options) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    @asynccontextmanager
    async def _answer(
        self, method: str, service: str, *path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        base = self._target.address(service)
        url = f"{base}/v1/{'/'.join(quote(part, safe='') for part in path)}"
        try:
            async with self._http.request(method, url, **options) as answer:
                if answer.status >= 400:
                    problem = _problem(await answer.read())
                    raise Refused(answer.status, problem, await self._known_instead(problem, path))
                yield answer
        except aiohttp.ClientConnectionError as error:
            raise Fault(f"{service} does not answer at {base}: is `heraut up` running? ({_reason(error)})") from None
        except TimeoutError:
            raise Fault(f"{service} at {base} did not answer in time") from None

    async def _known_instead(self, problem: Mapping[str, Any], path: Sequence[str]) -> list[str]:
        """Return which incidents there are, where one was asked for that is not known."""
        if problem.get("type") != "urn:heraut:problem:unknown-incident" or len(path) < 2:
            return []
        try:
            answer = await self.call("GET", "tracking", "incidents")
        except (Fault, KeyError):
            return []  # the first fault is the one to tell
        return incidents_instead(path[1], [one["incidentId"] for one in answer["incidents"]])


def incidents_instead(asked: str, known: Sequence[str]) -> list[str]:
    """Return, as a line, which incident was likely meant, and which ones there are."""
    if not known:
        return ["no incident is known yet: `heraut incident put FILE`"]
    meant = get_close_matches(asked, known, n=1)
    shown = [*known[:_SHOWN_INCIDENTS], *(["..."] if len(known) > _SHOWN_INCIDENTS else [])]
    return [f"{f'did you mean {meant[0]}? ' if meant else ''}known are: {', '.join(shown)}"]


@asynccontextmanager
async def open_client(data: Path) -> AsyncIterator[Client]:
    """Open a client for the services of a data directory, with the operator's token."""
    target = find_target(data)
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    # An upload may take as long as it needs; a service that sends nothing for a minute is stuck.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    connector = aiohttp.TCPConnector(ssl=_tls(target))
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as http:
        yield Client(http, target)


def _tls(target: Target) -> ssl.SSLContext | bool:
    """Return how to connect: what the services must show, and what they are shown. Raises Fault."""
    context = trusting(target.certificate) if target.certificate else None
    if target.shown is None:
        return context or True
    context = context or ssl.create_default_context()
    try:
        context.load_cert_chain(*target.shown, password="")
    except OSError as error:  # among them ssl.SSLError
        words = error.strerror or type(error).__name__
        raise Fault(f"HERAUT_CLIENT_CERT, HERAUT_CLIENT_KEY: {words}", 2) from None
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return how to connect to who has the key of this certificate, whatever name it bears, and to nobody else.

    Services that `up` started are called at an address of this machine. Raises Fault where it cannot be read.
    """
    try:
        own, end, _ = certificate.read_text(encoding="ascii").partition(_END)  # those that follow signed for others too
        context = ssl.create_default_context(cadata=own + end)
    except (OSError, ValueError) as error:  # among the first ssl.SSLError
        raise Fault(f"HERAUT_TLS_CERT: {certificate} cannot be used ({type(error).__name__})", 2) from None
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def call(data: Path, method: str, service: str, *path: str, **options: Any) -> Any:
    """Make one call with a client of its own; see `Client.call`."""

    async def make() -> Any:
        async with open_client(data) as client:
            return await client.call(method, service, *path, **options)

    return asyncio.run(make())


def _problem(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _lines(status: int, body: Mapping[str, Any]) -> list[str]:
    """Return a problem as lines: its title and detail, then each error."""
    if status == 401:
        return ["the token is not accepted: set HERAUT_TOKEN, or --data to the directory of `heraut up`"]
    problems = [problem for problem in body.get("problems") or [] if isinstance(problem, dict)]
    # A detail that leads to `problems` says nothing to whoever reads them below.
    said = [str(body[key]) for key in ("title", "detail") if body.get(key)]
    head = ": ".join(text for text in said if not (problems and "`problems`" in text)) or f"answered {status}"
    if "lastDurableLine" in body:
        head += f" (durable up to line {body['lastDurableLine']})"
    more = [f"and {len(problems) - _SHOWN_PROBLEMS} more"] if len(problems) > _SHOWN_PROBLEMS else []
    return [head, *map(_said, problems[:_SHOWN_PROBLEMS]), *more]


def _said(problem: Mapping[str, Any]) -> str:
    """Return a problem in words, with its place: a line of a file, or a field of a document, for one cohort or all."""
    field, code = problem.get("field"), str(problem.get("problem"))
    if "line" in problem:
        return f"line {problem['line']}: {in_words(field, code)}"
    if code in WORDS:  # of a column: what a document lacks is told in a sentence
        return in_words(field, code)
    return ": ".join(filter(None, (problem.get("cohortId"), field or "document", code)))


def _reason(error: aiohttp.ClientConnectionError) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not show the certificate of HERAUT_TLS_CERT"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number else type(error).__name__
