"""Rule 2: every room runs in compose and is scraped, and no others are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import kafka
from deploy.compose.secret_files import AUTHORITY, CERTIFICATES, database_url, mounted, owners
from services.core.channel import Channel
from services.core.environment import ENVIRONMENT
from services.core.keys import KEY_FILES, KEYS_OF
from services.core.rooms import ROOMS, STAGES, dispatch_stage
from services.dispatch.channels import ADAPTERS
from services.kit.config import ServiceConfig, load

ROOT = Path(__file__).parents[2]
JOBS = {"secrets", "migrate", "topics", "exporter-login", "exporter-rights"}
WATCHING = {"prometheus", "alertmanager", "grafana", "kafka-exporter", "postgres-exporter"}
INFRASTRUCTURE = JOBS | WATCHING | {"postgres", "kafka", "mail", "standins"}


def _load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_compose_runs_every_stage_and_nothing_unknown() -> None:
    """The stack for containers and the code name the same processes."""
    assert set(STAGES) | INFRASTRUCTURE == set(_load("docker-compose.yml")["services"])


def _logins(service: Mapping[str, Any]) -> set[str]:
    """Return the database logins that a service has, by variable; each is a secret that is mounted for it alone."""
    named = {name: value for name, value in (service.get("environment") or {}).items() if "HERAUT_DATABASE" in name}
    mounted = {f"/run/secrets/{name}" for name in service.get("secrets", ()) if str(name).startswith("database_url")}
    assert mounted == set(named.values())
    return {name.removesuffix("_FILE") for name in named}


def test_every_stage_logs_in_as_its_own_room_alone() -> None:
    """The owner's login is for `migrate`, which makes the others; whoever does not need the database has none."""
    services = _load("docker-compose.yml")["services"]
    found = {name: _logins(service) for name, service in services.items()}
    every = {f"HERAUT_DATABASE_URL_{room.upper()}" for room in ROOMS}
    own = {stage: {f"HERAUT_DATABASE_URL_{room.upper()}"} for stage, room in STAGES.items()}

    assert found == {name: set() for name in found} | own | {"migrate": {"HERAUT_DATABASE_URL"} | every}


def _keys(service: Mapping[str, Any]) -> set[str]:
    """Return the purposes of the keys that are mounted for a service, each under its own name."""
    secrets = [secret for secret in service.get("secrets", ()) if isinstance(secret, dict)]
    mounted = [secret for secret in secrets if secret["source"].startswith("key_")]
    purposes = {secret["source"].removeprefix("key_") for secret in mounted}
    assert {f"/run/keys/{purpose}.json" for purpose in purposes} == {secret["target"] for secret in mounted}
    assert ("HERAUT_KEYS_DIR" in (service.get("environment") or {})) == bool(purposes)
    return purposes


def test_every_stage_has_the_keys_of_its_room_alone() -> None:
    """The table of `core/keys.py`: intake has nothing that opens the vault, and who is no room has no key at all."""
    services = _load("docker-compose.yml")["services"]
    found = {name: _keys(service) for name, service in services.items()}

    assert {name: KEYS_OF[STAGES[name]] if name in STAGES else frozenset() for name in services} == found
    named = {f"key_{name}": {"file": f"deploy/compose/secrets/keys/{name}.json"} for name in KEY_FILES}
    secrets = _load("docker-compose.yml")["secrets"]
    assert named == {name: secret for name, secret in secrets.items() if name.startswith("key_")}


def _kafka_logins(service: Mapping[str, Any]) -> dict[str, str]:
    """Return the users of the brokers that a service can log in as, each with the secret that is mounted for it."""
    environment = service.get("environment") or {}
    # The exporter's is no room's; it is told on its command line.
    mine = {name for name in map(str, service.get("secrets", ())) if name.startswith("kafka_password")}
    secrets = mine - {"kafka_password_exporter"}
    named = {name.removesuffix("_FILE"): value for name, value in environment.items() if "SASL_PASSWORD" in name}
    assert {f"/run/secrets/{name}" for name in secrets} == set(named.values())
    return {environment[name.replace("PASSWORD", "USERNAME")]: value for name, value in named.items()}


def test_every_stage_logs_in_to_the_brokers_as_its_own_room_alone() -> None:
    """The operator's user is for `topics` alone, which gives the others their rights and so is told who they are."""
    services = _load("docker-compose.yml")["services"]
    found = {name: _kafka_logins(service) for name, service in services.items()}
    own = {stage: {f"heraut-{room}": f"/run/secrets/kafka_password_{room}"} for stage, room in STAGES.items()}
    topics = services["topics"]["environment"]

    assert {name: {} for name in found} | own | {"topics": {"heraut": "/run/secrets/kafka_password"}} == found
    assert {room: f"heraut-{room}" for room in ROOMS} == {
        room: topics[f"HERAUT_KAFKA_SASL_USERNAME_{room.upper()}"] for room in ROOMS
    }


def test_the_broker_alone_has_its_key(tmp_path: Path) -> None:
    """Its settings are one file with all passwords; they say SASL_SSL, who has no limits, and that the others have."""
    services = _load("docker-compose.yml")["services"]
    server = {"source": "kafka_server", "target": "/mnt/shared/config/server.properties"}
    own = [name for name, service in services.items() if server in service.get("secrets", ())]
    shown = [name for name, service in services.items() if "certificate_kafka" in service.get("secrets", ())]
    kafka.make(tmp_path)
    lines = (tmp_path / "kafka_server").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line)

    assert (["kafka"], ["kafka"]) == (own, shown)
    assert "environment" not in services["kafka"]  # a variable would have the image leave the file aside
    assert {"PLAINTEXT"}.isdisjoint(settings["listener.security.protocol.map"].replace(":", ",").split(","))
    assert "SASL_SSL://:9092,CONTROLLER://127.0.0.1:9093" == settings["listeners"]
    assert ("SASL_SSL://kafka:9092", "User:heraut") == (settings["advertised.listeners"], settings["super.users"])
    assert settings["authorizer.class.name"].endswith(".StandardAuthorizer")
    volume = services["kafka"]["volumes"][0].removeprefix("kafka:")
    assert (volume, "/run/secrets/certificate_kafka") == (settings["log.dirs"], settings["ssl.keystore.location"])


def test_prometheus_scrapes_every_stage() -> None:
    """A process that nobody scrapes fails unseen; what it runs on is scraped through who knows its figures."""
    jobs = {
        job["job_name"]: {target.split(":")[0] for static in job["static_configs"] for target in static["targets"]}
        for job in _load("deploy/prometheus/prometheus.yml")["scrape_configs"]
    }

    rooms = {room: {stage for stage, of in STAGES.items() if of == room} for room in ROOMS}
    assert rooms | {name: {f"{name}-exporter"} for name in ("kafka", "postgres")} == jobs


def test_drain_ends_before_the_container_is_killed() -> None:
    """Rule 8: a process is given longer to stop than it takes to drain."""
    services = _load("docker-compose.yml")["services"]
    grace = {int(services[stage]["stop_grace_period"].removesuffix("s")) for stage in STAGES}

    assert {30} == grace


def _read(service: Mapping[str, Any], config: type[ServiceConfig]) -> ServiceConfig:
    """Return the settings that a service reads where nobody sets a variable."""
    login = database_url("somebody", "secret")
    given = {name: re.sub(r"\$\{\w+:?-(.*?)\}", r"\1", str(value)) for name, value in service["environment"].items()}
    logins = {name.removesuffix("_FILE"): login for name in given if name.startswith("HERAUT_DATABASE_URL")}
    return load(config, {name: value for name, value in given.items() if name in ENVIRONMENT} | logins)


def test_nothing_of_ours_goes_in_plain_text() -> None:
    """Whom a process reaches, and who reaches it: all are beyond this machine, and none is permitted to be in the open.

    An SMTP address is for STARTTLS, which nothing is sent without.
    """
    services = _load("docker-compose.yml")["services"]
    channels = {dispatch_stage(channel): ADAPTERS[channel].config for channel in Channel}
    read = {name: _read(services[name], channels.get(name, ServiceConfig)) for name in (*STAGES, "migrate", "topics")}
    peers = [peer for config in read.values() for peer in config.peers()]
    callers = [caller for stage in STAGES for caller in read[stage].callers()]

    assert {()} == {config.allow_plaintext for config in read.values()}
    assert {True} == {peer.secured and not peer.is_here for peer in (*peers, *callers)}
    assert {"postgres", "kafka", "smtp", "portal"} == {peer.word for peer in peers}


def test_the_database_takes_nobody_in_the_open() -> None:
    """Its rules know passwords over TLS alone, and its settings name them, and the certificate that it alone has."""
    postgres = _load("docker-compose.yml")["services"]["postgres"]
    settings = dict(option.removeprefix("-c").split("=", 1) for option in postgres["command"][1:])
    rules = (ROOT / "deploy" / "compose" / "pg_hba.conf").read_text(encoding="utf-8").splitlines()
    words = [rule.split() for rule in rules if not rule.startswith("#")]

    assert {("local", "scram-sha-256"), ("hostssl", "scram-sha-256")} == {(rule[0], rule[-1]) for rule in words}
    assert "on" == settings["ssl"]
    assert ["./deploy/compose/pg_hba.conf", settings["hba_file"], "ro"] == postgres["volumes"][1].split(":")
    assert {settings["ssl_cert_file"], settings["ssl_key_file"]} == {"/run/secrets/certificate_postgres"}


def test_every_stage_shows_a_certificate_of_its_own() -> None:
    """For its name in the network and for this machine; what listens in the containers is in nobody else's."""
    services = _load("docker-compose.yml")["services"]
    shown = {
        name: {secret for secret in mounted(service) if secret.startswith("certificate_")}
        for name, service in services.items()
    }
    settings = {
        (services[name]["environment"][f"HERAUT_TLS_{word}"], name) for name in STAGES for word in ("CERT", "KEY")
    }

    assert {host: {name} for name, host in CERTIFICATES.items()} == {name: has for name, has in shown.items() if has}
    assert {(f"/run/secrets/certificate_{name}", name) for name in STAGES} == settings


def test_exporters_see_figures_by_logins_of_their_own() -> None:
    """Nobody else has them; who gives them their rights is done before they start."""
    services = _load("docker-compose.yml")["services"]
    having = {
        secret: [name for name, service in services.items() if secret in service.get("secrets", ())]
        for secret in ("kafka_password_exporter", "postgres_password_exporter", "kafka_operator")
    }

    assert {
        "kafka_password_exporter": ["kafka-exporter"], "postgres_password_exporter": ["postgres-exporter"],
        "kafka_operator": ["exporter-rights"],
    } == having  # fmt: skip
    assert f"--allow-principal=User:{kafka.EXPORTER}" in services["exporter-rights"]["command"]
    assert f"--sasl.username={kafka.EXPORTER}" in services["kafka-exporter"]["command"][0]
    assert "sslmode=verify-full&sslrootcert=/run/secrets/authority" in str(services["postgres-exporter"]["environment"])


def test_prometheus_believes_our_authority_alone() -> None:
    """And shows its token to nobody else."""
    jobs = _load("deploy/prometheus/prometheus.yml")["scrape_configs"]
    ours = [job for job in jobs if job["job_name"] in ROOMS]

    assert [("https", {"ca_file": "/run/secrets/authority"})] * len(ROOMS) == [
        (job["scheme"], job["tls_config"]) for job in ours
    ]


def test_every_service_that_reads_a_secret_says_as_whom_it_runs() -> None:
    """Each file is that user's alone; what several users read is the authority's certificate, and no secret."""
    document = _load("docker-compose.yml")
    found = owners(document["services"], {name: name for name in document["secrets"]})

    assert set(document["secrets"]) == set(found)
    assert [AUTHORITY] == [name for name, user in found.items() if user is None]


def test_everything_comes_back_after_a_reboot_and_fills_no_disk() -> None:
    """Jobs are done once; the others are started again unless somebody stopped them, and their logs are cut."""
    services = _load("docker-compose.yml")["services"]
    policies = {name: service["restart"] for name, service in services.items()}
    logs = {service["logging"]["options"]["max-size"] for service in services.values()}

    assert {name: "no" if name in JOBS else "unless-stopped" for name in services} == policies
    assert {"10m"} == logs
    assert [] == [name for name in services if policies[name] != "no" and "mem_limit" not in services[name]]


def test_nobody_may_do_more_than_they_have_to() -> None:
    """No rights of root's, no new ones, and no way out of the networks of data and figures."""
    document = _load("docker-compose.yml")
    services = document["services"]
    networks = {name: set(service.get("networks", ())) for name, service in services.items()}
    ports = [port for service in services.values() for port in service.get("ports", ())]

    assert {("ALL",)} == {tuple(service["cap_drop"]) for service in services.values()}
    assert ["secrets"] == [name for name, service in services.items() if "cap_add" in service]
    assert {"data", "watch"} == {name for name, network in document["networks"].items() if network.get("internal")}
    assert {"kafka": {"data"}, "postgres": {"data"}} == {name: networks[name] for name in ("kafka", "postgres")}
    assert {"127.0.0.1"} == {port.split(":")[0] for port in ports}
