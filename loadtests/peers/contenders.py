"""Who takes part, in the order of a round, and how each was tuned."""

from collections.abc import Sequence

from loadtests.peers.heraut import Heraut
from loadtests.peers.peer import Peer
from loadtests.peers.programs import ProgramPeer
from loadtests.peers.servers import Servers

__all__ = ["WORDS", "contenders"]

WORDS = ("heraut-postgres", "script", "heraut-kafka")  # in the order of a round


def contenders(servers: Servers) -> Sequence[Peer]:
    """Return everybody. Those that take a message at a time get fewer people, as they would take minutes."""
    return [
        Heraut("postgres", 200_000),
        ProgramPeer(
            "script",
            "plain psycopg: COPY, one INSERT..SELECT, a cursor; one process",
            200_000,
            servers,
            {"script": ["INSIDE.script"]},
        ),
        Heraut("kafka", 200_000),
    ]
