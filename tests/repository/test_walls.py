"""The import rules of pyproject.toml: each of them fails where it is broken, so none is there for show."""

from collections.abc import Callable, Mapping
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract
from importlinter.domain.contract import Contract

ROOT = Path(__file__).parents[2]
TYPES: Mapping[str, Callable[..., Contract]] = {
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
# Imports that must not be, as importer and imported module. Every rule is broken by one of them.
VIOLATIONS = [
    ("services.kit.errors", "services.wire.columns"),  # the kit knows no room's noun
    ("services.routing.domain", "services.cli.console"),
    ("services.kit.postgres.pool", "services.kit.eventlog.port"),  # a floor of the kit upwards
    ("services.kit.eventlog.embedded.log", "services.kit.eventlog.kafka.log"),  # from one adapter to another
    ("services.kit.stage.plan", "services.kit.stage.loop"),  # within the stage, upwards
    ("services.kit.stage.loop", "services.kit.postgres.pool"),  # past a face, inside the kit
    ("services.cli.__main__", "services.kit.vault.keys"),  # past a face, from above
    ("services.tracking.app", "services.kit.eventlog.kafka"),
    ("services.kit.process.service", "aiokafka"),
    ("services.kit.eventlog.embedded.log", "aiokafka"),  # from another adapter
    ("services.kit.eventlog.choose", "aiokafka"),
    ("services.kit.stage.spans", "opentelemetry"),  # past what chooses who traces
    ("services.routing.handlers", "services.tracking.store"),  # from room to room
    ("services.wire.columns", "services.wire.notices"),  # within a package, upwards or sideways
    ("services.cli.console", "services.cli.prepare"),
    ("services.cli.commands.up", "services.cli.commands.doctor"),
    ("services.demo.errors", "services.demo.run"),
    ("services.demo.made_up.names", "services.demo.made_up.people"),
    ("services.routing.domain", "services.routing.handlers"),
    ("services.intake.records.record", "services.intake.members.chunks"),
    ("services.rendering.wording.wording", "services.rendering.letters.pdf"),
    ("services.rendering.told", "services.dispatch.store"),
    ("services.dispatch.domain", "services.dispatch.store"),
    ("services.routing.domain", "asyncio"),
    ("services.core.ids", "asyncpg"),
    ("services.routing.handlers", "notification.v1.routing_pb2"),
]


def _contracts() -> dict[str, Contract]:
    """Return the rules of pyproject.toml by name."""
    configuration = read_configuration(str(ROOT / "pyproject.toml"))
    options = configuration["session_options"]
    return {
        str(own["name"]): TYPES[str(own["type"])](
            str(own["name"]), options, {k: v for k, v in own.items() if k not in {"name", "type"}}
        )
        for own in configuration["contracts_options"]
    }


def _broken_by(graph: grimp.ImportGraph) -> set[str]:
    return {name for name, contract in _contracts().items() if not contract.check(graph, verbose=False).kept}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return all imports of the project; a test leaves them as they were."""
    return grimp.build_graph("services", "notification", include_external_packages=True, cache_dir=None)


@pytest.fixture(scope="module")
def broken(graph: grimp.ImportGraph) -> dict[tuple[str, str], set[str]]:
    """Return which rules each violation breaks."""
    found = {}
    for importer, imported in VIOLATIONS:
        assert {importer, imported} <= graph.modules
        graph.add_import(importer=importer, imported=imported, line_number=1, line_contents="")
        found[importer, imported] = _broken_by(graph)
        graph.remove_import(importer=importer, imported=imported)
    return found


def test_the_project_keeps_its_rules(graph: grimp.ImportGraph) -> None:
    """Without a violation no rule is broken."""
    assert set() == _broken_by(graph)


def test_every_violation_is_seen(broken: dict[tuple[str, str], set[str]]) -> None:
    """No import of the list passes all rules."""
    assert [violation for violation, rules in broken.items() if not rules] == []


def test_every_rule_can_be_broken(broken: dict[tuple[str, str], set[str]]) -> None:
    """A rule that nothing breaks would hold whatever was written."""
    assert set().union(*broken.values()) == _contracts().keys()


def test_a_module_on_no_floor_is_seen(graph: grimp.ImportGraph) -> None:
    """Where a rule lists all modules of a package, a new one has to be given its place in the order."""
    listing = {
        name: contract.contract_options["containers"]
        for name, contract in _contracts().items()
        if contract.contract_options.get("exhaustive")
    }
    strays = [f"{package}.stray" for packages in listing.values() for package in packages]
    for stray in strays:
        graph.add_module(stray)
    broken = _broken_by(graph)
    for stray in strays:
        graph.remove_module(stray)

    assert listing.keys() == broken
    assert {"services", "services.kit"} < {package for packages in listing.values() for package in packages}
