"""PostgreSQL: pools, named queries, COPY, migrations, and the embedded server."""

from services.kit.postgres.copy import copy_packed
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.postgres.logins import FOLDER as LOGINS_FOLDER
from services.kit.postgres.logins import check_login, logged_in_as, made_logins, make_logins, password_of, role_of
from services.kit.postgres.migrations import MigrationReport, Side, check_migrated, migrate
from services.kit.postgres.pool import Connection, Pool, connect_pool, is_retryable
from services.kit.postgres.queries import Queries

__all__ = [
    "LOGINS_FOLDER",
    "Connection",
    "EmbeddedPostgres",
    "MigrationReport",
    "Pool",
    "Queries",
    "Side",
    "check_login",
    "check_migrated",
    "connect_pool",
    "copy_packed",
    "is_retryable",
    "logged_in_as",
    "made_logins",
    "make_logins",
    "migrate",
    "password_of",
    "role_of",
]
