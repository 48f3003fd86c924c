"""One control API for all stand-ins: what they do wrong, and what they took.

`GET /` = how each stands. `PUT /<name>/faults` = what it does wrong from now on (`faults.faults_of`; `{}` = nothing).
`POST /<name>/outage {"seconds": 5}` = nobody reaches it for so long.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from services.demo.standins.door import Door
from services.demo.standins.faults import Faults, faults_of

__all__ = ["Controlled", "control_app"]

_LONGEST = 3600.0  # seconds of an outage


class Controlled(Protocol):
    """A stand-in, as the control API sees it."""

    faults: Faults
    figures: Counter[str]

    @property
    def door(self) -> Door | None:
        """Where it listens; None = it has no door to be shut."""
        ...


def control_app(standins: Mapping[str, Controlled]) -> web.Application:
    """Return the application. It is for who runs the stand-ins: it asks nobody who they are."""

    def named(request: web.Request) -> Controlled:
        found = standins.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text=f"the stand-ins are {', '.join(standins)}")
        return found

    async def show(_: web.Request) -> web.Response:
        return _json({name: _shown(one) for name, one in standins.items()})

    async def set_faults(request: web.Request) -> web.Response:
        one = named(request)
        try:
            one.faults = faults_of(orjson.loads(await request.read()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return _json(_shown(one))

    async def begin_outage(request: web.Request) -> web.Response:
        one = named(request)
        if one.door is None:
            raise web.HTTPConflict(text="it has no door that could be shut")
        one.door.shut_for(_seconds(await request.read()))
        return _json(_shown(one))

    app = web.Application()
    app.add_routes([
        web.get("/", show), web.put("/{name}/faults", set_faults), web.post("/{name}/outage", begin_outage),
    ])  # fmt: skip
    return app


def _seconds(body: bytes) -> float:
    try:
        seconds = orjson.loads(body)["seconds"]
    except (ValueError, KeyError, TypeError):
        seconds = None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST:
        raise web.HTTPBadRequest(text=f"seconds: must be a number above 0, {_LONGEST:g} at most")
    return float(seconds)


def _shown(one: Controlled) -> dict[str, Any]:
    shares = {fault.value: share for fault, share in one.faults.shares.items()}
    shut = one.door is not None and one.door.shut
    return {"figures": dict(one.figures), "shut": shut, "seed": one.faults.seed, "percent": shares}


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
