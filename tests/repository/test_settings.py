"""Every setting is told with all that whoever sets it has to know, and each one that is told is read."""

import dataclasses
from pathlib import Path

import pytest

from services.cli.settings_list import COMMANDS, config_of, described_settings
from services.core.environment import ENVIRONMENT, is_for
from services.core.rooms import STAGES
from services.dispatch.channels import PROVIDER_ADDRESSES
from services.kit.config import Choice, ServiceConfig, load, missing_settings
from services.kit.errors import ConfigError

ROOT = Path(__file__).parents[2]


ADDRESSES = {address.setting: address.of_nobody for address in PROVIDER_ADDRESSES}
# Every choice of every process, by each of its words.
CHOICES = {
    f"{stage} {choice.setting}={word}": (config_of(stage), choice, word)
    for stage in STAGES
    for choice in config_of(stage).choices
    for word in choice.needed
}


def test_the_page_and_the_readme_lead_to_every_setting() -> None:
    """`proto/documents.py --check` keeps the page fresh; here it is found, and has them all."""
    page = (ROOT / "proto" / "documents" / "settings.md").read_text(encoding="utf-8")

    assert "(proto/documents/settings.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in ENVIRONMENT if f"| `{name}`" not in page] == []


def test_whatever_a_process_reads_is_among_the_settings() -> None:
    """No class of settings has a variable that is not told, or one that is told as somebody else's."""
    told = {one.name: one.processes for one in described_settings()}
    for stage in STAGES:
        for field in dataclasses.fields(config_of(stage)):
            env = field.metadata.get("env")
            assert not env or not is_for(env, stage) or stage in told[env] or "every service" in told[env]


def test_defaults_and_needs_are_those_of_the_code() -> None:
    """As they would be written; what has no default and is no login is needed by its process."""
    told = {one.name: one for one in described_settings()}

    assert ["HERAUT_PORTAL_URL"] == [name for name, one in told.items() if one.needed]
    wanted = {
        "HERAUT_LOG": "postgres", "HERAUT_PARTITIONS": "8", "HERAUT_UNKNOWN_AFTER": "72h",
        "HERAUT_REFUSED_AFTER": "60s",
        "HERAUT_LEASE": "10s", "HERAUT_DATA_DIR": "var/heraut", "HERAUT_TOKEN": None, "HERAUT_ALLOW_PLAINTEXT": None,
        "HERAUT_AUTH_ALGORITHMS": "RS256,PS256,ES256,EdDSA",
    }  # fmt: skip
    assert wanted == {name: told[name].default for name in wanted}
    assert ("dispatch-letter",) == told["HERAUT_PRINT_DIR"].processes
    assert (True, (COMMANDS,)) == (told["HERAUT_TOKEN"].secret, told["HERAUT_TOKEN"].processes)


@pytest.mark.parametrize(("config", "choice", "word"), CHOICES.values(), ids=CHOICES)
def test_what_a_choice_needs_is_checked_and_told(config: type[ServiceConfig], choice: Choice, word: str) -> None:
    """A process without it does not start, and says which; the list of settings says so before."""
    told = {one.name: one for one in described_settings()}
    needed, given = choice.needed[word], {choice.setting: word}
    others = [name for name in missing_settings(config, given.get) if name not in needed]

    assert set(needed) <= set(missing_settings(config, given.get))
    assert all(f"{choice.setting}={word}" in told[name].needed_with for name in needed)
    assert all(told[name].otherwise.startswith("needed with") for name in needed)
    if needed:
        with pytest.raises(ConfigError, match=f"{needed[0]} is needed with {choice.setting}={word}"):
            load(config, given | {name: ADDRESSES[name] for name in others})


def test_the_provider_of_each_channel_is_a_choice_or_needed() -> None:
    """Nobody has to read the code to find out that e-mail wants one of three."""
    told = {one.name: one.needed_with for one in described_settings()}

    assert ("HERAUT_EMAIL_PROVIDER=smtp",) == told["HERAUT_SMTP_URL"]
    assert ("HERAUT_EMAIL_PROVIDER=mail-api",) == told["HERAUT_MAIL_API_URL"] == told["HERAUT_MAIL_API_TOKEN"]
    assert {"HERAUT_EMAIL_PROVIDER=notify", "HERAUT_LETTER_PROVIDER=notify"} == set(told["HERAUT_NOTIFY_KEY"])
    assert ("HERAUT_LOG=kafka",) == told["HERAUT_KAFKA_BOOTSTRAP_SERVERS"]
