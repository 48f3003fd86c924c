"""Intake's real application on a real database."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED, TOTALS_CHANGED
from notification.v1 import intake_pb2
from prometheus_client import CollectorRegistry

from services.intake.api import Api
from services.intake.context import Context
from services.intake.metrics import IntakeMetrics
from services.intake.records.hashes import HashesByIncident
from services.intake.store import Store
from services.kit.postgres import Pool
from services.kit.principals import PrincipalsFile
from services.kit.process import serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.totals import TotalsRow
from services.kit.testing import FakeClock, make_principals
from services.kit.vault.key_files import create_keys
from services.kit.vault.keys import KeyRing
from services.kit.vault.vault import Vault
from services.wire.totals import decode_totals
from tests.conftest import RoomPool
from tests.principals import PRINCIPALS, authenticator

PARTITIONS = 4
COHORT = "/v1/incidents/lab/cohorts/wave-1"


def a_document(**changed: Any) -> dict[str, Any]:
    """Return an incident document."""
    text = {"nl": "tekst", "en": "text"}
    stated: dict[str, Any] = {
        "title": "Laboratory",
        "awareAt": "2025-08-01T10:00:00+02:00",
        "controller": {"name": "Lab", "address": ["Street 1"], "phone": "010", "email": "lab@example.nl"},
        "languages": ["nl", "en"],
        "channels": ["portal", "email", "letter"],
        "dataCategories": [{"code": code, "label": text} for code in ("name", "bsn", "medical")],
        "content": dict.fromkeys(("nature", "consequences", "measures", "advice", "contact"), text),
    }
    return stated | changed


@dataclass(slots=True)
class Intake:
    """The application as a client sees it, and its tables as an operator would."""

    session: ClientSession
    context: Context
    keys: KeyRing
    url: str
    tokens: dict[str, str]
    principals: PrincipalsFile
    registry: CollectorRegistry

    @asynccontextmanager
    async def as_principal(self, name: str) -> AsyncIterator["Intake"]:
        """Return the application as another principal sees it."""
        async with ClientSession(self.url, headers={"Authorization": f"Bearer {self.tokens[name]}"}) as session:
            yield replace(self, session=session)

    @property
    def pool(self) -> Pool:
        """Return connections as intake."""
        return self.context.pool

    async def put(self, path: str, body: Any) -> tuple[int, Any]:
        """PUT JSON."""
        async with self.session.put(path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """POST JSON."""
        async with self.session.post(path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str) -> tuple[int, Any]:
        """GET JSON."""
        async with self.session.get(path) as response:
            return response.status, await response.json(content_type=None)

    async def upload(self, body: Any, *, cohort: str = COHORT, **headers: str) -> tuple[int, Any]:
        """POST members; header names with underscores for hyphens."""
        sent = {"Content-Type": "text/csv"} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = io.BytesIO(body.encode() if isinstance(body, str) else body) if isinstance(body, str | bytes) else body
        async with self.session.post(f"{cohort}/members", data=data, headers=sent) as response:
            return response.status, await response.json(content_type=None)

    async def counts(self, cohort: str = COHORT) -> tuple[int, int, int]:
        """Return received, rejected, accepted as intake counted them."""
        _, shown = await self.get(cohort)
        return shown["received"], shown["rejected"], shown["accepted"]

    async def blocks(self, topic: str) -> list[bytes]:
        """Return the blocks of a topic, in the order of their partitions and sequences."""
        query = "select block from log.log where topic = $1 and source = 'intake' order by partition, seq"
        return [row["block"] for row in await self.pool.fetch(query, topic)]

    async def accepted(self) -> list[intake_pb2.MembersAccepted]:
        """Return the blocks of accepted members."""
        return [intake_pb2.MembersAccepted.FromString(block) for block in await self.blocks(MEMBERS_ACCEPTED)]

    async def changes(self) -> list[intake_pb2.IncidentsChanged]:
        """Return the blocks of changed incidents and cohorts."""
        return [intake_pb2.IncidentsChanged.FromString(block) for block in await self.blocks(INCIDENTS_CHANGED)]

    async def totals(self) -> list[TotalsRow]:
        """Return the totals that were told, in order."""
        return [row for block in await self.blocks(TOTALS_CHANGED) for row in decode_totals(block)]

    async def people(self) -> int:
        """Return how many members the database has."""
        return int(await self.pool.fetchval("select count(*) from members"))


@pytest.fixture
async def intake(room_pool: RoomPool, tmp_path: Path) -> AsyncIterator[Intake]:
    """Run the application; an incident and an open cohort are there."""
    keys, clock, registry = create_keys(tmp_path / "keys"), FakeClock(), new_registry()
    context = Context(
        pool=await room_pool("intake"),
        clock=clock,
        store=Store(),
        vault=Vault(keys),
        hashes=HashesByIncident(keys),
        partitions=PARTITIONS,
        metrics=IntakeMetrics(registry, StageMetrics("intake", registry)),
    )
    path = tmp_path / "principals.json"
    tokens = make_principals(path, *PRINCIPALS)
    app = web_app(Health("intake", clock), registry, authenticator(path, clock), routes=Api(context).routes())
    async with (
        serve_http(app, "127.0.0.1", 0) as url,
        ClientSession(url, headers={"Authorization": f"Bearer {tokens['operator']}"}) as session,
    ):
        made = Intake(session, context, keys, url, tokens, PrincipalsFile(path, clock), registry)
        await made.put("/v1/incidents/lab", a_document())
        await made.put(COHORT, {"source": "lab", "declaredCount": 3})
        yield made
