"""How a simulated provider misbehaves, as told: by the test that made it, or over HTTP by `PUT /control`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import orjson
from aiohttp import web

__all__ = ["Misbehaviour", "add_control"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Misbehaviour:
    """What it does with the next requests.

    `latency` is in seconds. `statuses` are answered to the next requests instead of what they ask for. `lost` of what
    it takes next is taken, and its answer never comes. `retry_after` goes with each 429 and 503.
    """

    latency: float = 0.0
    statuses: list[int] = field(default_factory=list)
    lost: int = 0
    retry_after: str = ""


def add_control(app: web.Application, said: Misbehaviour, body_of: Callable[[int], object]) -> None:
    """Let an application misbehave, and be told how. `body_of` makes the JSON that goes with a status."""

    @web.middleware
    async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/control":
            return await handler(request)
        await asyncio.sleep(said.latency)
        if said.statuses:
            status = said.statuses.pop(0)
            headers = {"Retry-After": said.retry_after} if said.retry_after and status in {429, 503} else {}
            return web.json_response(body_of(status), status=status, headers=headers)
        answer = await handler(request)
        if request.method == "POST" and answer.status < 300 and said.lost > 0:
            said.lost -= 1
            if request.transport:
                request.transport.close()
        return answer

    async def control(request: web.Request) -> web.Response:
        for name, value in orjson.loads(await request.read()).items():
            setattr(said, name, value)
        return web.Response(status=204)

    app.middlewares.append(misbehave)
    app.add_routes([web.put("/control", control)])
