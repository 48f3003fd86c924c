"""PostgreSQL: pools, named queries, COPY, migrations, and the embedded server."""

from services.kit.postgres.copy import binary_copy
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.postgres.migrations import MigrationReport, migrate
from services.kit.postgres.pool import Connection, Pool, connect_pool, is_retryable
from services.kit.postgres.queries import Queries

__all__ = [
    "Connection",
    "EmbeddedPostgres",
    "MigrationReport",
    "Pool",
    "Queries",
    "binary_copy",
    "connect_pool",
    "is_retryable",
    "migrate",
]
