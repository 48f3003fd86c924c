"""How many partitions an installation has. It is fixed at the first start: people are looked for where they were put.

With fewer, what lies in the others is read by nobody; with more, the records of one person part company. The number
stands in the database on every log, as the rooms' tables go by it too.
"""

from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.postgres import Connection, Queries

__all__ = ["compare_partitions", "fix_partitions"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


async def compare_partitions(connection: Connection, partitions: int) -> bool:
    """Compare the setting with the number that was fixed; tells whether there is one.

    Raises ConfigError where it is another.
    """
    fixed = await connection.fetchval(_QUERIES["partitions"])
    if fixed not in {None, partitions}:
        raise ConfigError(
            f"HERAUT_PARTITIONS is {partitions}, and this installation has {fixed}: the number cannot be changed,"
            " as people would be looked for where they are not"
        )
    return fixed is not None


async def fix_partitions(connection: Connection, partitions: int) -> None:
    """Fix the number where none is. Raises ConfigError where another process has just fixed another one."""
    await connection.execute(_QUERIES["fix_partitions"], partitions)
    await compare_partitions(connection, partitions)
