"""Writes what the Helm chart knows of the services: `python -m deploy.helm.catalogue`, or `--check` for freshness.

Which services there are, their commands, networks, secrets and users come from docker-compose.yml; the settings of
each, and which of them are secret, from the code; topics and rights from the contracts in proto/topics. Templates loop
over these tables and name no service.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.topic_tables import topics
from deploy.helm.values_schema import values_schema
from services.cli.settings_list import Described, described_settings
from services.core.rooms import STAGES
from services.dispatch.channels import PROVIDER_ADDRESSES

__all__ = ["CHART", "main", "services", "tables"]

CHECKOUT = Path(__file__).resolve().parents[2]
CHART = CHECKOUT / "deploy" / "helm" / "heraut"
# What is done before and after the services are replaced: as deploy/upgrades.md has it.
_BEFORE, _AFTER = "pre-install,pre-upgrade", "post-install,post-upgrade"
_JOBS: Mapping[str, Sequence[dict[str, Any]]] = {
    "migrate": (
        {"suffix": "", "arguments": ["--pre"], "hooks": _BEFORE, "weight": 0},
        {"suffix": "-post", "arguments": ["--post"], "hooks": _AFTER, "weight": 0},
    ),
    "topics": ({"suffix": "", "arguments": [], "hooks": _BEFORE, "weight": 1},),
}
_MADE = "# Made by deploy/helm/catalogue.py from docker-compose.yml, the settings and proto/topics; do not edit.\n"
# What a process finds at a place of its own container, or logs in as; everything else is for whoever installs it.
_FACT = re.compile(r"/run/|/var/lib/heraut|heraut(-\w+)?$")
# Folders that the chart lays; the name of each file in the last is for whoever installs it.
_FOLDERS = {"HERAUT_DATA_DIR", "HERAUT_KEYS_DIR", "HERAUT_PRINT_DIR", "HERAUT_WEBHOOKS_DIR"}
_WEBHOOKS = "HERAUT_WEBHOOKS_DIR"
# What the chart sets from values of its own.
_SET_BY_VALUES = {
    "HERAUT_LOG", "HERAUT_PARTITIONS", "HERAUT_HTTP_HOST", "HERAUT_HTTP_PORT", "HERAUT_KAFKA_BOOTSTRAP_SERVERS",
    "HERAUT_KAFKA_SECURITY_PROTOCOL", "HERAUT_KAFKA_SASL_MECHANISM", "HERAUT_KAFKA_REPLICATION",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or with --check name those that differ and give 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a table is not fresh")
    check: bool = parser.parse_args(arguments).check
    stale = [path for path, text in tables().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(CHECKOUT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(tables()[path], encoding="utf-8")
    return 1 if check and stale else 0


def tables() -> dict[Path, str]:
    """Return every generated file of the chart with the text that it should have."""
    known = services()
    return {
        CHART / "files" / "services.yaml": _MADE + _as_yaml(known),
        CHART / "files" / "topics.yaml": _MADE + _as_yaml(topics()),
        CHART / "values.schema.json": json.dumps(values_schema(known, _everybodys(known["services"])), indent=1) + "\n",
    }


def services() -> dict[str, Any]:
    """Return the services and jobs of the chart, and whose token Prometheus shows."""
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    described = described_settings()
    return {
        "services": {stage: _service(stage, compose[stage], described) for stage in STAGES},
        "jobs": {job: _common(compose[job]) | {"steps": [*steps]} for job, steps in _JOBS.items()},
        "scrape": [secret["key"] for secret in _secrets(compose["prometheus"])],
    }


def _service(stage: str, composed: Mapping[str, Any], described: Sequence[Described]) -> dict[str, Any]:
    own = [one for one in described if stage in one.processes]
    facts, names = _facts(composed), {one.name for one in own}
    return {
        "room": STAGES[stage],
        **_common(composed),
        "memory": composed["mem_limit"].replace("g", "Gi").replace("m", "Mi"),
        "stopSeconds": int(composed["stop_grace_period"].removesuffix("s")),
        "settings": sorted(one.name for one in own if _may_be_set(one, facts)),
        # Of each provider's address itself, or another provider's in its place.
        "oneOf": [[one.setting, *one.instead] for one in PROVIDER_ADDRESSES if one.setting in names],
        "secretSettings": {one.name: _secret_setting(one) for one in own if _may_be_secret(one, facts)},
        "webhooks": any(one.name == _WEBHOOKS for one in own),
    }


def _common(composed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a service and a job have alike."""
    return {
        "command": composed["command"],
        "networks": sorted(composed["networks"]),
        "environment": _facts(composed),
        "secrets": _secrets(composed),
        "volumes": dict(volume.split(":")[:2] for volume in composed.get("volumes", ())),
    }


def _facts(composed: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that hold wherever the image runs."""
    variables = {name: str(value) for name, value in composed["environment"].items()}
    return {name: value for name, value in sorted(variables.items()) if _FACT.match(value)}


def _secrets(composed: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a service's secrets: the key of each in the service's own Secret, and where its file is."""
    found = [secret if isinstance(secret, dict) else {"source": secret} for secret in composed["secrets"]]
    return [
        {"key": secret["source"], "path": secret.get("target", f"/run/secrets/{secret['source']}")}
        | ({"kafkaUser": _kafka_user(composed, secret["source"])} if secret["source"].startswith("kafka_") else {})
        for secret in found
    ]


def _kafka_user(composed: Mapping[str, Any], secret: str) -> str:
    """Return the user whose password a secret is."""
    (variable,) = [name for name, value in composed["environment"].items() if value == f"/run/secrets/{secret}"]
    return str(composed["environment"][variable.replace("PASSWORD", "USERNAME").removesuffix("_FILE")])


def _may_be_set(one: Described, facts: Mapping[str, str]) -> bool:
    """Tell whether a setting may stand in the values: it is no secret, and nothing else sets it."""
    return not (one.secret or one.name in facts or one.name in _FOLDERS | _SET_BY_VALUES)


def _may_be_secret(one: Described, facts: Mapping[str, str]) -> bool:
    """Tell whether the file of a setting may be mounted from the service's Secret."""
    named = {name.removesuffix("_FILE") for name in facts}
    return (one.secret or one.form == "path") and one.name not in named | _FOLDERS


def _secret_setting(one: Described) -> dict[str, str]:
    key = one.name.removeprefix("HERAUT_").lower()
    return {"key": key, "variable": f"{one.name}_FILE" if one.secret else one.name}


def _everybodys(known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the settings that every service has and that may stand in the values."""
    facts = {name: value for one in known.values() for name, value in one["environment"].items()}
    every = [one for one in described_settings() if one.processes == ("every service",)]
    return sorted(one.name for one in every if _may_be_set(one, facts))


def _as_yaml(table: Mapping[str, Any]) -> str:
    return yaml.safe_dump(table, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.exit(main())
