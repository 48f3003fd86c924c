"""The Kafka of docker-compose.yml, without the containers: its own settings, and the services' as they stand there."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from notification.topics import NOTICES_RELEASED, TOPICS

from deploy.kafka import broker
from services.core.rooms import STAGES
from services.kit.config import ServiceConfig, load
from services.kit.errors import RetryableError
from services.kit.eventlog.kafka import KafkaSettings
from services.kit.eventlog.kafka.client import connected_admin
from tests.e2e.heraut_process import heraut_json
from tests.kafka_fixtures import EnforcingBroker

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[3]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def _settings(name: str, running: EnforcingBroker) -> dict[str, str]:
    """Return a service's settings of Kafka; its secrets lie where the fixture made them, and its broker is here."""
    given = {key: str(value) for key, value in SERVICES[name]["environment"].items() if "KAFKA" in key}
    folder = str(running.certificates.authority.parent)
    here = {
        key: value.replace("/run/secrets", folder).replace("kafka:9092", running.bootstrap)
        for key, value in given.items()
    }
    return {"HERAUT_LOG": "kafka", "HERAUT_PARTITIONS": "1"} | here  # as other tests of this broker have it


def _client(name: str, running: EnforcingBroker) -> KafkaSettings:
    return KafkaSettings.from_config(load(ServiceConfig, _settings(name, running)), STAGES[name])


async def _writes(settings: KafkaSettings, topic: str) -> bool:
    producer = AIOKafkaProducer(**settings.client_options(), retry_backoff_ms=10)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"a block", partition=0)
    except TopicAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


def test_the_broker_of_the_tests_has_the_settings_of_compose(enforcing_broker: EnforcingBroker) -> None:
    """But for where it listens and where its files lie: so all that is shown of it holds there."""
    folder = enforcing_broker.certificates.authority.parent
    there = (folder / "kafka_server").read_text(encoding="utf-8").splitlines()
    here = (folder / "server.properties").read_text(encoding="utf-8").splitlines()
    differing = {line.partition("=")[0] for line, other in zip(there, here, strict=True) if line != other}
    places = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}

    assert places | {"ssl.keystore.location", "ssl.truststore.location"} == differing


async def test_each_service_does_its_rooms_work_and_no_others(
    enforcing_broker: EnforcingBroker, tmp_path: Path
) -> None:
    """`topics` makes topics and rights by the settings that it has there; then each service writes as its room."""
    made = await asyncio.to_thread(
        heraut_json, "topics", "--data", str(tmp_path), **_settings("topics", enforcing_broker)
    )
    writers = [name for name in STAGES if await _writes(_client(name, enforcing_broker), NOTICES_RELEASED)]

    assert made["enforced"]
    assert {spec.name for spec in TOPICS if spec.log == "both"} <= set(await _listed(enforcing_broker))
    assert ["deduplication"] == sorted({STAGES[name] for name in writers})


async def _listed(running: EnforcingBroker) -> list[str]:
    async with connected_admin(running.settings()) as admin:
        return list(await admin.list_topics())


async def test_who_speaks_in_the_open_or_has_no_password_is_not_let_in(enforcing_broker: EnforcingBroker) -> None:
    """Not even to be told what topics there are."""
    service = _client("routing", enforcing_broker)
    for changed in ({"security_protocol": "SASL_PLAINTEXT"}, {"sasl_password": "wrong"}):
        settings = KafkaSettings(**{**{name: getattr(service, name) for name in service.__slots__}, **changed})
        with pytest.raises(RetryableError):
            async with connected_admin(settings):
                pass


def test_the_health_check_logs_in_and_may_do_nothing(enforcing_broker: EnforcingBroker, tmp_path: Path) -> None:
    """Kafka's own tools can read how; whoever reads it from the container's disk has won nothing."""
    folder = enforcing_broker.certificates.authority.parent
    client = tmp_path / "client.properties"
    text = (folder / "kafka_client").read_text(encoding="utf-8").replace("/run/secrets", str(folder))
    client.write_text(text, encoding="utf-8")
    tool = [broker._java(), "-cp", f"{broker._libs()}/*", "kafka.admin.ConfigCommand", "--describe", "--all"]
    where = ["--bootstrap-server", enforcing_broker.bootstrap, "--command-config", str(client)]
    done = subprocess.run(  # noqa: S603 - Kafka's own program
        [*tool, *where, "--entity-type", "brokers", "--entity-name", "1"], capture_output=True, text=True, check=False
    )

    assert "ClusterAuthorizationException" in done.stdout + done.stderr
