"""The Helm chart knows what compose and the code know, by tables that are made; `make chart-check` renders it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.compose.secret_files import mounted
from deploy.helm import catalogue
from services.core.environment import ENVIRONMENT
from services.core.keys import KEYS_OF
from services.core.rooms import ROOMS, STAGES
from services.kit.eventlog.topics import topic_settings

CHART = catalogue.CHART
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
TABLE: dict[str, Any] = yaml.safe_load((CHART / "files" / "services.yaml").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((CHART.parents[2] / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
SETS = sorted((CHART.parent / "sets").glob("*.yaml"))
IMAGE = {"repository": "registry.example/heraut", "digest": f"sha256:{'0' * 64}"}


def test_the_tables_are_fresh() -> None:
    """What is committed is what docker-compose.yml, the settings and the contracts say."""
    stale = {path.name for path, text in catalogue.tables().items() if path.read_text(encoding="utf-8") != text}

    assert set() == stale


def test_no_template_names_a_service_or_a_room() -> None:
    """They loop over the table: a service that is added to compose is in the chart."""
    templates = [path for path in (CHART / "templates").iterdir() if path.suffix in {".tpl", ".yaml"}]
    text = "".join(path.read_text(encoding="utf-8") for path in templates)

    assert [] == [name for name in (*STAGES, *ROOMS) if name in text]
    assert [*STAGES] == [*TABLE["services"]] == [*VALUES["services"]]


def test_each_process_has_its_own_secrets_alone() -> None:
    """The matrix of compose: certificate, login and keys of its room; the owner's is the jobs' alone."""
    found = {
        name: {one["key"] for one in table["secrets"]} for name, table in (TABLE["services"] | TABLE["jobs"]).items()
    }

    assert {name: set(mounted(COMPOSE[name])) for name in found} == found
    for name, room in STAGES.items():
        own = {f"database_url_{room}", f"kafka_password_{room}", f"certificate_{name}", "authority", "principals"}
        assert own | {f"key_{key}" for key in KEYS_OF[room]} == found[name]


def test_settings_of_the_chart_are_settings_that_are_read() -> None:
    """By their names, and what is secret is for a Secret alone."""
    for table in TABLE["services"].values():
        secret = {name for name, one in table["secretSettings"].items() if one["variable"].endswith("_FILE")}
        assert {*table["settings"], *table["secretSettings"]} <= {*ENVIRONMENT}
        assert set() == secret & {*table["settings"]}


def test_topics_are_those_that_the_command_makes() -> None:
    """With as many partitions, and the same configuration; a source's are by a pattern."""
    table = yaml.safe_load((CHART / "files" / "topics.yaml").read_text(encoding="utf-8"))
    found = {one["name"]: (one["partitions"] or 12, one["config"]) for one in table["topics"]}

    assert {one.name: (one.partitions, dict(one.config)) for one in topic_settings(12, "kafka", [])} == found
    assert ["{topic}", "{topic}.intake.dlq"] == [one["name"] for one in table["ofSource"]["topics"]]


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_values_that_are_tried_are_valid(path: Path) -> None:
    """With those of the chart beneath them, as Helm has it."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))

    jsonschema.Draft7Validator(SCHEMA).validate(given)
    jsonschema.Draft7Validator(SCHEMA).validate(VALUES | {"image": IMAGE})


@pytest.mark.parametrize(
    "wrong",
    [
        {"services": {"dispatch-email": {"settings": {"HERAUT_SMTP_URL": "smtp://user:password@mail.example"}}}},
        {"services": {"routing": {"settings": {"HERAUT_SMTP_CONNECTIONS": 4}}}},
        {"services": {"routing": {"secretSettings": ["HERAUT_SMTP_URL"]}}},
        {"services": {"postman": {}}},
        {"settings": {"HERAUT_DATABASE_URL": "postgresql://heraut@database/heraut"}},
        {"settings": {"HERAUT_TOKEN": "secret"}},
        {"settings": {"HERAUT_NO_SUCH": "1"}},
        {"image": {"repository": "registry.example/heraut", "tag": "latest"}},
        {"image": {"repository": "registry.example/heraut", "digest": "latest"}},
        {"secrets": {"values": {"key_unwrap": "..."}}},
        {"log": "redis"},
    ],
    ids=str,
)
def test_what_should_not_stand_in_values_is_refused(wrong: dict[str, Any]) -> None:
    """A secret, a setting of another service, a word that nobody knows, an image that can be swapped."""
    assert [*jsonschema.Draft7Validator(SCHEMA).iter_errors({"image": IMAGE} | wrong)]


def test_rules_and_dashboards_are_not_copied() -> None:
    """The chart has the files themselves."""
    files = CHART / "files"

    assert (CHART.parents[1] / "prometheus" / "rules").samefile(files / "rules")
    assert (CHART.parents[1] / "grafana" / "dashboards").samefile(files / "dashboards")
    assert all((files / name).is_symlink() for name in ("rules", "dashboards"))


def test_memory_that_is_asked_for_is_less_than_what_is_given() -> None:
    """Of every service; the limit is compose's."""
    for name, given in VALUES["services"].items():
        asked = int(given["resources"]["requests"]["memory"].removesuffix("Mi"))
        assert asked < 1024 * int(TABLE["services"][name]["memory"].removesuffix("Gi"))
        assert COMPOSE[name]["mem_limit"] == TABLE["services"][name]["memory"].lower().removesuffix("i")
