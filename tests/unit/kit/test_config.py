"""Settings are strict, and every fault is told at once."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.core.environment import ENVIRONMENT
from services.core.helpdesk import Helpdesk
from services.kit.config import LOGS, ServiceConfig, duration, load, setting
from services.kit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanding(ServiceConfig):
    """A room that needs an address."""

    portal: str = setting("HERAUT_PORTAL_URL")


def test_nothing_set_is_a_working_default() -> None:
    """One machine, first try: no variable is needed."""
    config = load(ServiceConfig, {"PATH": "/bin"})

    assert (config.log, config.partitions, config.database_urls) == ("postgres", 8, {})


def test_no_setting_is_printed() -> None:
    """A configuration may stand in a traceback by accident, and some settings are passwords."""
    url = "postgresql://heraut_intake:secret-word@/heraut"
    environ = {
        "HERAUT_DATABASE_URL": url,
        "HERAUT_DATABASE_URL_INTAKE": url,
        "HERAUT_KAFKA_SASL_PASSWORD": "secret-word",
        "HERAUT_KAFKA_SASL_PASSWORD_INTAKE": "secret-word",
        "HERAUT_KAFKA_SASL_USERNAME_INTAKE": "intake",
        "HERAUT_PORTAL_URL": "https://portal.example.org",
        "HERAUT_ALLOW_PLAINTEXT": "postgres",
    }

    assert "Demanding()" == repr(load(Demanding, environ))


def test_every_fault_is_named_and_no_value_repeated() -> None:
    """Whoever mends the configuration mends all of it in one go, and the log keeps no secret."""
    environ = {
        "HERAUT_PARTITONS": "8",
        "HERAUT_PARTITIONS": "none",
        "HERAUT_DATABASE_URL": "secret-word",
        "HERAUT_LOG": "rabbit",
    }

    with pytest.raises(ConfigError) as caught:
        load(Demanding, environ)

    lines = str(caught.value).splitlines()
    assert sorted(line.split()[0].rstrip(":") for line in lines) == [
        "HERAUT_DATABASE_URL",
        "HERAUT_LOG",
        "HERAUT_PARTITIONS",
        "HERAUT_PARTITONS",
        "HERAUT_PORTAL_URL",
    ]
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(("word", "env"), [(word, env) for word, env in LOGS.items() if env])
def test_the_setting_of_every_log_is_read(word: str, env: str) -> None:
    """A row of LOGS names a setting that exists, so that leaving it out is a fault with words."""
    fields = {field.metadata.get("env") for field in dataclasses.fields(ServiceConfig)}

    assert env in fields, f"config.LOGS wants {env} for {word}: add a field of ServiceConfig that reads it"
    assert env in ENVIRONMENT, f"config.LOGS wants {env} for {word}: add it to ENVIRONMENT in core/environment.py"
    with pytest.raises(ConfigError, match=f"{env} is needed with HERAUT_LOG={word}"):
        load(ServiceConfig, {"HERAUT_LOG": word})


@pytest.mark.parametrize(("log", "place"), [("postgres", None), ("kafka", "[::1]:9092")])
def test_the_place_is_that_of_the_log_that_is_chosen(log: str, place: str | None) -> None:
    """The place of another log may be set as well, and means nothing then."""
    config = load(ServiceConfig, {"HERAUT_LOG": log, "HERAUT_KAFKA_BOOTSTRAP_SERVERS": "[::1]:9092"})

    assert place == config.log_place


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """A secret may lie in a file, its newline aside."""
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")

    assert load(ServiceConfig, {"HERAUT_KAFKA_SASL_PASSWORD_FILE": str(secret)}).kafka_sasl_password == "s3cret"


def test_a_secret_given_twice_is_a_fault(tmp_path: Path) -> None:
    """Which of two would hold is not left to chance."""
    secret = tmp_path / "token"
    secret.write_text("a")

    with pytest.raises(ConfigError, match="given twice"):
        load(ServiceConfig, {"HERAUT_KAFKA_SASL_PASSWORD_FILE": str(secret), "HERAUT_KAFKA_SASL_PASSWORD": "b"})


def test_only_secrets_come_from_files() -> None:
    """`_FILE` behind any other setting is an unknown name."""
    with pytest.raises(ConfigError, match="HERAUT_PARTITIONS_FILE is not a setting"):
        load(ServiceConfig, {"HERAUT_PARTITIONS_FILE": "/x"})


@pytest.mark.parametrize(("text", "expected"), [("72h", 259200), ("90s", 90), ("1.5m", 90), ("250ms", 0.25)])
def test_durations_have_units(text: str, expected: float) -> None:
    """How long is said with its unit."""
    assert timedelta(seconds=expected) == duration(text)


@pytest.mark.parametrize("text", ["72", "h", "-1s", "1w", "1h30m", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(ValueError, match="duration"):
        duration(text)


def test_whom_to_ask_has_a_name_an_address_and_a_page() -> None:
    """All three, or the rules of interfaces are not kept; without the setting nobody is named."""
    given = load(ServiceConfig, {"HERAUT_HELPDESK": "Privacy office <privacy@lab.example> https://lab.example/api"})

    assert Helpdesk("Privacy office", "privacy@lab.example", "https://lab.example/api") == given.helpdesk
    assert load(ServiceConfig, {}).helpdesk is None
    with pytest.raises(ConfigError, match="HERAUT_HELPDESK: must be"):
        load(ServiceConfig, {"HERAUT_HELPDESK": "privacy@lab.example"})


@pytest.mark.parametrize("name", ["HERAUT_DATABASE_URL_INTAKE", "HERAUT_KAFKA_SASL_PASSWORD_INTAKE", "HERAUT_TOKEN"])
def test_a_secret_in_a_file_that_others_can_read_is_refused(name: str, tmp_path: Path) -> None:
    """As a file of keys is; one in a folder that is closed to others, or somebody else's mounted file, is fine."""
    file = tmp_path / "secret"
    file.write_text("postgresql://u:made.up@127.0.0.1/x")
    file.chmod(0o644)
    declared = dataclasses.make_dataclass(
        "Declared", [("token", str, setting("HERAUT_TOKEN", default=None))], bases=(ServiceConfig,), frozen=True
    )
    assert {name: file} == load(declared, {f"{name}_FILE": str(file)}).secret_files
    tmp_path.chmod(0o755)

    with pytest.raises(ConfigError, match=f"{name}: .*secret is open to others: chmod 600") as caught:
        load(declared, {f"{name}_FILE": str(file)})
    assert "made.up" not in str(caught.value)
