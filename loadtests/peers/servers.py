"""The servers that peers share: PostgreSQL as Heraut has it, Valkey in Redis' place, the checkout's own Kafka.

Each is started when the first peer asks for it, by the same code and with the same settings as Heraut's own. Each round
has a database and topics of its own. All listen on loopback or a socket, and end with `stop`.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.kafka import broker
from loadtests.chaos.fleet import PARTITIONS
from loadtests.peers import setting_up
from loadtests.processes import pid_of
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.process.children import start_child, stop_child

__all__ = ["TOPICS", "Servers"]

TOPICS = ("records", "notices", "letters")
_TABLES = Path(__file__).parent / "inside" / "tables.sql"
# Durable as Redis is by its own advice: what is lost by a power cut is at most the last second.
_REDIS = ("--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec")


class Servers:
    """The servers in one folder, and the numbers of their processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgres = EmbeddedPostgres(folder)
        self._redis: asyncio.subprocess.Process | None = None
        self._bootstrap = ""

    async def database(self, name: str, settings: Mapping[str, str]) -> str:
        """Make a database with the tables of a peer, set the server as it likes it, and return the URL."""
        owner = await self._postgres.ensure_running()
        await _execute(owner, f"create database {name}", "alter system reset all")
        await _execute(owner, *(f"alter system set {word} = '{value}'" for word, value in settings.items()))
        await _execute(owner, "select pg_reload_conf()", "checkpoint")
        url = owner.replace("/heraut?", f"/{name}?")
        await _execute(url, _TABLES.read_text(encoding="utf-8"))
        return url

    async def redis(self) -> str:
        """Start the server, if it does not run yet, and return its socket."""
        folder = self._folder / "redis"
        socket = folder / "redis.sock"
        if self._redis is None:
            folder.mkdir()
            argv = [str(setting_up.valkey()), *_REDIS, "--dir", str(folder), "--unixsocket", str(socket)]
            self._redis = await start_child(argv, environ=os.environ, log=folder / "redis.log")
            async with asyncio.timeout(10):
                while not socket.exists():
                    await asyncio.sleep(0.02)
        return str(socket)

    async def kafka(self, name: str) -> str:
        """Start the broker, if it does not run yet, make the topics of a round, and return the address."""
        # By this very thread, whose end is the broker's: then nothing stays of a run that is killed.
        self._bootstrap = self._bootstrap or broker.start(self._folder / "kafka", outlives_us=False)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(f"{name}-{topic}", PARTITIONS, 1) for topic in TOPICS])
        finally:
            await admin.close()
        return self._bootstrap

    @property
    def pids(self) -> dict[str, int]:
        """The processes of the servers that run, by the names of their columns."""
        found = {"PostgreSQL": self._postgres.server_pid or 0}
        if self._redis:
            found["Redis"] = self._redis.pid
        if self._bootstrap:
            found["broker"] = pid_of("kafka.Kafka", str(self._folder / "kafka"))
        return found

    async def stop(self) -> None:
        """Stop what runs."""
        if self._redis:
            await stop_child(self._redis, 5.0)
        if self._bootstrap:
            await asyncio.to_thread(broker.stop, self._folder / "kafka")
        await self._postgres.destroy()


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
