"""Dispatch's settings: those that every service has, and where its one channel hands over to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from services.core.channel import Channel
from services.dispatch.channels.email import SmtpAddress, smtp_address
from services.kit.config import ServiceConfig, duration, one_of, setting

__all__ = ["CONFIGS", "Config", "EmailConfig", "LetterConfig", "PortalConfig"]


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


CONFIGS: Mapping[Channel, type[Config]] = MappingProxyType(
    {Channel.LETTER: LetterConfig, Channel.EMAIL: EmailConfig, Channel.PORTAL: PortalConfig}
)
