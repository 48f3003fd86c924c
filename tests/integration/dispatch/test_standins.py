"""The stand-ins misbehave as the control API says, and their records tell what they took truly."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientSession, web

from loadtests.providers.mail_api import MailApiServer
from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.demo.standins.control import control_app
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.channels import open_provider
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.portal import Portal
from services.dispatch.mail_config import EmailConfig, SmtpAddress
from services.dispatch.outcomes import Ending
from services.kit.clock import SystemClock
from services.kit.config import load
from services.kit.process import serve_http
from tests.unit.dispatch.people import some_work


@pytest.fixture
async def control(mail_server: MailServer, portal_server: PortalServer) -> AsyncIterator[str]:
    """Return the address of the control API."""
    app: web.Application = control_app({"smtp": mail_server, "portal": portal_server})
    async with serve_http(app, "127.0.0.1", 0) as url:
        yield url


async def _tell(url: str, body: object, method: str = "PUT") -> int:
    async with ClientSession() as http, http.request(method, url, json=body) as answer:
        return answer.status


async def _handed(portal: Portal, count: int = 4) -> list[Ending]:
    handed = await portal.hand_over(some_work(count), lambda: True)
    return [result.ending for result in handed.results]


async def test_a_lost_answer_leaves_what_the_portal_took(control: str, portal_server: PortalServer) -> None:
    """The message is there, nobody heard of it, and the repeat is known by its key."""
    portal = Portal(portal_server.url)
    status = await _tell(f"{control}/portal/faults", {"percent": {"answerLost": 100}})
    lost = await _handed(portal)
    await _tell(f"{control}/portal/faults", {})
    again = await _handed(portal)
    await portal.close()

    assert 200 == status
    assert {Ending.REPEAT} == set(lost)
    assert [Ending.ACCEPTED] * 4 == again
    assert 4 == portal_server.figures["taken"]


async def test_an_outage_ends_by_itself(control: str, portal_server: PortalServer) -> None:
    """While it lasts nobody gets through the door, and then at the same port again."""
    portal = Portal(portal_server.url)
    await _tell(f"{control}/portal/outage", {"seconds": 0.2}, "POST")
    with pytest.raises(ClientError):
        await _tell(f"{portal_server.url}/messages", {}, "POST")
    async with ClientSession() as http:
        while portal_server.door.shut:
            async with http.get(control) as answer:  # passes time
                await answer.read()
    handed = await _handed(portal)
    await portal.close()

    assert [Ending.ACCEPTED] * 4 == handed


async def test_the_mail_server_takes_a_mail_and_loses_the_answer(control: str, mail_server: MailServer) -> None:
    """What is unknown to us is there once."""
    await _tell(f"{control}/smtp/faults", {"percent": {"answerLost": 100}})
    smtp = Smtp(SmtpAddress(f"smtp://127.0.0.1:{mail_server.port}"), SystemClock())
    handed = await smtp.hand_over(some_work(1), lambda: True)
    await smtp.close()

    assert ([Ending.UNKNOWN], 1) == ([one.ending for one in handed.results], len(mail_server.taken))


@pytest.mark.parametrize(
    ("path", "body", "method", "status"),
    [("letter/faults", {}, "PUT", 404), ("portal/faults", {"percent": {"rain": 5}}, "PUT", 400),
     ("smtp/outage", {"seconds": 0}, "POST", 400)],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(control: str, path: str, body: object, method: str, status: int) -> None:
    """Nobody measures with a fault that was never set."""
    assert status == await _tell(f"{control}/{path}", body, method)


@pytest.mark.parametrize("name", ["notify", "mail-api"])
async def test_simulated_providers_are_told_in_the_same_words(name: str) -> None:
    """A lost answer leaves what was taken, an outage ends by itself, and everybody is there once."""
    simulated: NotifyServer | MailApiServer = NotifyServer() if name == "notify" else MailApiServer()
    async with simulated.serve(), serve_http(control_app({name: simulated}), "127.0.0.1", 0) as url:
        settings = {
            "HERAUT_EMAIL_PROVIDER": name, "HERAUT_NOTIFY_URL": simulated.url, "HERAUT_NOTIFY_KEY": MADE_UP_KEY,
            "HERAUT_NOTIFY_TEMPLATE": "t", "HERAUT_MAIL_API_URL": simulated.url, "HERAUT_MAIL_API_TOKEN": "made-up",
        }  # fmt: skip
        provider = open_provider(Channel.EMAIL, load(EmailConfig, settings), SystemClock())

        async def handed() -> set[Ending]:
            return {one.ending for one in (await provider.hand_over(some_work(3), lambda: True)).results}

        await _tell(f"{url}/{name}/faults", {"percent": {"answerLost": 100}})
        lost, figures = await handed(), dict(simulated.figures)
        await _tell(f"{url}/{name}/faults", {"percent": {"refused": 100}})
        refused = await handed()
        await _tell(f"{url}/{name}/faults", {})
        await _tell(f"{url}/{name}/outage", {"seconds": 60}, "POST")
        away = await handed()
        await provider.close()

    assert ({Ending.REPEAT}, {Ending.REFUSED}, True) == (lost, refused, Ending.ACCEPTED not in away)
    assert {"requests": 3, "taken": 3} == figures
