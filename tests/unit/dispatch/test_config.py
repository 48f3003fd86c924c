"""Settings of dispatch that depend on each other."""

import pytest

from loadtests.providers.notify import MADE_UP_KEY
from services.dispatch.channels import ADAPTERS, PROVIDER_ADDRESSES
from services.dispatch.config import Config, LetterConfig, PortalConfig, SftpAddress
from services.dispatch.mail_config import EmailConfig
from services.kit.config import load
from services.kit.errors import ConfigError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustAnExample0000000000000000000000000000 print house"
WHOLE = {
    "HERAUT_PRINT_SFTP_URL": "sftp://heraut@print.example:2222/in/letters",
    "HERAUT_PRINT_SFTP_KEY": "key",
    "HERAUT_PRINT_SFTP_HOST_KEY": KEY,
}


def test_a_print_house_is_sent_to_with_both_keys() -> None:
    """Ours, by which it knows us, and its own: without them nobody knows who gets the letters."""
    config = load(LetterConfig, WHOLE)
    address = config.print_sftp_url
    assert address

    assert ("print.example", 2222, "heraut", "/in/letters") == (
        address.host, address.port, address.user, address.folder
    )  # fmt: skip
    for missing in ("HERAUT_PRINT_SFTP_KEY", "HERAUT_PRINT_SFTP_HOST_KEY"):
        with pytest.raises(ConfigError, match="HERAUT_PRINT_SFTP_KEY and HERAUT_PRINT_SFTP_HOST_KEY are needed"):
            load(LetterConfig, {name: value for name, value in WHOLE.items() if name != missing})


def test_only_files_that_are_sent_are_encrypted() -> None:
    """In our own folder they would lie open all the same: whoever asks for it without a print house is told."""
    recipient = {"HERAUT_PRINT_AGE_RECIPIENT": "age1sz5m7vjxrsjud3vg8ay9wpejxld4k5qkj29f8cccaj0vky8wag0sav4v66"}

    assert load(LetterConfig, WHOLE | recipient).print_age_recipient
    with pytest.raises(ConfigError, match="only files that are sent are encrypted"):
        load(LetterConfig, recipient)
    with pytest.raises(ConfigError, match="must be a public key of age"):
        load(LetterConfig, WHOLE | {"HERAUT_PRINT_AGE_RECIPIENT": "age1short"})


@pytest.mark.parametrize("url", ["ftp://heraut@x", "sftp://x/in", "sftp://heraut:secret@x", "sftp://", "x"])
def test_an_address_of_another_form_is_refused(url: str) -> None:
    """Without a user nobody is let in, and a password would lie in the environment."""
    with pytest.raises(ValueError, match=r"must be sftp://user@host\[:port\]\[/folder\]"):
        SftpAddress(url)


def test_what_is_no_host_key_is_refused() -> None:
    """A fingerprint, or a private key, is none."""
    for text in ("SHA256:abc", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519"):
        with pytest.raises(ConfigError, match="must be a public key"):
            load(LetterConfig, WHOLE | {"HERAUT_PRINT_SFTP_HOST_KEY": text})


def test_a_profile_that_cannot_be_taken_is_told_with_its_faults() -> None:
    """A fault of the setting stops the start, before anybody is told."""
    with pytest.raises(ConfigError, match="must be one of nl-dl-left, notifynl, pingen, or a file"):
        load(LetterConfig, {"HERAUT_PRINT_PROFILE": "nowhere"})


@pytest.mark.parametrize(
    ("config", "settings", "has"),
    [
        (LetterConfig, {}, True),
        (EmailConfig, {"HERAUT_SMTP_URL": "smtp://127.0.0.1:1025"}, True),
        (PortalConfig, {"HERAUT_PORTAL_URL": "https://portal.example"}, True),
        *((adapter.config, {}, adapter.config is LetterConfig) for adapter in ADAPTERS.values()),
        (
            EmailConfig,
            {"HERAUT_EMAIL_PROVIDER": "mail-api", "HERAUT_MAIL_API_URL": "https://x", "HERAUT_MAIL_API_TOKEN": "t"},
            True,
        ),
    ],
)
def test_an_address_of_nobody_is_no_provider(config: type[Config], settings: dict[str, str], *, has: bool) -> None:
    """`heraut up` starts a channel's process all the same, which says so."""
    nobody = {address.setting: address.of_nobody for address in PROVIDER_ADDRESSES}

    assert has == load(config, nobody | settings).has_provider


def test_letters_set_for_another_notify_are_not_sent() -> None:
    """GOV.UK takes any PDF, and rejects it minutes later where an address stands as NotifyNL wants it."""
    settings = {"HERAUT_LETTER_PROVIDER": "notify", "HERAUT_NOTIFY_KEY": MADE_UP_KEY}
    gov_uk = settings | {"HERAUT_NOTIFY_URL": "https://api.notifications.service.gov.uk"}

    with pytest.raises(ConfigError, match="HERAUT_PRINT_PROFILE"):
        load(LetterConfig, gov_uk)
    assert load(LetterConfig, gov_uk | {"HERAUT_PRINT_PROFILE": "pingen"})
    assert load(LetterConfig, settings | {"HERAUT_NOTIFY_URL": "https://api.notifynl.example"})


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (EmailConfig, {"HERAUT_SMTP_URL": "smtp://x", "HERAUT_EMAIL_PER_DAY": "250000"}),
        (PortalConfig, {"HERAUT_PORTAL_URL": "https://x", "HERAUT_PORTAL_PER_DAY": "250000"}),
        (
            LetterConfig,
            {"HERAUT_LETTER_PROVIDER": "notify", "HERAUT_NOTIFY_URL": "https://x", "HERAUT_NOTIFY_KEY": MADE_UP_KEY}
            | {"HERAUT_LETTER_PER_DAY": "250000"},
        ),
    ],
)
def test_a_day_may_have_a_cap_on_each_channel(config: type[Config], settings: dict[str, str]) -> None:
    """Without one a provider's limit of a day is only known by its refusals."""
    assert 250_000 == load(config, settings).per_day
    with pytest.raises(ConfigError, match="a print house is handed files"):
        load(LetterConfig, {"HERAUT_LETTER_PER_DAY": "5"})
