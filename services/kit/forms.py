"""What texts a setting takes, and how it is declared; `config` reads them into the classes of settings."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from services.core.transport import PEERS

__all__ = [
    "Choice",
    "Networks",
    "chosen",
    "duration",
    "form_of",
    "networks",
    "one_of",
    "peers",
    "port",
    "positive_int",
    "seconds",
    "setting",
    "takes",
    "web_address",
    "words",
]

P = TypeVar("P", bound=Callable[[str], Any])
Networks = tuple[IPv4Network | IPv6Network, ...]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def setting(
    env: str, parse: Callable[[str], Any] = str, *, default: Any = dataclasses.MISSING, about: object = None
) -> Any:
    """Declare a field that is read from the variable `env`, or from the file named by `<env>_FILE`.

    `parse` turns the text into the value and raises ValueError saying what it should be. Without a
    `default` the variable is required. `about` is what a room tells others of the setting; `load` ignores it. No value
    is in the `repr` of a configuration: some are passwords.
    """
    metadata = {"env": env, "parse": parse, "about": about}
    return dataclasses.field(default=default, metadata=metadata, kw_only=True, repr=False)


# What texts a parser takes, in words, for the list of settings.
_FORMS: dict[Callable[[str], Any], str] = {str: "text", Path: "path"}


def takes(words: str) -> Callable[[P], P]:
    """Say of a parser of settings, in words, what texts it takes."""

    def note(parse: P) -> P:
        _FORMS[parse] = words
        return parse

    return note


def form_of(parse: Callable[[str], Any]) -> str:
    """Return what texts a parser of settings takes. Raises KeyError where nobody said it."""
    return _FORMS[parse]


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes only these words."""

    @takes(" or ".join(filter(None, (", ".join(words[:-1]), words[-1]))))
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting that says which of several things is used: a log, a provider. Each needs settings of its own.

    `needed` has them by the setting's words; the first word is the default.
    """

    setting: str
    needed: Mapping[str, tuple[str, ...]]

    @property
    def default(self) -> str:
        """The word that holds where none is given."""
        return next(iter(self.needed))


def chosen(choice: Choice) -> Any:
    """Declare the field of a choice."""
    return setting(choice.setting, one_of(*choice.needed), default=choice.default)


@takes("whole number above 0")
def positive_int(text: str) -> int:
    """Parse a whole number above zero."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("must be a whole number above 0")
    return int(text)


@takes("words with commas between them")
def words(text: str) -> tuple[str, ...]:
    """Parse words with commas between them."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise ValueError("must be words with commas between them")
    return found


@takes(f"some of {', '.join(PEERS)}, with commas between them")
def peers(text: str) -> tuple[str, ...]:
    """Parse the words of peers that may be reached without TLS."""
    named = words(text)
    if not set(named) <= set(PEERS):
        raise ValueError(f"must be some of {', '.join(PEERS)}, with commas between them")
    return named


@takes("networks with commas between them")
def networks(text: str) -> Networks:
    """Parse networks with commas between them, such as `10.0.0.0/8, ::1`."""
    try:
        found = tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError:
        found = ()
    if not found:
        raise ValueError("must be addresses or networks with commas between them")
    return found


@takes("port, 0 to 65535")
def port(text: str) -> int:
    """Parse a TCP port; 0 means any free one."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("must be a port, 0 to 65535")
    return int(text)


@takes("http:// or https:// address")
def web_address(text: str) -> str:
    """Parse the base address of a server: without a password, a query or a fragment."""
    parts = urlsplit(text)
    surplus = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or surplus:
        raise ValueError("must be http://host:port or https://host:port")
    return text


@takes("seconds, or 90s, 2m")
def seconds(text: str) -> float:
    """Parse a number of seconds above zero, with or without a unit."""
    return duration(text if re.search(r"[a-z]$", text) else f"{text}s").total_seconds()


@takes("duration: 250ms, 90s, 30m, 72h, 7d")
def duration(text: str) -> timedelta:
    """Parse `72h`, `30m`, `90s`, `7d`, `250ms`."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text)
    if not match:
        raise ValueError("must be a duration such as 72h, 30m, 90s or 7d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
