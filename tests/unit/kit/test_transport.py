"""What the settings say of the way to each peer: the machine's own, TLS that proves who answers, or a word for it."""

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest

from services.core.rooms import ROOMS
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError
from services.kit.postgres.logins import write_login
from services.kit.process import main
from services.kit.process.service import database_url

_VERIFIED = "sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem"
_LOGINS = ("HERAUT_DATABASE_URL", *(f"HERAUT_DATABASE_URL_{room.upper()}" for room in ROOMS))


def _loaded(environ: dict[str, str], allowed: str | None = None) -> ServiceConfig:
    return load(ServiceConfig, environ | ({"HERAUT_ALLOW_PLAINTEXT": allowed} if allowed else {}))


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("postgresql://u:secret@127.0.0.1:5432/x", True),
        ("postgresql://u:secret@[::1]:5432/x", True),
        ("postgresql://u:secret@localhost/x", True),
        ("postgresql://u:secret@/x?host=/run/postgresql", True),
        ("postgresql://u:secret@%2Frun%2Fpostgresql/x", True),
        (f"postgresql://u:secret@db.example/x?{_VERIFIED}", True),
        (f"postgresql://u:secret@db.example,127.0.0.1/x?{_VERIFIED}", True),
        ("postgresql://u:secret@db.example/x", False),
        ("postgresql://u:secret@10.0.0.1:6432/x", False),
        # It authenticates nobody: whoever answers gets the password.
        ("postgresql://u:secret@db.example/x?sslmode=require", False),
        ("postgresql://u:secret@db.example/x?sslmode=prefer", False),
        # An authority signs for many, and one of them may answer.
        ("postgresql://u:secret@db.example/x?sslmode=verify-ca&sslrootcert=/etc/ssl/ca.pem", False),
        # The authority would be whichever file lies in somebody's home.
        ("postgresql://u:secret@db.example/x?sslmode=verify-full", False),
        # The last one holds.
        (f"postgresql://u:secret@db.example/x?{_VERIFIED}&sslmode=disable", False),
        # One of several hosts is enough to give the password away.
        ("postgresql://u:secret@127.0.0.1,db.example/x", False),
        ("postgresql://u:secret@/x?host=/run/postgresql,db.example", False),
        # Variables of others (PGHOST) and their files (a service) would say where it leads.
        ("postgresql:///x?user=u&password=secret", False),
        ("postgresql:///x?service=elsewhere", False),
        # What a password has in the open counts as the host's to who connects, so it does here.
        ("postgresql://u:secret@db.example@localhost/x", False),
    ],
)
@pytest.mark.parametrize("setting", _LOGINS)
def test_a_database_beyond_this_machine_proves_itself(setting: str, url: str, *, fine: bool) -> None:
    """A password goes to nobody who has not proved to be the database; the fault says the way out and no secret."""
    with nullcontext() if fine else pytest.raises(ConfigError) as caught:
        _loaded({setting: url})

    said = str(caught.value) if caught else ""
    assert fine or said.startswith(f"{setting}: leads beyond this machine")
    assert fine or ("sslmode=verify-full" in said and "HERAUT_ALLOW_PLAINTEXT=postgres" in said)
    assert "secret" not in said
    assert "example" not in said
    assert _loaded({setting: url}, "postgres").database_urls == {setting: url}


@pytest.mark.parametrize(
    ("servers", "protocol", "fine"),
    [
        ("127.0.0.1:9092", "PLAINTEXT", True),
        ("localhost:9092, [::1]:9092", "SASL_PLAINTEXT", True),
        ("broker.example:9093", "SSL", True),
        ("broker.example:9093", "SASL_SSL", True),
        ("broker.example:9092", "PLAINTEXT", False),
        ("broker.example:9092", "SASL_PLAINTEXT", False),
        ("127.0.0.1:9092,broker.example:9092", "PLAINTEXT", False),
        ("broker.example", "PLAINTEXT", False),
    ],
)
def test_brokers_beyond_this_machine_take_tls(servers: str, protocol: str, *, fine: bool) -> None:
    """Events carry what sources send of people, and a user's password goes before them."""
    environ = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": servers}
    environ["HERAUT_KAFKA_SECURITY_PROTOCOL"] = protocol
    with nullcontext() if fine else pytest.raises(ConfigError) as caught:
        _loaded(environ)

    said = str(caught.value) if caught else ""
    assert fine or said.startswith("HERAUT_KAFKA_BOOTSTRAP_SERVERS: leads beyond this machine")
    assert fine or "SASL_SSL" in said
    assert "example" not in said
    assert "kafka" == _loaded(environ, "smtp,kafka").log


def test_brokers_of_a_log_that_is_not_chosen_are_nobody() -> None:
    """The place of another log may be set as well, and means nothing then."""
    assert [] == _loaded({"HERAUT_KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092"}).peers()


def test_a_word_for_one_peer_is_for_no_other() -> None:
    """Naming the brokers leaves the database's password where it is."""
    with pytest.raises(ConfigError, match="HERAUT_DATABASE_URL: leads beyond"):
        _loaded({"HERAUT_DATABASE_URL": "postgresql://u:p@db.example/x"}, "kafka,smtp,portal")


def test_half_an_address_is_a_fault_with_words() -> None:
    """It ends no process with a trace that shows the password."""
    with pytest.raises(ConfigError, match="HERAUT_DATABASE_URL: must be postgresql://user"):
        _loaded({"HERAUT_DATABASE_URL": "postgresql://u:p@[::1/x"})


async def test_a_login_that_was_made_is_held_to_the_same(tmp_path: Path) -> None:
    """A file of the data directory may have come from another installation."""
    write_login(tmp_path / "logins", "intake", "postgresql://u:secret@db.example/x")
    config = _loaded({"HERAUT_DATA_DIR": str(tmp_path), "HERAUT_DATABASE_URL_ROUTING": "postgresql://u:p@localhost/x"})

    with pytest.raises(ConfigError, match=r"logins/intake\.url: leads beyond this machine"):
        await database_url(config, "intake")


def test_check_config_says_the_way_to_each_peer(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything runs, one can read what will go in the open."""
    environ = {"HERAUT_DATABASE_URL_INTAKE": "postgresql://u:secret@db.example/x", "HERAUT_ALLOW_PLAINTEXT": "postgres"}
    status = main("intake", ServiceConfig, _never, ["--check-config"], environ)

    assert (0, "HERAUT_DATABASE_URL_INTAKE: plain text, as HERAUT_ALLOW_PLAINTEXT=postgres permits") == (
        status,
        capsys.readouterr().out.splitlines()[0],
    )


async def _never(_config: ServiceConfig, _stop: asyncio.Event, _file: Path | None) -> None:
    raise AssertionError


_TLS = {"HERAUT_TLS_CERT": "/c.pem", "HERAUT_TLS_KEY": "/k.pem"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, None),
        ({"HERAUT_HTTP_HOST": "::1", "HERAUT_METRICS_PORT": "9"}, None),
        ({"HERAUT_HTTP_HOST": "0.0.0.0", "HERAUT_ALLOW_PLAINTEXT": "http"}, None),  # noqa: S104 - it is only read
        ({"HERAUT_HTTP_HOST": "10.0.0.1"} | _TLS, None),
        ({"HERAUT_HTTP_HOST": "0.0.0.0"}, "HERAUT_HTTP_HOST: leads beyond"),  # noqa: S104 - it is only read
        ({"HERAUT_HTTP_HOST": "heraut.example", "HERAUT_ALLOW_PLAINTEXT": "portal"}, "HERAUT_HTTP_HOST: leads beyond"),
        ({"HERAUT_METRICS_HOST": "10.0.0.1", "HERAUT_METRICS_PORT": "9"}, "HERAUT_METRICS_HOST: leads beyond"),
        ({"HERAUT_HTTP_HOST": "10.0.0.1", "HERAUT_TLS_CERT": "/c.pem"}, "HERAUT_HTTP_HOST: leads beyond"),
        ({"HERAUT_TLS_KEY": "/k.pem"}, "HERAUT_TLS_CERT and HERAUT_TLS_KEY: a service needs both"),
    ],
)
def test_who_is_heard_beyond_this_machine_speaks_tls(
    environ: dict[str, str], said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uploads of what was stolen, and tokens, come in under TLS, ours or somebody's in front whom the settings name."""
    status = main("intake", ServiceConfig, _never, ["--check-config"], environ)

    assert (0 if said is None else 2) == status
    assert (capsys.readouterr().err or " ").startswith(said or " ")
