"""People in every shape that one comes in, and every act that is done about them; what is answered is returned.

Two who contradict each other, one under two identities, a name that cannot be printed, references that are numbers,
names and dates, figures that stop a cohort, and requests that are wrong and name somebody wherever one can be named.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from services.demo.made_up.incident import CODES
from services.demo.stack import Stack
from tests.e2e.topics import Event

__all__ = ["COHORT", "Strangers"]

COHORT = "strangers"
_WITHIN = 60.0  # seconds for each state that is waited for
_NDJSON = {"Content-Type": "application/x-ndjson"}


class Strangers:
    """A cohort of few people, all made of these words and numbers."""

    def __init__(self, name: str, born: str, street: str, town: str, bsns: Sequence[str]) -> None:
        self._name, self._born, self._bsns = name, born, bsns
        self._home = {"street": street, "houseNumber": "1", "postcode": "1234AB", "city": town}
        self.keys = [f"{name}-{born}-{bsns[1]}-{number}" for number in range(3)]  # Idempotency-Keys
        grouped = f"{bsns[0][:3]} {bsns[0][3:6]} {bsns[0][6:]}"
        self.refs = [
            bsns[1], f"{name}|{born}", f"{name}_{bsns[2]}", f"{born}\t{name}", grouped, f"{bsns[3]}/{born}",
            f"[{name}]",
        ]  # fmt: skip

    def records(self) -> list[dict[str, Any]]:
        """Return the records: a pair who contradict, one who cannot be printed, and three who may be one."""
        born, later = "1861-03-12", "1862-04-13"
        said: list[dict[str, Any]] = [
            {"bsn": self._bsns[1], "birthDate": born},
            {"bsn": self._bsns[1], "birthDate": later, "familyName": f"Co{self._name}"},
            {"bsn": self._bsns[2], "familyName": f"{self._name}\U00013000"},
            {"bsn": self._bsns[3], "birthDate": born, "houseNumber": "3"},
            {"birthDate": born, "houseNumber": "3"},  # tied to the one before
            {"bsn": self._bsns[4], "birthDate": later, "houseNumber": "4"},
            {"birthDate": later, "houseNumber": "4", "initials": ""},  # a tie is proposed
        ]
        usual = {"familyName": self._name, "initials": "A.", **self._home, "dataCategories": [CODES[0]]}
        return [usual | one | {"memberRef": ref} for ref, one in zip(self.refs, said, strict=True)]

    async def come(self, stack: Stack, incident_id: str) -> list[tuple[str, bytes]]:
        """Have everything done; returns what was answered, each with what was asked, but for lists of people."""
        async with _calls(stack, incident_id) as calls:
            await self._send(calls)
            await self._ask(calls)
            await self._stop(calls)
            await self._err(calls)
            return calls.answers

    def events(self, incident_id: str) -> tuple[list[Event], int]:
        """Return events of a cohort of the same people, and how many of them cannot be taken.

        In both modes; the sender's own names for them, members that are wrong, and what is no event name people.
        """
        named = f"{self._name} {self._born}"
        usual = {"specversion": "1.0", "source": f"urn:{self._name}", "datacontenttype": "application/json"}

        def data(**more: Any) -> dict[str, Any]:
            return {"incidentId": incident_id, "cohortId": "events", **more}

        def structured(kind: str, content: Any) -> Event:
            event = usual | {"id": f"{named} {kind}", "type": f"eu.breachnotice.{kind}.v1", "data": content}
            return [("content-type", b"application/cloudevents+json")], json.dumps(event).encode()

        def binary(kind: str, body: bytes) -> Event:
            about = usual | {"id": f"{self._bsns[1]} {kind}", "type": kind}
            return [(f"ce_{key}", value.encode()) for key, value in about.items()], body

        wrong = [{"memberRef": f"{one}/x", "bsn": "1", "familyName": self._name} for one in self.refs]
        affected = "eu.breachnotice.members-affected.v1"
        good = [
            structured("cohort-opened", data(source="strange")),
            structured("members-affected", data(members=[*self.records(), *wrong])),
            binary(affected, json.dumps(data(members=self.records())).encode()),
        ]
        bad = [
            structured("members-affected", data(members=[{"familyName": self._name}])),
            structured("member-withdrawn", data(memberRef=f"{named} {self._bsns[2]}")),
            structured(named, data()),
            structured("cohort-opened", {named: named}),
            binary(named, b"{}"),
            binary(affected, named.encode()),
            ([(named, named.encode())], named.encode()),
        ]
        return [*good, *bad], len(bad)

    async def _send(self, calls: "_Calls") -> None:
        path = f"/cohorts/{COHORT}"
        body = "\n".join(map(json.dumps, self.records())).encode()
        await calls.ask("PUT", path, json={"source": COHORT})
        # A correction, and back.
        for key, content in zip(self.keys, (body, body.replace(b'"3"', b'"5"'), body), strict=True):
            await calls.ask("POST", f"{path}/members", data=content, headers={**_NDJSON, "Idempotency-Key": key})
        await calls.ask("POST", f"{path}/seal")
        await calls.ask("POST", f"{path}/release", json={"all": True})
        await calls.until("tracking", "/ledger", lambda it: _line(it)["inFlight"] == 0 < _line(it)["held"])

    async def _ask(self, calls: "_Calls") -> None:
        """See who contradicts whom and who may be whom, as an operator may, and settle it."""
        wanted = {"made", "proposed"}
        shown = await calls.until("intake", "/identities", lambda it: it["conflicts"] and wanted <= _ties(it).keys())
        states = _ties(shown)
        for action, tie in (("untie", states["made"]), ("tie", states["made"]), ("refuse", states["proposed"])):
            await calls.ask("POST", "/identities", json={"action": action, "tie": tie})
        problems = await calls.until("intake", f"/cohorts/{COHORT}/problems", lambda it: _reasons(it) >= _EXPECTED)
        assert set(self.refs) >= {one["memberRef"] for one in problems["problems"]}
        await calls.ask("POST", f"/cohorts/{COHORT}/withdrawals", json={"memberRef": self.refs[-1]})

    async def _stop(self, calls: "_Calls") -> None:
        """Have a rule stop a cohort by figures, a pause, and their ends."""
        await calls.ask("POST", "/cohorts/wave-1/figures", json={"complaints": 10**6, "bounced": 1, "returned": 1})
        await calls.until("intake", "/cohorts/wave-1", lambda it: bool(it["paused"] and it["stopped"]))
        await calls.ask("POST", "/cohorts/wave-1/resume")
        await calls.ask("POST", "/pause")
        await calls.ask("POST", "/resume")
        for service, path in (("intake", "/acts"), ("tracking", "/pauses"), ("tracking", "/ledger")):
            await calls.ask("GET", path, service=service)

    async def _err(self, calls: "_Calls") -> None:
        """Say wrong things that name somebody: in bodies, paths, queries and headers."""
        named, path = f"{self._name} {self._born}", f"/cohorts/{COHORT}"
        sent: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", f"{path}/withdrawals", {"json": {"memberRef": f"{named} {self._bsns[1]}"}}),
            ("POST", f"{path}/withdrawals", {"data": f'{{"memberRef": "{named}'.encode()}),
            ("POST", f"{path}/figures", {"data": named.encode()}),
            ("POST", f"{path}/members", {"data": named.encode(), "headers": {"Content-Type": "text/csv"}}),
            ("POST", f"{path}/members", {"data": named.encode(), "headers": {"Content-Type": named}}),
            ("POST", f"{path}/members", {"data": named.encode(), "headers": {**_NDJSON, "Content-Encoding": "gzip"}}),
            ("GET", f"{path}/problems", {"params": {"after": named, "format": named}}),
            ("GET", "/identities", {"params": {"after": named}}),
            ("GET", f"/cohorts/{named}/problems", {}),
            ("GET", f"/{self._name}/{self._bsns[1]}", {}),
            ("GET", "/acts", {"headers": {"Authorization": f"Bearer {self._name}{self._bsns[1]}"}}),
            ("POST", "/identities", {"json": {"action": named, "tie": named}}),
        ]
        for method, where, options in sent:
            await calls.ask(method, where, wrong=True, **options)


_EXPECTED = {"identity-conflict", "unprintable"}


def _reasons(shown: Mapping[str, Any]) -> set[str]:
    return {one["reason"] for one in shown["problems"]}


def _ties(shown: Mapping[str, Any]) -> dict[str, str]:
    return {tie["state"]: tie["tie"] for tie in shown["ties"]}


def _line(ledger: Mapping[str, Any]) -> dict[str, int]:
    lines = [line for line in ledger["cohorts"] if line["cohortId"] == COHORT]
    return lines[0] if lines else {"inFlight": 0, "held": 0}


class _Calls:
    """Calls of an incident's routes, as an operator."""

    def __init__(self, http: aiohttp.ClientSession, addresses: Mapping[str, str], incident_id: str) -> None:
        self._http, self._addresses, self._incident_id = http, addresses, incident_id
        self.answers: list[tuple[str, bytes]] = []

    async def ask(
        self, method: str, path: str, *, service: str = "intake", wrong: bool = False, **options: Any
    ) -> None:
        """Have something done, or ask for something wrong; the answer is kept, headers and all."""
        url = f"{self._addresses[service]}/v1/incidents/{self._incident_id}{path}"
        async with self._http.request(method, url, **options) as answer:
            body = await answer.read()
            assert (answer.status >= 400) is wrong, (method, path, answer.status, body)
            whole = b"\n".join([body, *(b": ".join(header) for header in answer.raw_headers)])
            self.answers.append((f"{method} {path} {options}", whole))

    async def until(self, service: str, path: str, is_so: Callable[[Any], bool]) -> Any:
        """Return what is shown once it is so."""
        url, shown = f"{self._addresses[service]}/v1/incidents/{self._incident_id}{path}", None
        try:
            async with asyncio.timeout(_WITHIN):
                while True:
                    async with self._http.get(url) as answer:
                        shown = await answer.json()
                    if is_so(shown):
                        return shown
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{path} stays {shown}") from None


@asynccontextmanager
async def _calls(stack: Stack, incident_id: str) -> AsyncIterator[_Calls]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {stack.token}"}) as http:
        yield _Calls(http, stack.addresses, incident_id)
