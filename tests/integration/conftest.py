"""What all integration tests have: the event loop that the services run on."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Return the loop of production: it calls protocols between turns, where asyncio's own waits for one."""
    return {"uvloop": uvloop.new_event_loop}
