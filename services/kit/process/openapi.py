"""What `/openapi.json` of every process has: probes, answers, problems, and who may ask. Data.

As the API Design Rules (NL GOV) ask: paths below `/v1`, API-Version in each answer, and problems of RFC 9457.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from services.core.helpdesk import Helpdesk
from services.kit.process.problems import DETAILS, HEADERS, PROBLEM_TYPE

__all__ = ["BASE", "answer", "described", "faults", "ref", "with_helpdesk"]

BASE: Final = "/v1"  # of all paths but those of a process itself
_REF: Final = re.compile(r'"#/components/([A-Za-z]+/[A-Za-z0-9-]+)"')
_ROOT: Final = [{"url": "/", "description": "This process"}]
_TEXT: Final = {"type": "string"}
_ASKED: Final = (401, 403, 500)  # of every route behind the guard


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a component, such as `schemas/Problem`."""
    return {"$ref": f"#/components/{name}"}


def answer(
    description: str, schema: Mapping[str, Any] | None = None, kind: str = "application/json", *headers: str
) -> dict[str, Any]:
    """Return an answer that is no fault; `headers` are those that it has beside the headers of all."""
    content = {"content": {kind: {"schema": schema}}} if schema else {}
    named = ("API-Version", "X-Request-Id", *headers)
    return {"description": description, "headers": {name: ref(f"headers/{name}") for name in named}, **content}


def faults(*statuses: int, guarded: bool = True) -> dict[str, Any]:
    """Return the problems that a route may answer with, by status."""
    return {str(status): ref(f"responses/Problem{status}") for status in {*statuses, *(_ASKED if guarded else ())}}


def described(
    title: str,
    description: str,
    paths: Mapping[str, Any],
    schemas: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    page: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the whole document; `paths` lie below `/v1`, and `page` is what `/` shows to a browser."""
    # Some readers take a page's scheme for one of every route: only who has a page names it.
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    if page:
        schemes["basic"] = {"type": "http", "scheme": "basic"}
    components: dict[str, Any] = {
        "securitySchemes": schemes,
        "headers": dict(_HEADERS),
        "responses": {f"Problem{status}": _problem(status) for status in DETAILS},
        "schemas": {**schemas, "Problem": _PROBLEM, "State": _STATE},
    }
    if parameters:
        components["parameters"] = dict(parameters)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": HEADERS["API-Version"],
            "description": description,
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        },
        "servers": [{"url": BASE}],
        "security": [{"bearer": []}],
        "paths": {**paths, **({"/": {"servers": _ROOT, "get": page}} if page else {}), **_own()},
        "components": components,
    }
    return _pruned(document)


def with_helpdesk(document: Mapping[str, Any], helpdesk: Helpdesk | None) -> dict[str, Any]:
    """Return the document with whom to ask: whoever runs an installation answers for it."""
    return {**document, "info": {**document["info"], **({"contact": helpdesk._asdict()} if helpdesk else {})}}


def _pruned(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without the components that nothing in it refers to."""
    components = document["components"]
    while True:
        used = set(_REF.findall(orjson.dumps(document).decode()))
        unused = [
            (kind, name)
            for kind, named in components.items()
            if kind != "securitySchemes"
            for name in named
            if f"{kind}/{name}" not in used
        ]
        if not unused:
            return {**document, "components": {kind: named for kind, named in components.items() if named}}
        for kind, name in unused:
            del components[kind][name]


def _own() -> dict[str, Any]:
    """Return the paths of a process itself."""
    ready = {"503": answer("It is not: `waitingFor` says why", ref("schemas/State"), PROBLEM_TYPE)}
    alive = answer("It turns", ref("schemas/State"))
    return {
        "/livez": _open("isAlive", "Whether the loop of the process turns, whatever else is away", alive),
        "/readyz": _open("isReady", "Whether it can work, its dependencies too", alive, ready),
        "/metrics": {
            "servers": _ROOT,
            "get": {
                "operationId": "showMetrics",
                "summary": "Figures, as Prometheus reads them",
                "responses": {"200": answer("Figures", _TEXT, "text/plain"), **faults(503)},
            },
        },
        "/openapi.json": _open(
            "showDescription",
            "This document; it is at /v1/openapi.json as well",
            answer("It", {"type": "object"}, "application/json", "Access-Control-Allow-Origin"),
        ),
    }


def _open(name: str, summary: str, found: Mapping[str, Any], failed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a route that asks for no token."""
    responses = {"200": found, **(failed or {}), **faults(405, guarded=False)}
    return {
        "servers": _ROOT,
        "get": {"operationId": name, "summary": summary, "security": [], "responses": responses},
    }


def _problem(status: int) -> dict[str, Any]:
    headers = {"API-Version": ref("headers/API-Version"), "X-Request-Id": ref("headers/X-Request-Id")}
    if status in {408, 429, 503}:
        headers["Retry-After"] = ref("headers/Retry-After")
    if status == 401:
        headers["WWW-Authenticate"] = ref("headers/WWW-Authenticate")
    return {
        "description": DETAILS[status],
        "headers": headers,
        "content": {PROBLEM_TYPE: {"schema": ref("schemas/Problem")}},
    }


def _header(description: str, schema: Mapping[str, Any] = _TEXT) -> dict[str, Any]:
    return {"description": description, "schema": schema}


_HEADERS: Final[dict[str, Any]] = {
    "API-Version": _header("The whole version of this interface"),
    "X-Request-Id": _header("By which the log and the list of acts know the request"),
    "Location": _header("Where it is now"),
    "ETag": _header("The version, as If-Match takes it"),
    "Retry-After": _header("After so many seconds the same request may succeed", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": _header("How to say who asks"),
    "Access-Control-Allow-Origin": _header("Pages of every origin may read it"),
}
_FAULT: Final = {
    "type": "object",
    "properties": {
        "field": {"type": ["string", "null"], "description": "Where it is; empty: the whole document"},
        "problem": _TEXT,
        "line": {"type": "integer", "description": "Of an upload"},
    },
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A problem of RFC 9457; no text in it repeats personal data",
    "required": ["type", "status", "title", "detail", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:heraut:problem:unknown-incident"]},
        "status": {"type": "integer"},
        "title": _TEXT,
        "detail": _TEXT,
        "requestId": _TEXT,
        "problems": {"type": "array", "description": "All faults at once", "items": _FAULT},
    },
}
_STATE: Final = {
    "type": "object",
    "required": ["ok", "waitingFor"],
    "properties": {
        "ok": {"type": "boolean"},
        "waitingFor": {"type": "array", "items": _TEXT, "description": "What is not there"},
        **{name: _PROBLEM["properties"][name] for name in ("type", "status", "title", "detail", "requestId")},
    },
}
