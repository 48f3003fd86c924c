"""What `heraut doctor` says of the names that mails go out under, asked of a real DNS server."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.cli.finding import Finding
from services.cli.mail_findings import Names, _ptr, _tls, mail_findings
from services.dispatch.mail_config import EmailConfig, SmtpAddress
from services.kit.certificate import OwnPair, calling, listening
from services.kit.config import load
from tests.certificates import made_certificates
from tests.integration.dispatch.dns_server import dns_server

Zone = Mapping[tuple[str, str], list[str]]


def _key(bits: int) -> str:
    public = generate_private_key(65537, bits).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _texts(record: str) -> list[str]:
    """Return a TXT record as zone files have it: in strings of 255 bytes at most."""
    return [" ".join(f'"{record[at : at + 250]}"' for at in range(0, len(record), 250))]


SOUND = {
    ("bounces.ministerie.example", "TXT"): _texts("v=spf1 ip4:192.0.2.25 -all"),
    ("heraut._domainkey.ministerie.example", "TXT"): _texts(f"v=DKIM1; k=rsa; p={_key(2048)}"),
    ("_dmarc.ministerie.example", "TXT"): _texts("v=DMARC1; p=reject"),
    ("ministerie.example", "MX"): ["10 mx.ministerie.example."],
    ("bounces.ministerie.example", "MX"): ["10 mx.ministerie.example."],
    ("mx.ministerie.example", "A"): ["192.0.2.10"],
    ("relay.ministerie.example", "A"): ["192.0.2.25"],
    ("25.2.0.192.in-addr.arpa", "PTR"): ["relay.ministerie.example."],
}


async def _found(zone: Zone, **settings: str) -> dict[str, Finding]:
    environ = {
        "HERAUT_EMAIL_PROVIDER": "mail-api",
        "HERAUT_MAIL_API_URL": "https://api.example",
        "HERAUT_MAIL_API_TOKEN": "made-up",
        "HERAUT_MAIL_FROM": "bericht@ministerie.example",
        "HERAUT_SMTP_BOUNCES": "retour@bounces.ministerie.example",
    } | settings
    async with dns_server(zone) as address:
        config = load(EmailConfig, environ)
        return {one.name: one async for one in mail_findings(config, Names([address]), ["heraut"])}


async def test_a_sound_sender_is_said_to_be_sound() -> None:
    """Each thing that bulk receivers ask for has a line."""
    found = await _found(SOUND)

    assert {"ok"} == {one.mark for one in found.values()}
    assert {"SPF", "DKIM", "DMARC", "MX of ministerie.example", "MX of bounces.ministerie.example"} == set(found)


@pytest.mark.parametrize(
    ("changes", "name", "mark", "words"),
    [
        ({("bounces.ministerie.example", "TXT"): []}, "SPF", "FAULT", "no records"),
        ({("bounces.ministerie.example", "TXT"): _texts("v=spf1 +all")}, "SPF", "FAULT", "everybody"),
        ({("bounces.ministerie.example", "TXT"): _texts("v=spf1 mx ?all")}, "SPF", "look", "-all or ~all"),
        ({("bounces.ministerie.example", "TXT"): ['"v=spf1 -all"', '"v=spf1 mx -all"']}, "SPF", "FAULT", "2 records"),
        ({("heraut._domainkey.ministerie.example", "TXT"): []}, "DKIM", "FAULT", "has no key"),
        ({("heraut._domainkey.ministerie.example", "TXT"): _texts("v=DKIM1; p=")}, "DKIM", "FAULT", "taken back"),
        (
            {("heraut._domainkey.ministerie.example", "TXT"): _texts("v=DKIM1; p=bm8=")},
            "DKIM",
            "FAULT",
            "cannot be read",
        ),
        ({("heraut._domainkey.ministerie.example", "TXT"): _texts(f"p={_key(1024)}")}, "DKIM", "look", "1024 bits"),
        ({("_dmarc.ministerie.example", "TXT"): []}, "DMARC", "FAULT", "has no record"),
        ({("_dmarc.ministerie.example", "TXT"): _texts("v=DMARC1; p=none")}, "DMARC", "look", "p=none"),
        ({("_dmarc.ministerie.example", "TXT"): _texts("v=DMARC1; p=reject; aspf=s")}, "DMARC", "look", "not aligned"),
        ({("ministerie.example", "MX"): ["0 ."]}, "MX of ministerie.example", "FAULT", "takes no mail"),
        ({("mx.ministerie.example", "A"): []}, "MX of ministerie.example", "FAULT", "has no address"),
    ],
)
async def test_what_receivers_would_refuse_is_a_fault(changes: Zone, name: str, mark: str, words: str) -> None:
    """Before the first of 330,000 mails is refused for it."""
    found = await _found({**SOUND, **changes})

    assert mark == found[name].mark
    assert words in found[name].words


async def test_the_relay_has_a_name_that_leads_back() -> None:
    """Large receivers look up who sends."""
    strange = SOUND | {("25.2.0.192.in-addr.arpa", "PTR"): ["other.example."]}
    marks = []
    for zone in (SOUND, strange, {}):
        async with dns_server(zone) as address:
            marks.append((await _ptr(Names([address]), "relay.ministerie.example")).mark)

    assert ["ok", "FAULT", "FAULT"] == marks


async def test_the_mail_server_proves_who_it_is(tmp_path: Path) -> None:
    """A certificate that ends tomorrow wants somebody's eye, and one of an unknown authority is none."""
    made = made_certificates(tmp_path)
    tls = listening(OwnPair(made.certificate, made.certificate, "x"))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(None, hostname="x", tls_context=tls, loop=loop), "127.0.0.1", 0)
    async with server:
        url = SmtpAddress(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        known, unknown = await _tls(url, calling(made.authority, "x")), await _tls(url)

    assert ("look", "look") == (known.mark, unknown.mark)
    assert "until" in known.words
    assert "without TLS that proves who answers" in unknown.words


async def test_without_a_sender_of_its_own_nothing_is_claimed() -> None:
    """Each incident has a controller of its own then; and a DNS server that is away is no sound sender."""
    async with dns_server({}) as address:
        settings = {"HERAUT_SMTP_URL": "smtp://127.0.0.1:9"}
        unset = [one async for one in mail_findings(load(EmailConfig, settings), Names([address]), [])]
        named = load(EmailConfig, settings | {"HERAUT_MAIL_FROM": "a@nowhere.example"})
        missing = {one.name: one.mark async for one in mail_findings(named, Names([address]), [])}

    assert [("mail sender", "look")] == [(one.name, one.mark) for one in unset]
    assert ("FAULT", "look", "FAULT") == (missing["SPF"], missing["DKIM"], missing["DMARC"])
