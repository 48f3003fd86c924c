"""Operators see what happens: a real Prometheus scrapes every service, and no panel of the dashboard stays empty."""

import asyncio
import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.prometheus import local
from services.core.rooms import STAGES
from services.demo.stack import open_stack
from services.kit.postgres.embedded import EmbeddedPostgres
from tests.e2e.made_up_load import Load, make_load, stack_wish, tell

pytestmark = pytest.mark.timeout(600)

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGES = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# As most installations scrape; `make deploy-check` looks at a minute as well.
INTERVAL = int(os.environ.get("SCRAPE_EVERY", "15"))
# What Grafana puts into queries: everything is chosen, and rates are over four scrapes.
_CHOSEN = {
    "$__rate_interval": f"{4 * INTERVAL}s",
    **dict.fromkeys(("$job", "$instance", "$incident", "$channel"), ".*"),
}
# Intake reads blocks where people are withdrawn or identities are settled, and nothing of that happens here.
_NOT_HERE = re.compile(r"intake_batch_seconds_bucket")
# The metrics that interfaces promise of each room, beside those of every stage.
PROMISED = {
    "intake": {"intake_members_total"},
    "deduplication": {"deduplication_members_total"},
    "routing": {"routing_notices_total"},
    "dispatch": {
        "dispatch_attempts_total",
        "dispatch_notice_seconds",
        "dispatch_open_notices",
        "dispatch_open_oldest_seconds",
        "dispatch_provider_last_heard_timestamp_seconds",
    },
    "tracking": {"tracking_events_total", "tracking_cohort_members", "tracking_oldest_uninformed_seconds"},
}
OF_EVERY_STAGE = (
    "backlog_blocks",
    "batch_seconds",
    "dead_letters_total",
    "disk_free_ratio",
    "http_requests_total",
    "last_heard_timestamp_seconds",
    "oldest_unprocessed_seconds",
    "outbox_oldest_seconds",
    "owned_partitions",
    "partitions",
    "ready",
    "takeovers_total",
)
# Seconds that a panel may stay empty once all are told: some scrapes, on a busy machine.
SEEN_WITHIN = 30.0 + 4 * INTERVAL


@dataclass(slots=True)
class Seen:
    """What Prometheus and the services showed while people were told."""

    services: set[str]
    up: set[str] = field(default_factory=set)
    metrics: dict[str, str] = field(default_factory=dict)  # by service, as scraped
    empty: set[str] = field(default_factory=set)  # queries that never returned a number
    nameless: set[str] = field(default_factory=set)  # queries whose lines lack a label that the legend shows


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Tell 1,500 people while a Prometheus scrapes all services, and return what was seen."""
    data = tmp_path_factory.mktemp("seen")
    load = make_load(data / "cohorts", people=1500)
    try:
        yield asyncio.run(_look_on(data, load))
    except local.PrometheusUnavailable as error:
        _not_here(f"no Prometheus: {error}")
    finally:
        asyncio.run(EmbeddedPostgres(data).destroy())


def _not_here(why: str) -> None:
    """Skip a test whose program is missing; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


async def _look_on(data: Path, load: Load) -> Seen:
    async with open_stack(stack_wish(data, HERAUT_SYNTHETIC_EVERY="2s"), load.incident_id) as stack:
        seen = Seen(set(stack.addresses))
        with local.prometheus(
            stack.addresses, data, token_file=stack.data / "scrape.token", interval=f"{INTERVAL}s"
        ) as prometheus:
            async with aiohttp.ClientSession() as http:
                await _until_all_are_up(http, prometheus, stack.addresses)
                telling = asyncio.create_task(tell(stack, load))
                await _until_all_panels_show(http, prometheus, telling, seen)
                await telling
                seen.up = await _up(http, prometheus, stack.addresses)
                for service, url in stack.addresses.items():
                    seen.metrics[service] = await _text(http, f"{url}/metrics", stack.token)
    return seen


async def _until_all_panels_show(
    http: aiohttp.ClientSession, prometheus: str, telling: "asyncio.Task[dict[str, Any]]", seen: Seen
) -> None:
    """Ask every query of the dashboard until each has returned a number, or `SEEN_WITHIN` is over."""
    legends = dict(_queries())
    seen.empty = set(legends)
    loop = asyncio.get_running_loop()
    deadline = math.inf
    while seen.empty and loop.time() < deadline:
        if telling.done() and deadline == math.inf:
            telling.result()  # raises what went wrong
            deadline = loop.time() + SEEN_WITHIN
        for query in sorted(seen.empty):
            lines = await _lines(http, prometheus, query)
            if lines:
                seen.empty.discard(query)
                wanted = set(re.findall(r"\{\{(\w+)\}\}", legends[query]))
                seen.nameless |= {query for line in lines if not wanted <= line.keys()}
        await asyncio.sleep(0.3)  # another process sets no event of ours


def _queries() -> Iterator[tuple[str, str]]:
    """Return every query of every dashboard with its legend, as Grafana would send it."""
    for page in PAGES:
        for panel in json.loads(page.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                query = target["expr"]
                for word, chosen in _CHOSEN.items():
                    query = query.replace(word, chosen)
                if not _NOT_HERE.search(query):
                    yield query, target["legendFormat"]


async def _lines(http: aiohttp.ClientSession, prometheus: str, query: str) -> list[dict[str, str]]:
    """Return the labels of each line of a query that has a number now."""
    async with http.get(f"{prometheus}/api/v1/query", params={"query": query}) as answer:
        document = await answer.json()
        assert answer.status == 200, f"{query}: {document['error']}"
    return [one["metric"] for one in document["data"]["result"] if not math.isnan(float(one["value"][1]))]


async def _up(http: aiohttp.ClientSession, prometheus: str, addresses: Mapping[str, str]) -> set[str]:
    """Return the services whose last scrape went well."""
    async with http.get(f"{prometheus}/api/v1/targets", params={"state": "active"}) as answer:
        targets = (await answer.json())["data"]["activeTargets"]
    up = {target["scrapeUrl"].removesuffix("/metrics") for target in targets if target["health"] == "up"}
    return {service for service, url in addresses.items() if url in up}


async def _until_all_are_up(http: aiohttp.ClientSession, prometheus: str, addresses: Mapping[str, str]) -> None:
    """Wait for the first scrape of each service; Prometheus is ready some seconds before it scrapes."""
    async with asyncio.timeout(SEEN_WITHIN):
        while await _up(http, prometheus, addresses) != set(addresses):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)


async def _text(http: aiohttp.ClientSession, url: str, token: str) -> str:
    async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        return await answer.text()


def test_every_service_is_scraped(seen: Seen) -> None:
    """Prometheus scrapes each process."""
    assert set(STAGES) == seen.services
    assert set(STAGES) == seen.up


def test_every_promised_metric_is_at_its_process(seen: Seen) -> None:
    """An operator finds each metric at the process that the interface names."""
    missing = {}
    for service, room in STAGES.items():
        counted = set(re.findall(r"^# TYPE (\w+) ", seen.metrics[service], re.MULTILINE))
        promised = PROMISED[room] | {f"{room}_{name}" for name in OF_EVERY_STAGE}
        missing[service] = promised - counted

    assert {service: set[str]() for service in STAGES} == missing


def test_every_panel_shows_the_load(seen: Seen) -> None:
    """Every query of the dashboard returns numbers while people are told, with the labels that its legend shows."""
    assert (set(), set()) == (seen.empty, seen.nameless)


def test_every_process_counts_for_its_own_room(seen: Seen) -> None:
    """A process shows metrics of its own room alone, so that no sum counts anything twice."""
    foreign = {
        name
        for service, room in STAGES.items()
        for name in re.findall(r"^# TYPE (\w+) ", seen.metrics[service], re.MULTILINE)
        if name.split("_")[0] not in {room, "heraut", "process", "python"}
    }

    assert set() == foreign


@pytest.mark.parametrize("service", STAGES)
def test_prometheus_own_tool_finds_nothing_to_say(seen: Seen, service: str) -> None:
    """Names, units and help texts of all metrics follow the rules of Prometheus."""
    assert (0, "") == _promtool("check", "metrics", standard_input=seen.metrics[service])


def test_the_configuration_for_containers_is_valid(tmp_path: Path) -> None:
    """Prometheus starts with the configuration for containers, once the token is there that it scrapes with."""
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    token, here = tmp_path / "scrape_token", tmp_path / "prometheus.yml"
    token.write_text("a token", encoding="utf-8")
    here.write_text(config.replace("/run/secrets/scrape_token", str(token)), encoding="utf-8")
    status, said = _promtool("check", "config", str(here))

    assert (0, True) == (status, "SUCCESS" in said)


def _promtool(*arguments: str, standard_input: str = "") -> tuple[int, str]:
    promtool = shutil.which("promtool")
    if promtool is None:
        _not_here("promtool is missing; it comes with Prometheus")
    done = subprocess.run(  # noqa: S603 - found on the path
        [str(promtool), *arguments], input=standard_input, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr
