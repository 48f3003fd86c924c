"""Dispatch's settings: those that every service has, and where its one channel hands over to.

It loads no adapter: settings can be read and checked without the library of any provider.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.kit.config import ServiceConfig, duration, one_of, setting

__all__ = ["Config", "EmailConfig", "LetterConfig", "PortalConfig", "SmtpAddress", "smtp_address"]

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class SmtpAddress:
    """Where mail goes and how: from `smtp://[user:password@]host[:port]` or `smtps://...`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("must be smtp://[user:password@]host[:port] or smtps://...")
        self.host = parts.hostname
        self.tls = parts.scheme == "smtps"
        self.port = parts.port or (465 if self.tls else 25)
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None

    @property
    def start_tls(self) -> bool | None:
        """Whether to ask for TLS: None = where the server offers it. A password never goes out in the open."""
        if self.tls:
            return False
        return True if self.password and self.host not in _LOCAL else None


def smtp_address(url: str) -> SmtpAddress:
    """Parse HERAUT_SMTP_URL. Raises ValueError, which repeats no part of it: it may hold a password."""
    return SmtpAddress(url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What dispatch needs to know whatever its channel; the other channels' settings may be there as well."""

    unknown_after: timedelta = setting("HERAUT_UNKNOWN_AFTER", duration, default=timedelta(hours=72))


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterConfig(Config):
    """What dispatch-letter needs to know."""

    print_dir: Path | None = setting("HERAUT_PRINT_DIR", Path, default=None)  # unset = `print` in the data directory
    letter_format: str = setting("HERAUT_LETTER_FORMAT", one_of("pdf", "ndjson"), default="pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig(Config):
    """What dispatch-email needs to know."""

    smtp_url: SmtpAddress = setting("HERAUT_SMTP_URL", smtp_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalConfig(Config):
    """What dispatch-portal needs to know."""

    portal_url: str = setting("HERAUT_PORTAL_URL")
