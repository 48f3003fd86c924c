"""`heraut identity`: who may be one person, under two identities or one, and what an operator says of it."""

import re
from pathlib import Path
from typing import Any

import click

from services.cli.client import call
from services.cli.console import print_json, say
from services.cli.identity_list import all_identities, show_conflicts, show_judgements, show_ties
from services.cli.options import Commands, data_option, json_option

__all__ = ["identity"]

_STATES = ("proposed", "made", "refused", "undone")
_EVIDENCE = ("register", "source", "person", "document")
_RECORD, _FEWEST = re.compile(r"[0-9a-f]{32}", re.ASCII), 2
_incident = click.option("--incident", "incident_id", required=True, metavar="ID")
_tie = click.argument("tie", type=click.IntRange(min=1), metavar="NUMBER")


@click.group(cls=Commands)
def identity() -> None:
    """See who comes under two identities, and tie or part them; settle whose records are that contradict each other."""


@identity.command("list")
@_incident
@click.option("--state", type=click.Choice(_STATES), help="Ties that stand there, alone.")
@data_option
@json_option
def show(incident_id: str, data: Path, *, state: str | None, as_json: bool) -> None:
    """List pairs of identities that are, or may be, one person, records that contradict each other, and judgements."""

    def page(query: dict[str, str]) -> Any:
        return call(data, "GET", "intake", "incidents", incident_id, "identities", params=query)

    found = all_identities(page, {"state": state} if state else {})
    if as_json:
        print_json(found)
        return
    if not any(found.get(listed) for listed in ("ties", "conflicts", "judgements")):
        say("nobody comes under two identities, and no records contradict each other")
    if found.get("ties"):
        show_ties(found["ties"])
    if found.get("conflicts"):
        show_conflicts(found["conflicts"])
    if found.get("judgements"):
        show_judgements(found["judgements"])


@identity.command("tie")
@_tie
@_incident
@data_option
@json_option
def tie(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a listed pair is one person: from now on both are told as one."""
    _settle(data, incident_id, "tie", tie, as_json=as_json)


@identity.command("untie")
@_tie
@_incident
@data_option
@json_option
def untie(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a tied pair is two people. What was told stays told; who was told through the other is told now."""
    _settle(data, incident_id, "untie", tie, as_json=as_json)


@identity.command("refuse")
@_tie
@_incident
@data_option
@json_option
def refuse(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a proposed pair is two people: it is never tied by itself."""
    _settle(data, incident_id, "refuse", tie, as_json=as_json)


@identity.command("settle")
@click.argument("records", nargs=-1, required=True, metavar="RECORD...")
@_incident
@click.option("--one", "people", flag_value="one", help="All are records of one person, who gets one notice.")
@click.option("--different", "people", flag_value="different", help="Each is of another person, who is told its own.")
@click.option("--evidence", type=click.Choice(_EVIDENCE), required=True, help="What you know that by.")
@click.option("--reference", metavar="FILE", help="The file or ticket that says more; a name that names nobody.")
@data_option
@json_option
def settle(
    records: tuple[str, ...],
    incident_id: str,
    data: Path,
    *,
    people: str | None,
    evidence: str,
    reference: str | None,
    as_json: bool,
) -> None:
    """Say whose records are that contradict each other, or that were taken for one person's.

    RECORD is COHORT/MEMBERREF, or the id of the record, with @VERSION behind it as `list` shows it: then nothing is
    settled where the record was corrected meanwhile.
    """
    if people is None:
        raise click.UsageError("say --one or --different")
    said = {"action": "settle", "people": people, "records": _named(records), "evidence": evidence}
    if reference is not None:
        said["reference"] = reference
    _judge(data, incident_id, said, as_json=as_json)


@identity.command("unsettle")
@click.argument("judgement", type=click.IntRange(min=1), metavar="NUMBER")
@_incident
@data_option
@json_option
def unsettle(judgement: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Take back what was said of whose records are. What was told by it stays told, to the same people."""
    _judge(data, incident_id, {"action": "unsettle", "judgement": judgement}, as_json=as_json)


def _named(given: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return how records are named, as they are posted."""
    if len(given) < _FEWEST:
        raise click.UsageError("name two records or more")
    named: list[dict[str, Any]] = []
    for one in given:
        name, at, version = one.rpartition("@")
        seen = {"version": int(version)} if at and version.isdecimal() and version.isascii() else {}
        name = name if seen else one
        cohort_id, _, ref = name.partition("/")
        if _RECORD.fullmatch(name):
            named.append({"record": name, **seen})
        elif cohort_id and ref:
            named.append({"cohortId": cohort_id, "memberRef": ref, **seen})
        else:
            raise click.UsageError("a record is COHORT/MEMBERREF, or an id of 32 digits 0-9 a-f; then @VERSION")
    return named


def _judge(data: Path, incident_id: str, said: dict[str, Any], *, as_json: bool) -> None:
    answer = call(data, "POST", "intake", "incidents", incident_id, "identities", json=said)
    if as_json:
        print_json(answer)
        return
    stands = "is undone" if answer["undone"] else "stands"
    before = "" if answer["changed"] else ", as it was"
    told = "; somebody may have been told already: that stays" if answer["told"] == "maybe" else ""
    say(f"{incident_id}: judgement {answer['judgement']} ({answer['people']}) {stands}{before}{told}")


def _settle(data: Path, incident_id: str, action: str, tie: int, *, as_json: bool) -> None:
    said = {"action": action, "tie": tie}
    answer = call(data, "POST", "intake", "incidents", incident_id, "identities", json=said)
    if as_json:
        print_json(answer)
    else:
        say(f"{incident_id}: tie {tie} is {answer['state']}" + ("" if answer["changed"] else ", as it was"))
