"""What the Helm chart makes of values, as it would come to a cluster, where `make chart-check` has fetched Helm."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose.secret_files import database_url
from deploy.helm import catalogue, schemas
from deploy.helm.run import pods, service_of
from deploy.helm.secret_manifests import manifests, wanted
from deploy.helm.tools import find_helm, rendered, sets
from services.core.channel import Channel
from services.core.environment import ENVIRONMENT, is_for
from services.core.keys import KEYS_OF
from services.core.rooms import ROOMS, STAGES, dispatch_stage
from services.dispatch.channels import ADAPTERS
from services.kit.config import ServiceConfig, load
from services.kit.eventlog.kafka.room_rights import TOPIC, needed_rights
from services.kit.eventlog.topics import topic_settings

pytestmark = pytest.mark.skipif(find_helm() is None, reason="`make chart-check` fetches Helm")

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
# What lies in the files of secrets whose form is looked at.
SECRETS = {
    f"HERAUT_DATABASE_URL{room}": database_url("somebody", "secret")
    for room in ("", *(f"_{room.upper()}" for room in ROOMS))
}
SECRETS |= {
    "HERAUT_SMTP_URL": "smtp://mail.example",
    "HERAUT_MAIL_API_TOKEN": "secret",
    "HERAUT_PORTAL_TOKEN": "secret",
}
SMTP = ("smtp_url", "/run/secrets/smtp_url")
OPERATIONS = {3: "Read", 4: "Write", 8: "Describe"}


@pytest.fixture(scope="module", params=sets())
def one(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    """Return a set of values, rendered."""
    return request.param, rendered(sets()[request.param])


def _kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


def _given(name: str) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load(sets()[name].read_text(encoding="utf-8"))
    return given


def _keys(pod: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return which keys of which Secrets a pod can read; there is no other way in for one."""
    (container,) = pod["containers"]
    assert [] == [entry for entry in container["env"] if "valueFrom" in entry] + container.get("envFrom", [])
    assert {"projected", "emptyDir", "persistentVolumeClaim"} >= {key for one in pod["volumes"] for key in one} - {
        "name"
    }
    return {
        (source["secret"]["name"], item["key"])
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        for item in source["secret"]["items"]
    }


def test_each_pod_can_read_its_own_secrets_alone(one: tuple[str, list[dict[str, Any]]]) -> None:
    """The matrix of compose, whoever makes the Secrets: no key of another room, and the owner's login in no service."""
    name, documents = one
    for pod_name, pod in pods(documents).items():
        found, service = _keys(pod), pod_name.removesuffix("-post")
        room = STAGES.get(service)
        keys = {key for _, key in found}
        assert {f"heraut-{service}-files", f"heraut-{service}-tls", f"heraut-{room}", "main-cluster-ca-cert"} >= {
            secret for secret, _ in found
        }, name
        assert (
            {f"key_{key}" for key in KEYS_OF[room]} == {key for key in keys if key.startswith("key_")} if room else True
        )
        assert ({f"database_url_{room}"} if room else _job_logins(service)) == {
            key for key in keys if key.startswith("database_url")
        }


def _job_logins(job: str) -> set[str]:
    return {"database_url", *(f"database_url_{room}" for room in ROOMS)} if job == "migrate" else set()


def test_the_pods_read_what_compose_mounts() -> None:
    """The same files, at the same places."""
    found = {name: service_of(pod) for name, pod in pods(rendered(sets()["minimal"])).items()}
    for pod_name, service in found.items():
        name = pod_name.removesuffix("-post")
        composed = {
            (one, f"/run/secrets/{one}") if isinstance(one, str) else (one["source"], one["target"])
            for one in COMPOSE[name]["secrets"]
        }
        # Where mails go stands in the open in compose, as it is the demo's.
        assert composed == {(one["source"], one["target"]) for one in service["secrets"]} - {SMTP}
        side = {"migrate": ["--pre"], "migrate-post": ["--post"]}.get(pod_name, [])
        assert [*COMPOSE[name]["command"], *side] == service["command"]


def test_what_is_fetched_is_what_is_mounted(one: tuple[str, list[dict[str, Any]]]) -> None:
    """Each Secret holds the keys of its own pod, and nothing beside them."""
    _, documents = one
    fetched = {
        document["spec"]["target"]["name"]: {entry["secretKey"] for entry in document["spec"]["data"]}
        for document in _kind(documents, "ExternalSecret")
    }
    own = {
        f"heraut-{service}-files": {key for secret, key in _keys(pod) if secret == f"heraut-{service}-files"}
        for service, pod in pods(documents).items()
        if not service.endswith("-post")
    }

    assert not fetched or own | {"heraut-scrape": {"scrape_token", "authority"}} == fetched
    assert [] == _kind(documents, "Secret")


def test_processes_read_every_setting_that_they_are_given(one: tuple[str, list[dict[str, Any]]]) -> None:
    """By the code's own reader: each is known, is theirs, and lets nothing go in the open."""
    _, documents = one
    channels = {dispatch_stage(channel): ADAPTERS[channel].config for channel in Channel}
    for name, pod in pods(documents).items():
        environment = service_of(pod)["environment"]
        bare = {key if key in ENVIRONMENT else key.removesuffix("_FILE") for key in environment}
        assert {key for key in bare if not key.startswith("OTEL_")} <= {*ENVIRONMENT}
        assert name not in STAGES or all(is_for(key, name) for key in bare)
        known = {key: value for key, value in environment.items() if key in ENVIRONMENT}
        files = {key: SECRETS[key] for key in bare if key not in known and key in SECRETS}
        config = load(channels.get(name, ServiceConfig), known | files)
        assert all(peer.secured for peer in config.peers())
        assert () == config.allow_plaintext


def test_no_pod_may_do_more_than_it_has_to(one: tuple[str, list[dict[str, Any]]]) -> None:
    """The restricted profile of the Pod Security Standards, a root that is read alone, no account of the cluster's."""
    _, documents = one
    for pod in pods(documents).values():
        (container,) = pod["containers"]
        assert {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}.items() <= pod[
            "securityContext"
        ].items()
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert {False} == {pod["automountServiceAccountToken"], pod["enableServiceLinks"]}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert re.fullmatch(r".+@sha256:[0-9a-f]{64}", container["image"])
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_probes_ask_what_services_answer(one: tuple[str, list[dict[str, Any]]]) -> None:
    """Whether the loop turns, to restart; whether it can work, to be sent anything. A drain is never cut off."""
    _, documents = one
    for name, pod in pods(documents).items():
        if name in STAGES:
            (container,) = pod["containers"]
            asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
            assert {"/livez"} == {asked["startup"]["path"], asked["liveness"]["path"]}
            assert "/readyz" == asked["readiness"]["path"]
            assert {"HTTPS"} == {one["scheme"] for one in asked.values()}
            assert pod["terminationGracePeriodSeconds"] > 20


def test_nothing_is_reached_but_along_the_ways_of_compose(one: tuple[str, list[dict[str, Any]]]) -> None:
    """Everything is denied to all pods, then each is let along the networks that compose puts it in."""
    name, documents = one
    policies = {document["metadata"]["name"]: document["spec"] for document in _kind(documents, "NetworkPolicy")}
    if not policies:
        assert "hpa" == name
        return
    values = _given(name)
    assert {"policyTypes": ["Ingress", "Egress"]} == {
        key: value for key, value in policies.pop("heraut").items() if key != "podSelector"
    }
    watched, called = values.get("network", {}).get("watch", []), values.get("network", {}).get("front", [])
    for service, spec in policies.items():
        networks = COMPOSE[service.removeprefix("heraut-")]["networks"]
        ports = {port["port"] for way in spec["egress"] for port in way["ports"]}
        out = {443, 587, 22, *([] if values.get("network") else [465])} if "out" in networks else set()
        said = values.get("settings", {})
        identity = {443} if "HERAUT_AUTH_OIDC_ISSUER" in said else set()
        traces = {4318} if "HERAUT_OTLP_URL" in said else set()
        data = {values.get("database", {}).get("port", 5432), *values.get("kafka", {}).get("ports", [9093])}
        assert {53} | data | out | identity | traces == ports
        callers = [
            peer for way in spec["ingress"] for peer in way["from"] if {"protocol": "TCP", "port": 8080} in way["ports"]
        ]
        assert [*(watched if "watch" in networks else []), *(called if "front" in networks else [])] == callers


def test_one_replica_at_a_time_goes_on_purpose(one: tuple[str, list[dict[str, Any]]]) -> None:
    """Of each service, and replicas lie apart."""
    _, documents = one
    running = {document["metadata"]["name"] for document in _kind(documents, "Deployment")}

    assert running == {document["metadata"]["name"] for document in _kind(documents, "PodDisruptionBudget")}
    assert running == {document["metadata"]["name"] for document in _kind(documents, "Service")}
    for document in _kind(documents, "Deployment"):
        spread = document["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} == {one["topologyKey"] for one in spread}


def test_figures_come_by_room() -> None:
    """`job` is the room, as rules and dashboards have it, and each is scraped by its token over TLS."""
    documents = rendered(sets()["full"])
    services = {
        document["metadata"]["name"]: document["metadata"]["labels"] for document in _kind(documents, "Service")
    }
    monitors = _kind(documents, "ServiceMonitor")

    assert {f"heraut-{stage}": room for stage, room in STAGES.items()} == {
        name: labels["heraut/room"] for name, labels in services.items()
    }
    assert {"heraut/room"} == {monitor["spec"]["jobLabel"] for monitor in monitors}
    assert len(STAGES) == len(monitors)
    assert {"https"} == {end["scheme"] for monitor in monitors for end in monitor["spec"]["endpoints"]}


def test_rules_and_dashboards_are_those_of_the_repository() -> None:
    """To the letter, but for where the runbooks can be read."""
    documents = rendered(sets()["full"])
    groups = [group for document in _kind(documents, "PrometheusRule") for group in document["spec"]["groups"]]
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    text = "\n---\n".join(path.read_text(encoding="utf-8") for path in files)
    there = text.replace("deploy/prometheus/runbooks/", "https://runbooks.example/heraut/")
    pages = {
        key: json.loads(value) for document in _kind(documents, "ConfigMap") for key, value in document["data"].items()
    }

    assert [group for file in yaml.safe_load_all(there) for group in file["groups"]] == groups
    assert {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
    } == pages


def test_strimzi_makes_what_the_command_makes() -> None:
    """Topics with their partitions and settings, and the rights of each user to them, those of sources included."""
    documents = rendered(sets()["strimzi"])
    members = ["heraut.cohort.lab.v1", "heraut.cohort.clinic.v1"]
    topics = {document["metadata"]["name"]: document["spec"] for document in _kind(documents, "KafkaTopic")}
    users = {document["metadata"]["name"]: document["spec"] for document in _kind(documents, "KafkaUser")}

    assert {
        one.name: {"partitions": one.partitions, "replicas": 3, "config": dict(one.config) | {"min.insync.replicas": 2}}
        for one in topic_settings(24, "kafka", members)
    } == topics
    assert {*(f"heraut-{room}" for room in ROOMS), "lab", "clinic"} == set(users)
    for room in ROOMS:
        wanted = {
            ("topic" if acl.resource == TOPIC else "group", acl.name, OPERATIONS[acl.operation])
            for acl in needed_rights(room, f"heraut-{room}", members)
        }
        assert wanted == _acls(users[f"heraut-{room}"])
    assert {("topic", members[0], "Write"), ("topic", members[0], "Describe")} == _acls(users["lab"])


def _acls(user: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    acls = user["authorization"]["acls"]
    assert {"literal"} == {acl["resource"]["patternType"] for acl in acls}
    return {(acl["resource"]["type"], acl["resource"]["name"], word) for acl in acls for word in acl["operations"]}


def test_services_are_scaled_by_how_long_people_wait() -> None:
    """In seconds, by the figures of the room; an upgrade does not set back whom they scaled."""
    for name in ("keda", "hpa"):
        documents = rendered(sets()[name])
        scalers = _kind(documents, "ScaledObject") + _kind(documents, "HorizontalPodAutoscaler")
        fixed = {
            document["metadata"]["name"]
            for document in _kind(documents, "Deployment")
            if "replicas" in document["spec"]
        }
        scaled = {document["metadata"]["name"] for document in scalers}
        assert {f"heraut-{stage}" for stage in STAGES} == fixed | scaled
        assert set() == fixed & scaled
        for scaler in scalers:
            room = STAGES[scaler["metadata"]["name"].removeprefix("heraut-")]
            assert f"{room}_oldest_unprocessed_seconds" in json.dumps(scaler["spec"])


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("minimal", "services.dispatch-letter.replicas=2", "ReadWriteOnce"),
        ("external-kafka", "services.dispatch-portal.replicas=1", "secretSettings: HERAUT_PORTAL_URL"),
        ("minimal", "image.digest=latest", "sha256"),
        ("minimal", "settings.HERAUT_TOKEN=secret", "HERAUT_TOKEN"),
        ("minimal", "services.dispatch-email.settings.HERAUT_SMTP_URL=smtp://mail", "HERAUT_SMTP_URL"),
        ("minimal", "autoscaling.kind=hpa,autoscaling.maxReplicas=9", "more replicas than partitions"),
        ("minimal", "autoscaling.kind=keda", "keda needs its address"),
        ("minimal", "kafka.topics=strimzi", "kafka.strimzi.cluster"),
        ("minimal", "secrets.kind=external", "secrets.external.store.name"),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, more: str, reason: str) -> None:
    """Before anything is installed, in words."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        rendered(sets()[name], ["--set", more])


def test_secrets_are_made_of_a_folder_as_pods_mount_them(tmp_path: Path) -> None:
    """Each with its own keys; those that others make are left to them, and a file that is missing is named."""
    documents = rendered(sets()["strimzi"])
    needed = wanted(documents)
    (tmp_path / "keys").mkdir()
    for key in {key for keys in needed.values() for key in keys} - {"key_unwrap"}:
        in_keys = key.startswith("key_")
        name = f"keys/{key.removeprefix('key_')}.json" if in_keys else "principals.json" if key == "principals" else key
        (tmp_path / name).write_text(key, encoding="utf-8")
    command = [sys.executable, "-m", "deploy.helm.secret_manifests", str(tmp_path)]
    missing = subprocess.run(  # noqa: S603 - our own program
        command, input=yaml.safe_dump_all(documents), cwd=ROOT, text=True, capture_output=True, check=False
    )
    (tmp_path / "keys" / "unwrap.json").write_text("key_unwrap", encoding="utf-8")
    made = {one["metadata"]["name"]: {*one["data"]} for one in manifests(needed, tmp_path)}

    assert (1, "") == (missing.returncode, missing.stdout)
    assert missing.stderr.endswith(": key_unwrap\n")
    own = {
        f"heraut-{service}-files": {key for name, key in _keys(pod) if name.endswith("-files")}
        for service, pod in pods(documents).items()
        if not service.endswith("-post")
    }
    assert own | {"heraut-scrape": {"scrape_token", "authority"}} == made


def test_what_the_page_names_is_there() -> None:
    """Deployments and jobs of the commands for a cluster; the values that it leads to are those that are tried."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    documents = rendered(sets()["minimal"])
    there = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in documents}
    named = set(re.findall(r"(?:deployment|job)/[a-z-]+", text))

    assert set() == named - there
    assert {f"deployment/heraut-{stage}" for stage in STAGES} <= named
    assert {"minimal", "full", "strimzi", "keda"} == set(re.findall(r"helm/sets/([a-z-]+)\.yaml", text))


def test_the_schemas_find_what_is_wrong() -> None:
    """A word that an operator does not know would be dropped by the cluster without a word."""
    documents = rendered(sets()["strimzi"]) + rendered(sets()["keda"])
    for kind in ("KafkaTopic", "KafkaUser", "ServiceMonitor", "ScaledObject", "ExternalSecret", "PrometheusRule"):
        broken = json.loads(json.dumps(_kind(documents, kind)[0]))
        broken["spec"]["surplus"] = 1
        assert [*schemas.broken([broken])], kind
    assert catalogue.CHART.is_dir()
