"""Every setting is told with all that whoever sets it has to know, and each one that is told is read."""

import dataclasses
from pathlib import Path

from services.cli.settings_list import COMMANDS, config_of, described_settings
from services.core.environment import ENVIRONMENT, is_for
from services.core.rooms import STAGES

ROOT = Path(__file__).parents[2]


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
