"""Rule 2: every room runs in compose and is scraped, and no others are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import kafka
from services.core.channel import Channel
from services.core.environment import ENVIRONMENT
from services.core.keys import KEY_FILES, KEYS_OF
from services.core.rooms import ROOMS, STAGES, dispatch_stage
from services.dispatch.channels import ADAPTERS
from services.kit.config import ServiceConfig, load

ROOT = Path(__file__).parents[2]
INFRASTRUCTURE = {"postgres", "kafka", "migrate", "topics", "standins"}


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
    secrets = {name for name in map(str, service.get("secrets", ())) if name.startswith("kafka_password")}
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
    shown = [name for name, service in services.items() if "kafka_certificate" in service.get("secrets", ())]
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
    assert (volume, "/run/secrets/kafka_certificate") == (settings["log.dirs"], settings["ssl.keystore.location"])


def test_prometheus_scrapes_every_stage() -> None:
    """A process that nobody scrapes fails unseen."""
    jobs = {
        job["job_name"]: {target.split(":")[0] for static in job["static_configs"] for target in static["targets"]}
        for job in _load("deploy/prometheus/prometheus.yml")["scrape_configs"]
    }

    assert {room: {stage for stage, of in STAGES.items() if of == room} for room in ROOMS} == jobs


def test_drain_ends_before_the_container_is_killed() -> None:
    """Rule 8: a process is given longer to stop than it takes to drain."""
    services = _load("docker-compose.yml")["services"]
    grace = {int(services[stage]["stop_grace_period"].removesuffix("s")) for stage in STAGES}

    assert {30} == grace


def _read(service: Mapping[str, Any], config: type[ServiceConfig]) -> ServiceConfig:
    """Return the settings that a service reads where nobody sets a variable; logins are as `secrets.sh` makes them."""
    login = "postgresql://somebody:secret@postgres/heraut"
    given = {name: re.sub(r"\$\{\w+:?-(.*?)\}", r"\1", str(value)) for name, value in service["environment"].items()}
    logins = {name.removesuffix("_FILE"): login for name in given if name.startswith("HERAUT_DATABASE_URL")}
    return load(config, {name: value for name, value in given.items() if name in ENVIRONMENT} | logins)


def test_what_goes_in_plain_text_is_named() -> None:
    """Kafka is TLS, the rest between containers is not, and every process starts: each names whom it reaches so."""
    services = _load("docker-compose.yml")["services"]
    channels = {dispatch_stage(channel): ADAPTERS[channel].config for channel in Channel}
    read = {name: _read(services[name], channels.get(name, ServiceConfig)) for name in (*STAGES, "migrate", "topics")}
    plain = {name: set(config.allow_plaintext) for name, config in read.items()}
    providers = {dispatch_stage(Channel.EMAIL): {"smtp"}, dispatch_stage(Channel.PORTAL): {"portal"}}

    assert {name: {"postgres", "http"} | providers.get(name, set()) for name in read} == plain
