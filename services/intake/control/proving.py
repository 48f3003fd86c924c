"""Proves incident documents beside the event loop: everything that one can say is rendered before it is taken."""

import asyncio
from hashlib import blake2b

from services.core.incident import Incident
from services.rendering.letters.profile import Profile
from services.rendering.linter import errors_of, lint
from services.wire.incident_document import InvalidDocument

__all__ = ["Proving"]

_KEPT = 256
_proved: set[bytes] = set()  # digests of documents that this process proved: a repeat of one costs nothing


class Proving:
    """Proves one document at a time: a proof keeps a processor busy for up to some seconds."""

    def __init__(self, profile: Profile) -> None:
        """`profile` is what letters have to fit."""
        self._turn = asyncio.Lock()
        self._profile = profile

    async def check(self, incident: Incident, document: bytes) -> list[dict[str, str]]:
        """Render all that an incident can say; returns what the linter would have otherwise, as JSON.

        Raises InvalidDocument with the place of what cannot be rendered, or must not be said.
        """
        findings = lint(incident)
        if wrong := errors_of(incident, findings):
            raise InvalidDocument([{"field": one.field, "problem": one.problem} for one in wrong])
        await self._render(incident, document)
        return [one.as_json() for one in findings]

    async def _render(self, incident: Incident, document: bytes) -> None:
        digest = blake2b(document, digest_size=16).digest()
        async with self._turn:
            if digest in _proved:
                return
            problems = await asyncio.to_thread(_problems, incident, self._profile)
            if problems:
                raise InvalidDocument(problems)
            if len(_proved) >= _KEPT:
                _proved.clear()
            _proved.add(digest)


def _problems(incident: Incident, profile: Profile) -> list[dict[str, str]]:
    from services.rendering.proof import problems_of  # noqa: PLC0415 - the typesetter is large, and few processes prove

    return problems_of(incident, profile)
