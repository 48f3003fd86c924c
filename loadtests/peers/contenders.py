"""Who takes part, in the order of a round, and how each was tuned."""

from collections.abc import Mapping, Sequence

from loadtests.peers.heraut import Heraut
from loadtests.peers.peer import Peer, Promise
from loadtests.peers.programs import ProgramPeer
from loadtests.peers.servers import Servers

__all__ = ["WORDS", "contenders"]

# In the order of a round.
WORDS = ("heraut-postgres", "script", "heraut-kafka", "faststream-batches", "faststream", "celery", "procrastinate")
_CELERY = ("celery", "-A", "loadtests.peers.inside.celery_tasks", "worker", "--pool", "solo", "--loglevel", "WARNING")
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
# Rows of jobs are deleted as fast as they come: dead ones must go as fast.
_VACUUM = {"autovacuum_naptime": "2s"}


def contenders(servers: Servers) -> Sequence[Peer]:
    """Return everybody. Those that take a message at a time get fewer people, as they would take minutes."""
    replicas = (Promise.REPLICAS,)
    return [
        Heraut("postgres", 200_000),
        ProgramPeer(
            "script", "plain psycopg: COPY, one INSERT..SELECT, a cursor; one process", 200_000, servers,
            {"script": ["INSIDE.script"]},
        ),
        Heraut("kafka", 200_000),
        ProgramPeer(
            "faststream-batches", "FastStream `batch=True` on Kafka, a process a role, 1,000 messages a batch", 100_000,
            servers, _roles("streamed_in_batches"), replicas, uses=("broker",),
        ),
        ProgramPeer(
            "faststream", "FastStream, a handler a message, `max_workers` 64, a process a role", 10_000,
            servers, _roles("streamed_singly"), replicas, uses=("broker",),
        ),
        ProgramPeer(
            "celery", "Celery and Redis (Valkey), acks late, prefetch 64, two solo workers, two tasks a person", 4_000,
            servers, _celery(), replicas, uses=("Redis",),
        ),
        ProgramPeer(
            "procrastinate", "procrastinate, `batch_defer`, two workers of eight jobs, two tasks a person", 3_000,
            servers, _procrastinate(), replicas, prepares=["INSIDE.procrastinate_tasks", "tables"], postgres=_VACUUM,
        ),
    ]  # fmt: skip


def _roles(module: str) -> Mapping[str, Sequence[str]]:
    return {role: [f"INSIDE.{module}", role] for role in ("intake", "deduplicate", "route", "dispatch")}


def _celery() -> Mapping[str, Sequence[str]]:
    workers = {f"worker-{number}": [*_CELERY, *_QUIET, "--hostname", f"{number}@peers"] for number in (1, 2)}
    return {"intake": ["INSIDE.celery_tasks"], **workers}


def _procrastinate() -> Mapping[str, Sequence[str]]:
    workers = {f"worker-{number}": ["INSIDE.procrastinate_tasks", "worker"] for number in (1, 2)}
    return {"intake": ["INSIDE.procrastinate_tasks", "intake"], **workers}
