"""The table of channels: each has an adapter that implements the seam, and loads no library but its own."""

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from services.core.channel import Channel
from services.dispatch.channels import (
    ADAPTERS,
    PROVIDER_ADDRESSES,
    AdapterModule,
    email,
    letter,
    mail_api,
    notify,
    open_provider,
    portal,
)
from services.dispatch.config import Config, LetterConfig, PortalConfig, provider_addresses
from services.dispatch.mail_config import EmailConfig, SmtpAddress
from services.kit.clock import SystemClock
from services.kit.config import load
from services.kit.errors import ConfigError

# The type checker holds each module against the seam here: a module whose `open_provider` returns something else than
# a Provider, or takes other settings than its channel's, does not fit.
LETTER: Final[AdapterModule[LetterConfig]] = letter
EMAIL: Final[AdapterModule[EmailConfig]] = email
PORTAL: Final[AdapterModule[PortalConfig]] = portal
MODULES: Final[Mapping[Channel, AdapterModule[Any]]] = {
    Channel.LETTER: LETTER,
    Channel.EMAIL: EMAIL,
    Channel.PORTAL: PORTAL,
}
ENVIRONMENT = {address.setting: address.of_nobody for address in PROVIDER_ADDRESSES}
# The libraries that each channel's adapter loads.
LOADED_BY_CHANNEL: Final[Mapping[Channel, set[str]]] = {
    Channel.LETTER: {"cryptography", "typst"},  # the former by pypdf, which could read encrypted files
    Channel.EMAIL: {"aiosmtplib"},
    Channel.PORTAL: {"aiohttp"},
}
# Libraries that take time and memory to load, and that only their own part of the service needs.
LIBRARIES = frozenset({"aiohttp", "aiokafka", "aiosmtplib", "asyncpg", "cryptography", "typst"})


def _config(channel: Channel, folder: Path) -> Config:
    environ = ENVIRONMENT | {"HERAUT_DATA_DIR": str(folder), "HERAUT_DATABASE_URL": "postgresql://nobody@127.0.0.1/x"}
    return load(ADAPTERS[channel].config, environ)


def _required(channel: Channel) -> set[str]:
    """Return the variables without which the channel's service does not start."""
    settings = [field for field in dataclasses.fields(ADAPTERS[channel].config) if "env" in field.metadata]
    return {field.metadata["env"] for field in settings if field.default is dataclasses.MISSING}


def _loaded_by(module: str) -> set[str]:
    """Return which of the libraries a fresh process has loaded once it imported a module."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    return set(done.stdout.split()) & LIBRARIES


def test_every_channel_has_an_adapter() -> None:
    """No channel is without one, and none is in the table that no notice can take."""
    assert set(Channel) == set(ADAPTERS)
    assert {channel: ADAPTERS[channel].load() for channel in ADAPTERS} == MODULES


@pytest.mark.parametrize("channel", ADAPTERS, ids=lambda channel: channel.label)
async def test_an_opened_provider_is_of_its_channel(channel: Channel, tmp_path: Path) -> None:
    """What a channel opens from its settings hands over on that channel."""
    provider = open_provider(channel, _config(channel, tmp_path), SystemClock())
    await provider.close()
    traits = provider.traits

    assert channel is traits.channel
    assert traits.name
    assert traits.rounds_at_once >= 1
    assert traits.batch_size >= 1


def test_turns_of_two_channels_are_counted_apart() -> None:
    """Each has caps of its own, though both may hand over to the same provider."""
    every = (notify.NOTIFY_EMAIL, notify.NOTIFY_LETTER, mail_api.MAIL_API, email.TRAITS, portal.TRAITS, letter.AS_PDF)
    channels = {traits.counted_under: traits.channel for traits in every}

    assert all(channels[traits.counted_under] is traits.channel for traits in every)


def test_settings_of_another_channel_open_nothing(tmp_path: Path) -> None:
    """A mix-up of settings is a fault at the start."""
    with pytest.raises(TypeError, match="letter"):
        open_provider(Channel.LETTER, _config(Channel.PORTAL, tmp_path), SystemClock())


@pytest.mark.parametrize("channel", ADAPTERS, ids=lambda channel: channel.label)
def test_every_required_setting_of_a_channel_is_an_address(channel: Channel) -> None:
    """`heraut up` starts without a provider: each setting that it must fill says an address where nobody listens."""
    addresses = provider_addresses(ADAPTERS[channel].config)

    assert _required(channel) == {address.setting for address in addresses if not address.instead}
    assert all(urlsplit(address.of_nobody).scheme in address.ports for address in addresses)


@pytest.mark.parametrize("module", ["services.dispatch.config", "services.dispatch.channels"])
def test_settings_load_no_library(module: str) -> None:
    """Settings can be read and checked without the library of any provider."""
    assert set() == _loaded_by(module)


@pytest.mark.parametrize("channel", ADAPTERS, ids=lambda channel: channel.label)
def test_a_channel_loads_its_own_libraries_alone(channel: Channel) -> None:
    """No process pays for another channel's library."""
    assert LOADED_BY_CHANNEL[channel] == _loaded_by(f"services.dispatch.channels.{ADAPTERS[channel].module}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 25, False, None, None, True, None)),
        ("smtp://u:p%40ss@mail.example:587", ("mail.example", 587, False, "u", "p@ss", True, True)),
        ("smtp://u:p@localhost:2525", ("localhost", 2525, False, "u", "p", None, None)),
        ("smtps://mail.example", ("mail.example", 465, True, None, None, False, False)),
    ],
)
def test_addresses_of_mail_servers(url: str, expected: tuple[object, ...]) -> None:
    """Mail goes out in the open to this very machine, or where it is permitted; a password to this machine alone."""
    address = SmtpAddress(url)
    strict, permitted = (address.start_tls(plaintext=plaintext) for plaintext in (False, True))
    read = (address.host, address.port, address.tls, address.user, address.password)

    assert expected == (*read, strict, permitted)


@pytest.mark.parametrize(
    ("url", "allowed", "fine"),
    [
        ("https://portal.example", None, True),
        ("http://127.0.0.1:9", None, True),
        ("http://portal.example", "portal", True),
        ("http://portal.example", "smtp", False),
        ("http://portal.example", None, False),
    ],
)
def test_a_portal_beyond_this_machine_takes_tls(url: str, allowed: str | None, *, fine: bool) -> None:
    """Whoever reads along on the way would read what was stolen."""
    environ = {"HERAUT_PORTAL_URL": url} | ({"HERAUT_ALLOW_PLAINTEXT": allowed} if allowed else {})
    refused = nullcontext() if fine else pytest.raises(ConfigError, match="HERAUT_PORTAL_URL: leads beyond")
    with refused:
        load(PortalConfig, environ)


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("https://portal.example", "made.up-token=", None),
        ("http://127.0.0.1:9", "made.up-token=", None),
        ("http://portal.example", "made.up-token=", "HERAUT_PORTAL_TOKEN: would go out in plain text"),
        ("https://portal.example", "made up", "HERAUT_PORTAL_TOKEN: must be a bearer token"),
        ("https://portal.example", "made\r\nup", "HERAUT_PORTAL_TOKEN: must be a bearer token"),
    ],
)
def test_a_token_of_the_portal_comes_from_a_file(url: str, token: str, said: str | None, tmp_path: Path) -> None:
    """It goes to nobody in plain text, whatever else may; a fault repeats none of it."""
    (tmp_path / "token").write_text(f"{token}\n")
    environ = {"HERAUT_PORTAL_URL": url, "HERAUT_PORTAL_TOKEN_FILE": str(tmp_path / "token")}
    with nullcontext() if said is None else pytest.raises(ConfigError, match=said) as caught:
        config = load(PortalConfig, environ | {"HERAUT_ALLOW_PLAINTEXT": "portal"})

    assert said is not None or token == config.portal_token
    assert "made" not in (str(caught.value) if caught else "")


_OAUTH = {"OAUTH_URL": "https://id.example/token", "OAUTH_CLIENT": "heraut", "OAUTH_SECRET": "made.up"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_OAUTH, None),
        (_OAUTH | {"OAUTH_URL": "http://127.0.0.1:9/token", "OAUTH_SCOPE": "a b"}, None),
        (_OAUTH | {"OAUTH_SECRET": "", "CERT": "/c.pem", "KEY": "/k.pem"}, None),
        (_OAUTH | {"TOKEN": "made.up"}, "HERAUT_PORTAL_TOKEN, HERAUT_PORTAL_OAUTH_URL: the portal knows us by one"),
        (_OAUTH | {"OAUTH_CLIENT": ""}, "HERAUT_PORTAL_OAUTH_CLIENT is needed"),
        (_OAUTH | {"OAUTH_SECRET": ""}, "HERAUT_PORTAL_OAUTH_SECRET, or HERAUT_PORTAL_CERT, is needed"),
        (_OAUTH | {"OAUTH_URL": ""}, "HERAUT_PORTAL_OAUTH_URL is needed"),
        (_OAUTH | {"OAUTH_URL": "http://id.example"}, "HERAUT_PORTAL_OAUTH_SECRET: would go out in plain text"),
        (_OAUTH | {"URL": "http://portal.example"}, "HERAUT_PORTAL_TOKEN: would go out in plain text"),
        ({"CERT": "/c.pem"}, "HERAUT_PORTAL_CERT and HERAUT_PORTAL_KEY: both are needed"),
        ({"CERT": "/c.pem", "KEY": "/k.pem", "URL": "http://127.0.0.1:9"}, "HERAUT_PORTAL_URL: is to be https://"),
        ({"CA": "/ca.pem", "URL": "http://127.0.0.1:9"}, "HERAUT_PORTAL_URL: is to be https://"),
    ],
    ids=str,
)
def test_what_the_portal_knows_us_by_is_whole_and_goes_to_nobody_in_the_open(
    given: dict[str, str], said: str | None
) -> None:
    """Whatever is permitted; a certificate that would never be shown is a slip, too."""
    environ = {f"HERAUT_PORTAL_{name}": value for name, value in ({"URL": "https://portal.example"} | given).items()}
    with nullcontext() if said is None else pytest.raises(ConfigError, match=said) as caught:
        load(PortalConfig, environ | {"HERAUT_ALLOW_PLAINTEXT": "portal"})

    assert "made" not in (str(caught.value) if caught else "")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """By the rule that files of keys follow."""
    tmp_path.chmod(0o755)
    (tmp_path / "token").write_text("made.up")
    (tmp_path / "token").chmod(0o644)
    environ = {"HERAUT_PORTAL_URL": "https://portal.example", "HERAUT_PORTAL_TOKEN_FILE": str(tmp_path / "token")}
    with pytest.raises(ConfigError, match="token is open to others: chmod 600"):
        load(PortalConfig, environ)


def test_only_known_peers_may_be_permitted() -> None:
    """A misspelt word permits nothing in silence."""
    with pytest.raises(ConfigError, match="HERAUT_ALLOW_PLAINTEXT: must be some of smtp, "):
        load(PortalConfig, {"HERAUT_PORTAL_URL": "https://portal.example", "HERAUT_ALLOW_PLAINTEXT": "portals"})
