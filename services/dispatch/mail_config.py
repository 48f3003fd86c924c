"""The settings of dispatch-email: who is given its mails, in whose name, and what receiving domains take."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

from services.core.mailbox import LOCAL_PART, is_host, mailbox
from services.core.return_path import RETURN_TAG
from services.core.transport import Peer, is_local
from services.dispatch.config import NOBODY, NOTIFY, Config, NotifyConfig, caps_of, own_https, provider_setting
from services.dispatch.rates import Cap
from services.kit.config import Choice, chosen, positive_int, setting, takes

__all__ = ["EVERY_OTHER", "EmailConfig", "Limit", "SmtpAddress", "smtp_address"]

_SMTP_PORTS: Final[Mapping[str, int]] = MappingProxyType({"smtp": 25, "smtps": 465})


class SmtpAddress:
    """Where mail goes and how: from `smtp://[user:password@]host[:port]` or `smtps://...`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SMTP_PORTS or not parts.hostname:
            raise ValueError("must be smtp://[user:password@]host[:port] or smtps://...")
        self.host = parts.hostname
        self.tls = parts.scheme == "smtps"
        self.port = parts.port or _SMTP_PORTS[parts.scheme]
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None

    def start_tls(self, *, plaintext: bool) -> bool | None:
        """Whether to ask for TLS: None = where the server offers it; True = or nothing is sent.

        With `plaintext` mail may go out in the open beyond this machine, but never a password.
        """
        if self.tls:
            return False
        return None if is_local(self.host) or (plaintext and not self.password) else True


@takes("smtp://[user:password@]host[:port] or smtps://...")
def smtp_address(url: str) -> SmtpAddress:
    """Parse HERAUT_SMTP_URL. Raises ValueError, which repeats no part of it: it may hold a password."""
    return SmtpAddress(url)


@takes("e-mail address")
def _mail_address(text: str) -> str:
    """Check an e-mail address. Raises ValueError."""
    found = mailbox(text)
    if found is None:
        raise ValueError("must be an e-mail address")
    return found


@takes("e-mail address, to which each mail adds +<notice>.<attempt>.<proof>")
def _bounce_address(text: str) -> str:
    """Check an address that has room for what each mail adds to it. Raises ValueError."""
    found = _mail_address(text)
    room = LOCAL_PART - RETURN_TAG - 1
    if len(found.rpartition("@")[0]) > room:
        raise ValueError(f"must have {room} characters at most before the @: each mail adds its own")
    return found


@takes("address:port")
def _host_and_port(text: str) -> tuple[str, int]:
    """Read where to listen. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise ValueError("must be address:port")
    return host.strip("[]"), int(port)


@takes("name of a host")
def _host_name(text: str) -> str:
    """Check the name of a host. Raises ValueError."""
    if not is_host(text):
        raise ValueError("must be the name of a host")
    return text


EVERY_OTHER: Final = "*"  # the domain that stands for all that are not named
_LIMIT = re.compile(
    r"(?P<domains>[^=\s]+)=(?P<at_once>[1-9][0-9]{0,3})?(?:/(?P<mails>[1-9][0-9]{0,5})(?P<unit>[smh]))?"
)
_UNITS: Final[Mapping[str, int]] = MappingProxyType({"s": 1, "m": 60, "h": 3600})


@dataclass(frozen=True, slots=True)
class Limit:
    """So many mails to a domain at once, and so many a second; None = as many as may be."""

    at_once: int | None = None
    per_second: float | None = None


@takes("domain=mails at once/mails a s, m or h, with commas between: *=8/100s, a.example+b.example=2/600m")
def _domain_limits(text: str) -> Mapping[str, Limit]:
    """Parse what domains take: `+` between those of one host, which share their limit. Raises ValueError."""
    found: dict[str, Limit] = {}
    for part in text.split(","):
        told = _LIMIT.fullmatch(part.strip())
        named = told["domains"].lower().split("+") if told else []
        if not told or not (told["at_once"] or told["mails"]) or not all(map(_is_limited, named)):
            raise ValueError(
                "must be domains=mails at once/mails a s, m or h, like *=8/100s,a.example+b.example=2/600m"
            )
        rate = int(told["mails"]) / _UNITS[told["unit"]] if told["mails"] else None
        found |= dict.fromkeys(named, Limit(int(told["at_once"]) if told["at_once"] else None, rate))
    return found


def _is_limited(name: str) -> bool:
    return name == EVERY_OTHER or is_host(name)


@takes("text without spaces")
def _header_text(text: str) -> str:
    """Check a secret that goes into a header. Raises ValueError, which repeats nothing of it."""
    if not re.fullmatch(r"[!-~]+", text, re.ASCII):
        raise ValueError("must be text without spaces")
    return text


# Who may be given e-mails, and what each needs.
_PROVIDERS: Final = Choice(
    "HERAUT_EMAIL_PROVIDER",
    {
        "smtp": ("HERAUT_SMTP_URL",),
        "mail-api": ("HERAUT_MAIL_API_URL", "HERAUT_MAIL_API_TOKEN"),
        NOTIFY: ("HERAUT_NOTIFY_URL", "HERAUT_NOTIFY_KEY", "HERAUT_NOTIFY_TEMPLATE"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig(NotifyConfig):
    """What dispatch-email needs to know."""

    choices = (*NotifyConfig.choices, _PROVIDERS)

    email_provider: str = chosen(_PROVIDERS)
    smtp_url: SmtpAddress | None = provider_setting(
        "HERAUT_SMTP_URL",
        smtp_address,
        provider="mail server",
        ports=_SMTP_PORTS,
        instead=("HERAUT_MAIL_API_URL", "HERAUT_NOTIFY_URL"),
    )
    mail_from: str | None = setting("HERAUT_MAIL_FROM", _mail_address, default=None)
    smtp_replies: str | None = setting("HERAUT_SMTP_REPLIES", _mail_address, default=None)
    smtp_bounces: str | None = setting("HERAUT_SMTP_BOUNCES", _bounce_address, default=None)
    smtp_ca: Path | None = setting("HERAUT_SMTP_CA", Path, default=None)
    bounces_listen: tuple[str, int] | None = setting("HERAUT_BOUNCES_LISTEN", _host_and_port, default=None)
    smtp_own_name: str | None = setting("HERAUT_SMTP_OWN_NAME", _host_name, default=None)
    # Each waits for four answers a mail; eight hide a server's latency of some milliseconds, and relays allow them.
    smtp_connections: int = setting("HERAUT_SMTP_CONNECTIONS", positive_int, default=8)
    smtp_mails: int | None = setting("HERAUT_SMTP_MAILS_A_CONNECTION", positive_int, default=None)
    smtp_domains: Mapping[str, Limit] | None = setting("HERAUT_SMTP_DOMAINS", _domain_limits, default=None)
    email_per_second: int | None = setting("HERAUT_EMAIL_PER_SECOND", positive_int, default=None)
    email_per_minute: int | None = setting("HERAUT_EMAIL_PER_MINUTE", positive_int, default=None)
    email_per_day: int | None = setting("HERAUT_EMAIL_PER_DAY", positive_int, default=None)

    mail_api_url: str | None = setting("HERAUT_MAIL_API_URL", own_https, default=None)
    mail_api_token: str | None = setting("HERAUT_MAIL_API_TOKEN", _header_text, default=None)
    mail_api_stream: str = setting("HERAUT_MAIL_API_STREAM", default="outbound")

    @property
    def caps(self) -> Sequence[Cap]:
        """How much the mail server, or the provider, may be handed."""
        return caps_of(self.email_per_second, self.email_per_minute)

    @property
    def per_day(self) -> int | None:
        """How much the mail server, or the provider, may be handed on a day."""
        return self.email_per_day

    @property
    def has_provider(self) -> bool:
        """Whether there is a mail server, or another provider."""
        return self.email_provider != "smtp" or not self.smtp_url or (self.smtp_url.host, self.smtp_url.port) != NOBODY

    def faults(self) -> list[str]:
        """Return what is wrong between settings."""
        if self.bounces_listen and not self.smtp_bounces:
            needed = "HERAUT_SMTP_BOUNCES is needed with HERAUT_BOUNCES_LISTEN: the mailbox that bounces come to"
            return [*Config.faults(self), needed]
        return Config.faults(self)

    def callers(self) -> list[Peer]:
        """Return who comes in."""
        if self.bounces_listen is None:
            return Config.callers(self)
        secured = self.tls_cert is not None and self.tls_key is not None
        known = "HERAUT_TLS_CERT and HERAUT_TLS_KEY are to be set"
        return [
            *Config.callers(self),
            Peer("smtp", "HERAUT_BOUNCES_LISTEN", (self.bounces_listen[0],), secured, known),
        ]

    def peers(self) -> list[Peer]:
        """Return whom these settings lead to."""
        if self.email_provider == "mail-api":
            host = urlsplit(self.mail_api_url or "").hostname or ""
            secured = (self.mail_api_url or "").startswith("https:")
            return [
                *Config.peers(self),
                Peer("mail API", "HERAUT_MAIL_API_URL", (host,), secured, "https://", "knows us by our token"),
            ]
        if self.email_provider == "notify":
            return [*Config.peers(self), self.notify_peer()]
        url = self.smtp_url
        if url is None:
            return Config.peers(self)
        secured = url.tls or url.start_tls(plaintext="smtp" in self.allow_plaintext) is True
        return [*Config.peers(self), Peer("smtp", "HERAUT_SMTP_URL", (url.host,), secured, "STARTTLS or smtps://")]
