"""Dispatch's settings: those that every service has, and where its one channel hands over to.

It loads no adapter: settings can be read and checked without the library of any provider.
"""

import dataclasses
import grp
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from services.core.transport import Peer, is_local
from services.dispatch.rates import Cap
from services.kit.config import Choice, ServiceConfig, chosen, duration, one_of, positive_int, setting, takes
from services.kit.files import lies_open
from services.rendering.letters.profile import FILE_FORMATS, Profile
from services.rendering.letters.profile_file import USUAL_PROFILE, named_profile

__all__ = [
    "NOBODY",
    "NOTIFY",
    "Config",
    "LetterConfig",
    "NotifyConfig",
    "PortalConfig",
    "ProviderAddress",
    "SftpAddress",
    "bearer_token",
    "caps_of",
    "own_https",
    "provider_addresses",
    "provider_setting",
    "sftp_address",
]

NOBODY: Final = ("127.0.0.1", 9)  # an address where nobody listens: RFC 863's discard on this machine
_HTTP_PORTS: Final[Mapping[str, int]] = MappingProxyType({"http": 80, "https": 443})


@dataclass(frozen=True, slots=True)
class ProviderAddress:
    """What can be known of a setting that holds the address of a channel's provider.

    `provider` is the word by which people know what is there. `ports` are the schemes that the address may have, each
    with the port that is meant where the address names none. `instead` are settings of other providers that may take
    its place.
    """

    setting: str
    provider: str
    ports: Mapping[str, int]
    instead: tuple[str, ...] = ()

    @property
    def of_nobody(self) -> str:
        """The address of nobody, with which `heraut up` starts a channel that has no provider."""
        host, port = NOBODY
        return f"{next(iter(self.ports))}://{host}:{port}"


def provider_setting(
    env: str,
    parse: Callable[[str], Any] = str,
    *,
    provider: str,
    ports: Mapping[str, int],
    instead: tuple[str, ...] = (),
) -> Any:
    """Declare a setting with the address of a channel's provider: needed, unless others may stand for it."""
    default = None if instead else dataclasses.MISSING
    return setting(env, parse, default=default, about=ProviderAddress(env, provider, ports, instead))


class SftpAddress:
    """Where print files are sent to: from `sftp://user@host[:port][/folder]`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "sftp" or not parts.hostname or not parts.username or parts.password:
            raise ValueError("must be sftp://user@host[:port][/folder]")
        self.host, self.port, self.user = parts.hostname, parts.port or 22, unquote(parts.username)
        self.folder = unquote(parts.path).rstrip("/")  # as the server has it, from its root


@takes("sftp://user@host[:port][/folder]")
def sftp_address(url: str) -> SftpAddress:
    """Parse HERAUT_PRINT_SFTP_URL. Raises ValueError."""
    return SftpAddress(url)


@takes("public key as OpenSSH writes it: ssh-ed25519 AAAA...")
def _host_key(text: str) -> str:
    """Check the form of a server's public key (RFC 4253, 6.6)."""
    if not re.fullmatch(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?", text.strip(), re.ASCII):
        raise ValueError("must be a public key as OpenSSH writes it: ssh-ed25519 AAAA...")
    return text.strip()


@takes("public key of age: age1...")
def _age_recipient(text: str) -> str:
    """Check the form of a public key of age (Bech32, 32 bytes)."""
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", text, re.ASCII):
        raise ValueError("must be a public key of age: age1...")
    return text


@takes("letters, digits and -._~+/")
def bearer_token(text: str) -> str:
    """Check a bearer token (RFC 6750, 2.1). Raises ValueError, which repeats nothing of it."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text, re.ASCII):
        raise ValueError("must be a bearer token: letters, digits and -._~+/")
    return text


@takes("OIN: 20 digits")
def _oin(text: str) -> str:
    """Check the form of an organisation's number (Logius: Organisatie-identificatienummer). Raises ValueError."""
    if not re.fullmatch(r"[0-9]{20}", text, re.ASCII):
        raise ValueError("must be an OIN: 20 digits")
    return text


@takes("group of this machine, by name or number")
def _group(name: str) -> int:
    """Return the id of a group of this machine, by its name or its number."""
    if re.fullmatch(r"[0-9]{1,9}", name, re.ASCII):
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError("must be a group of this machine") from None


_profile = takes("name of a profile, or a file")(named_profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What dispatch needs to know whatever its channel; the other channels' settings may be there as well."""

    unknown_after: timedelta = setting("HERAUT_UNKNOWN_AFTER", duration, default=timedelta(hours=72))

    @property
    def caps(self) -> Sequence[Cap]:
        """How much its provider may be handed; nothing = as much as it takes."""
        return ()

    @property
    def per_day(self) -> int | None:
        """How much its provider may be handed on a day, from midnight UTC; None = as much as it takes."""
        return None

    @property
    def has_provider(self) -> bool:
        """Whether it hands over to anybody, and not to the address of nobody."""
        return True

    # `BreakerPolicy.window` has the reason for the default.
    refused_after: timedelta = setting("HERAUT_REFUSED_AFTER", duration, default=timedelta(seconds=60))


@takes("https://host[/path]")
def own_https(url: str) -> str:
    """Check the address of a provider that is shown a secret: authenticated TLS, or this machine. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local(parts.hostname))):
        raise ValueError("must be https://host[/path]")
    return url


@takes("name-service-secret, as Notify shows it once")
def _notify_key(text: str) -> str:
    """Check a key of Notify: a name, and the UUIDs of service and secret. Raises ValueError, which repeats nothing."""
    if not re.fullmatch(r"[!-~]*-?([0-9a-f-]{36})-([0-9a-f-]{36})", text, re.ASCII | re.IGNORECASE):
        raise ValueError("must be an API key of Notify: name-service-secret")
    return text


_GOV_UK: Final = "notifications.service.gov.uk"
NOTIFY: Final = "notify"  # the provider's name, in settings and figures


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyConfig(Config):
    """What a channel needs to know that may hand over to Notify."""

    notify_url: str | None = setting("HERAUT_NOTIFY_URL", own_https, default=None)
    notify_key: str | None = setting("HERAUT_NOTIFY_KEY", _notify_key, default=None)
    notify_template: str | None = setting("HERAUT_NOTIFY_TEMPLATE", default=None)
    notify_callback_token: str | None = setting("HERAUT_NOTIFY_CALLBACK_TOKEN", bearer_token, default=None)
    notify_reply_to: str | None = setting("HERAUT_NOTIFY_REPLY_TO", default=None)

    def notify_peer(self) -> Peer:
        """Return who Notify is."""
        host, secured = urlsplit(self.notify_url or "").hostname or "", (self.notify_url or "").startswith("https:")
        return Peer("notify", "HERAUT_NOTIFY_URL", (host,), secured, "https://", "knows us by our key")


# Who may be given letters, and what each needs: for a print house the folder is there without a setting.
_LETTER_PROVIDERS: Final = Choice(
    "HERAUT_LETTER_PROVIDER", {"print": (), NOTIFY: ("HERAUT_NOTIFY_URL", "HERAUT_NOTIFY_KEY")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterConfig(NotifyConfig):
    """What dispatch-letter needs to know."""

    choices = (*NotifyConfig.choices, _LETTER_PROVIDERS)

    letter_provider: str = chosen(_LETTER_PROVIDERS)
    print_dir: Path | None = setting("HERAUT_PRINT_DIR", Path, default=None)  # unset = `print` in the data directory
    print_group: int | None = setting("HERAUT_PRINT_GROUP", _group, default=None)
    letter_format: str | None = setting("HERAUT_LETTER_FORMAT", one_of(*FILE_FORMATS), default=None)
    print_profile: Profile = setting("HERAUT_PRINT_PROFILE", _profile, default=USUAL_PROFILE)
    print_close_after: timedelta | None = setting("HERAUT_PRINT_CLOSE_AFTER", duration, default=None)
    # Unset: print files stay in the print folder, for a print house to fetch.
    print_sftp_url: SftpAddress | None = setting("HERAUT_PRINT_SFTP_URL", sftp_address, default=None)
    print_sftp_key: Path | None = setting("HERAUT_PRINT_SFTP_KEY", Path, default=None)
    print_sftp_host_key: str | None = setting("HERAUT_PRINT_SFTP_HOST_KEY", _host_key, default=None)
    # Of the server: below the folder of HERAUT_PRINT_SFTP_URL, unless it begins with a slash.
    print_sftp_answers: str = setting("HERAUT_PRINT_SFTP_ANSWERS", default="answers")
    # How long print files stay once the print house has them.
    print_keep: timedelta = setting("HERAUT_PRINT_KEEP", duration, default=timedelta(days=7))
    print_age_recipient: str | None = setting("HERAUT_PRINT_AGE_RECIPIENT", _age_recipient, default=None)
    letter_per_second: int | None = setting("HERAUT_LETTER_PER_SECOND", positive_int, default=None)
    letter_per_minute: int | None = setting("HERAUT_LETTER_PER_MINUTE", positive_int, default=None)
    letter_per_day: int | None = setting("HERAUT_LETTER_PER_DAY", positive_int, default=None)

    @property
    def caps(self) -> Sequence[Cap]:
        """How many letters a provider may be handed that takes them one by one; print files have none."""
        return caps_of(self.letter_per_second, self.letter_per_minute)

    @property
    def per_day(self) -> int | None:
        """How many letters it may be handed on a day."""
        return self.letter_per_day

    def folders(self) -> dict[str, Path]:
        """Return the folders whose disk may fill up."""
        return {**Config.folders(self), "print": self.print_dir or self.data_dir / "print"}

    def peers(self) -> list[Peer]:
        """Return whom these settings lead to."""
        return [*Config.peers(self), *([self.notify_peer()] if self.letter_provider == NOTIFY else [])]

    def faults(self) -> list[str]:
        """Return what is wrong between settings."""
        if (self.caps or self.per_day) and self.letter_provider == "print":
            return [*Config.faults(self), "HERAUT_LETTER_PER_SECOND, _MINUTE, _DAY: a print house is handed files"]
        if self._is_set_for_another_notify():
            return [*Config.faults(self), "HERAUT_PRINT_PROFILE: GOV.UK's letters have another window than NotifyNL's"]
        if self.print_age_recipient and self.print_sftp_url is None:
            return [*Config.faults(self), "HERAUT_PRINT_AGE_RECIPIENT: only files that are sent are encrypted"]
        if self.print_sftp_url is None or (self.print_sftp_key and self.print_sftp_host_key):
            return Config.faults(self)
        needed = "HERAUT_PRINT_SFTP_KEY and HERAUT_PRINT_SFTP_HOST_KEY are needed with HERAUT_PRINT_SFTP_URL"
        return [*Config.faults(self), needed]

    def _is_set_for_another_notify(self) -> bool:
        """Tell whether letters would be set as NotifyNL asks, and go to GOV.UK, which rejects them once it has them."""
        host = urlsplit(self.notify_url or "").hostname or ""
        to_notify = self.letter_provider == NOTIFY and self.print_profile is USUAL_PROFILE
        return to_notify and host.endswith(_GOV_UK)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalConfig(Config):
    """What dispatch-portal needs to know."""

    portal_url: str = provider_setting("HERAUT_PORTAL_URL", provider="portal", ports=_HTTP_PORTS)
    portal_token: str | None = setting("HERAUT_PORTAL_TOKEN", bearer_token, default=None)
    oauth_url: str | None = setting("HERAUT_PORTAL_OAUTH_URL", default=None)
    oauth_client: str | None = setting("HERAUT_PORTAL_OAUTH_CLIENT", default=None)
    oauth_secret: str | None = setting("HERAUT_PORTAL_OAUTH_SECRET", default=None)
    oauth_scope: str | None = setting("HERAUT_PORTAL_OAUTH_SCOPE", default=None)
    portal_cert: Path | None = setting("HERAUT_PORTAL_CERT", Path, default=None)
    portal_key: Path | None = setting("HERAUT_PORTAL_KEY", Path, default=None)
    portal_ca: Path | None = setting("HERAUT_PORTAL_CA", Path, default=None)
    # A store of the Federatief Berichtenstelsel wants to know who sends; unset: a portal as Heraut defines it.
    portal_oin: str | None = setting("HERAUT_PORTAL_OIN", _oin, default=None)
    portal_per_second: int | None = setting("HERAUT_PORTAL_PER_SECOND", positive_int, default=None)
    portal_per_minute: int | None = setting("HERAUT_PORTAL_PER_MINUTE", positive_int, default=None)
    portal_per_day: int | None = setting("HERAUT_PORTAL_PER_DAY", positive_int, default=None)

    @property
    def caps(self) -> Sequence[Cap]:
        """How much the portal may be handed."""
        return caps_of(self.portal_per_second, self.portal_per_minute)

    @property
    def per_day(self) -> int | None:
        """How much the portal may be handed on a day."""
        return self.portal_per_day

    @property
    def has_provider(self) -> bool:
        """Whether there is a portal."""
        parts = urlsplit(self.portal_url)
        return (parts.hostname, parts.port) != NOBODY

    def certificates(self) -> dict[str, Path | None]:
        """Return the certificates that the process shows."""
        return {**Config.certificates(self), "portal": self.portal_cert}

    def faults(self) -> list[str]:
        """Return what is wrong between settings."""
        return [*Config.faults(self), *self._credential_faults(), *self._exposed()]

    def _credential_faults(self) -> Iterator[str]:
        """Return what is missing, or too much, of what the portal is to know us by."""
        if self.portal_token and self.oauth_url:
            yield "HERAUT_PORTAL_TOKEN, HERAUT_PORTAL_OAUTH_URL: the portal knows us by one of them"
        if self.oauth_url and not self.oauth_client:
            yield "HERAUT_PORTAL_OAUTH_CLIENT is needed with HERAUT_PORTAL_OAUTH_URL"
        if self.oauth_url and not self.oauth_secret and not self.portal_cert:
            yield "HERAUT_PORTAL_OAUTH_SECRET, or HERAUT_PORTAL_CERT, is needed with HERAUT_PORTAL_OAUTH_URL"
        if not self.oauth_url and (self.oauth_client or self.oauth_secret or self.oauth_scope):
            yield "HERAUT_PORTAL_OAUTH_URL is needed with the others of HERAUT_PORTAL_OAUTH_*"
        if (self.portal_cert is None) != (self.portal_key is None):
            yield "HERAUT_PORTAL_CERT and HERAUT_PORTAL_KEY: both are needed"
        for peer in self._portal_peers():
            if (self.portal_cert or self.portal_ca) and not peer.secured:
                yield f"{peer.setting}: is to be https:// where HERAUT_PORTAL_CERT or _CA is set"

    def _exposed(self) -> Iterator[str]:
        """Return which secret would go out in plain text, whatever is permitted, and which lies open."""
        for peer, name, secret in zip(
            self._portal_peers(),
            ("HERAUT_PORTAL_TOKEN", "HERAUT_PORTAL_OAUTH_SECRET"),
            (self.portal_token or self.oauth_url, self.oauth_url),
            strict=False,
        ):
            if secret and not peer.secured and not peer.is_here:
                yield f"{name}: would go out in plain text; {peer.setting}=https://..."
        if self.portal_key is not None and self.portal_key.exists() and lies_open(self.portal_key):
            yield f"HERAUT_PORTAL_KEY: {self.portal_key} is open to others: chmod 600"

    def peers(self) -> list[Peer]:
        """Return whom these settings lead to."""
        return [*Config.peers(self), *self._portal_peers()]

    def _portal_peers(self) -> list[Peer]:
        """Return the portal, and who gives its tokens."""
        certificate = "our certificate" if self.portal_cert else ""
        token = "tokens of HERAUT_PORTAL_OAUTH_URL" if self.oauth_url else "our token" if self.portal_token else ""
        secret = "our password" if self.oauth_secret else ""
        found = [_https("HERAUT_PORTAL_URL", self.portal_url, token, certificate)]
        if self.oauth_url:
            found.append(_https("HERAUT_PORTAL_OAUTH_URL", self.oauth_url, secret, certificate))
        return found


def caps_of(per_second: int | None, per_minute: int | None) -> Sequence[Cap]:
    """Return the caps of a provider that has some."""
    return [Cap(most, seconds) for most, seconds in ((per_second, 1.0), (per_minute, 60.0)) if most is not None]


def _https(name: str, url: str, *known_by: str) -> Peer:
    parts = urlsplit(url)
    words = " and ".join(filter(None, known_by))
    words = f"knows us by {words}" if words else ""
    secured = parts.scheme == "https"
    return Peer("portal", name, (parts.hostname or "",), secured, "its URL is to be https://", known_by=words)


def provider_addresses(config: type[Config]) -> tuple[ProviderAddress, ...]:
    """Return what is known of the addresses that a channel's settings must name."""
    about = (field.metadata.get("about") for field in dataclasses.fields(config))
    return tuple(one for one in about if isinstance(one, ProviderAddress))
