"""What a snapshot of the running system means: what works, what to look at, what is wrong. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.cli.console import number
from services.cli.finding import Finding, fault, look, well
from services.cli.limit_words import cap_words, held_back
from services.cli.snapshot import Process, Snapshot
from services.core.ledger import HoldReason, percent

__all__ = ["age", "held_words", "service_findings"]

# Seconds: a block is read and committed within one, and a service that has more to do is behind.
_BEHIND = 60.0
# Seconds that attempts may wait for a provider before somebody should know why.
_WAITS_LONG = 600.0
# Seconds in which a print house acknowledges what it was given, as the alert has it: a night, and the morning after.
_UNANSWERED = 26 * 3600.0
_NAMED = 5  # jobs in one line
# Seconds by which clocks may differ: leases and retention go by them. `Date` is exact to the second.
_CLOCK_LOOK, _CLOCK_FAULT = 2.0, 10.0
# They wait for an operator, who knows; of rejected print jobs there is a line of their own.
_NOBODYS_WORK: Final = {HoldReason.UNRELEASED.key, HoldReason.PAUSED.key, HoldReason.UNPRINTED.key}
_WORDS: Final = {reason.key: reason.value for reason in HoldReason}


def service_findings(
    found: Snapshot, partitions: int, own_version: str, without_provider: Mapping[str, str]
) -> Iterator[Finding]:
    """Return what the services' answers mean.

    `without_provider`: by channel, the settings that its provider needs and that are not given here.
    """
    if all(process.fault for process in found.processes):
        yield fault("services", "none answers: is `heraut up` running? --no-services looks at the settings alone")
        return
    nobody = {f"dispatch-{channel}" for channel in without_provider}  # of whom their channel's line tells
    yield from _processes(found.processes, partitions, nobody)
    yield _clocks(found.processes)
    yield _versions(found.processes, own_version)
    nobody = {one["channel"] for one in found.channels if one["provider"] is None}
    for channel in found.channels:
        missing = without_provider.get(channel["channel"]) if channel["channel"] in nobody else None
        yield _channel(channel, found.at, missing)
    yield from _without_way(found, nobody, without_provider)
    if printed := _print_jobs(found.print_jobs, found.at):
        yield printed
    yield from (_people(ledger) for ledger in found.ledgers)
    yield from (fault(name, words) for name, words in found.unanswered.items() if not _is_away(found, name))


def _without_way(found: Snapshot, nobody: Collection[str], without_provider: Mapping[str, str]) -> Iterator[Finding]:
    """Name each channel by which an incident still tells people, and which has no provider, or no process at all."""
    there = {one["channel"] for one in found.channels}
    for ledger in found.ledgers if there else ():
        for channel in found.ways.get(ledger["incidentId"], ()) if _goes_on(ledger["totals"]) else ():
            if channel in there and channel not in nobody:
                continue
            setting = without_provider.get(channel) if channel in nobody else None
            why = f"{setting} is not given here" if setting else "nobody hands over on it"
            name = f"incident {ledger['incidentId']}, {channel}"
            yield fault(name, f"people are told by {channel}, and it has no provider: {why}")


def _goes_on(total: Mapping[str, Any]) -> bool:
    """Tell whether somebody of an incident may still be told: who is in flight, held or still to come."""
    return not total["accepted"] or bool(total["inFlight"] or sum(total["heldReasons"].values()))


def _is_away(found: Snapshot, name: str) -> bool:
    return any(process.name == name and process.fault for process in found.processes)


def _processes(processes: Sequence[Process], partitions: int, nobody: Collection[str]) -> Iterator[Finding]:
    """Return a line for each process that is not well, and one for all that are."""
    lines = {process.name: list(_process(process, partitions, nobody)) for process in processes}
    yield from (line for found in lines.values() for line in found)
    if sound := [name for name, found in lines.items() if not found]:
        who = "all" if len(sound) == len(processes) else ", ".join(sound)
        yield well("services", f"{who} ready, {partitions} partitions owned, none stands still")


def _process(process: Process, partitions: int, nobody: Collection[str]) -> Iterator[Finding]:
    name = process.name
    if process.fault:
        yield fault(name, process.fault)
        return
    if process.waiting_for:
        yield fault(name, f"not ready: it waits for {', '.join(process.waiting_for)}")
    if stopped := process.figure("stopped_partitions"):
        yield fault(name, f"{number(stopped)} partitions stand still until somebody looks: its log says why")
    if process.figure("provider_paused") and name not in nobody:
        yield fault(name, "its provider takes nothing now, and is asked again from time to time")
    if not process.figures:
        yield look(name, "its figures are not shown to this token: what it owns is not known")
    elif (owned := process.figure("owned_partitions")) < partitions:
        yield look(name, f"owns {number(owned)} of {partitions} partitions: another process has the others, or nobody")
    if (behind := process.figure("oldest_unprocessed_seconds")) > _BEHIND:
        yield look(name, f"is {age(behind)} behind")


def _clocks(processes: Sequence[Process]) -> Finding:
    answering = [process for process in processes if not process.fault]
    worst = max(answering, key=lambda process: abs(process.ahead))
    if abs(worst.ahead) <= _CLOCK_LOOK:
        return well("clock", "the services' clocks agree with this one")
    words = f"{worst.name} is {abs(worst.ahead):.0f} s {'ahead of' if worst.ahead > 0 else 'behind'} this clock"
    return fault("clock", words) if abs(worst.ahead) > _CLOCK_FAULT else look("clock", words)


def _versions(processes: Sequence[Process], own: str) -> Finding:
    others = {process.name: process.version for process in processes if process.version not in {None, own}}
    if not others:
        return well("version", own)
    told = "; ".join(f"{name} is {version}" for name, version in others.items())
    return look("version", f"this command is {own}, and {told}")


def _channel(channel: Mapping[str, Any], now: datetime, setting: str | None) -> Finding:
    """Return how a channel stands: what waits, for how long, and what keeps it."""
    name = f"channel {channel['channel']}"
    queued, unknown = channel["queued"], channel["unknown"]["attempts"]
    waited = (now - datetime.fromisoformat(queued["since"])).total_seconds() if queued["since"] else 0.0
    words = _waiting(channel, waited)
    if channel["pauses"]:
        return fault(name, f"left alone ({', '.join(channel['pauses'])}): its log has the answer; {words}")
    if setting and queued["attempts"]:
        return fault(name, f"{setting} is not given here: {words}")
    if rejected := channel["rejected"]["attempts"]:
        told = f"{number(rejected)} were taken and rejected, and nobody is told by them: heraut rejected list"
        return fault(name, f"{told}; {words}")
    if why := _decided_long_ago(channel["decided"], now):
        return look(name, f"{words}: {why}")
    if unknown:
        return look(name, f"{words}: heraut unknown list")
    return _unhindered(name, channel, words, waited, setting)


def _unhindered(name: str, channel: Mapping[str, Any], words: str, waited: float, setting: str | None) -> Finding:
    """Return how a channel stands of which nothing is wrong: what waits may wait for limits."""
    if limited := held_back(channel["heldBack"]):
        return look(name, f"{words}: {limited}")
    if waited > _WAITS_LONG:
        return look(name, f"{words}: does its provider take anything?")
    if setting:
        return look(name, f"{setting} is not given here: what goes that way waits")
    return well(name, "; ".join([words, *map(cap_words, channel["caps"])]))


def _decided_long_ago(decided: Mapping[str, Any], now: datetime) -> str:
    """Return what waits for what an operator decided about it; empty where nothing does for long."""
    since = (now - datetime.fromisoformat(decided["since"])).total_seconds() if decided["since"] else 0.0
    if since <= _WAITS_LONG:
        return ""
    told = f"{number(decided['attempts'])} wait for {age(since)} for what was decided about them"
    return f"{told}, as deduplication is behind: heraut rejected list, heraut print jobs"


def _waiting(channel: Mapping[str, Any], waited: float) -> str:
    kinds = {"queued": "queued", "underWay": "under way", "refused": "refused and waiting", "paused": "paused"}
    kinds["unknown"] = "of unknown outcome"
    told = [f"{number(channel[key]['attempts'])} {words}" for key, words in kinds.items() if channel[key]["attempts"]]
    oldest = f", the first for {age(waited)}" if channel["queued"]["attempts"] else ""
    return (", ".join(told) or "nothing waits") + oldest


def _print_jobs(jobs: Sequence[Mapping[str, Any]], now: datetime) -> Finding | None:
    """Return what the print house rejected, and what it says nothing of; None where neither is so."""
    rejected = [job for job in jobs if job["unprinted"]]
    if rejected:
        letters, named = sum(job["unprinted"] for job in rejected), ", ".join(job["job"] for job in rejected[:_NAMED])
        words = f"{number(letters)} letters were rejected and nobody is told by them: heraut print jobs; {named}"
        return fault("print jobs", words)
    waits = {
        job["job"]: (now - datetime.fromisoformat(job["waitsSince"])).total_seconds()
        for job in jobs
        if job["waitsSince"]
    }
    late = [job for job, seconds in waits.items() if seconds > _UNANSWERED]
    if not late:
        return None
    words = f"the print house said nothing of {len(late)} for {age(max(waits.values()))}: {', '.join(late[:_NAMED])}"
    return look("print jobs", words)


def _people(ledger: Mapping[str, Any]) -> Finding:
    """Return how the people of an incident stand, and why some are held."""
    name, total = f"incident {ledger['incidentId']}", ledger["totals"]
    told, going = percent(total["told"]), number(total["inFlight"])
    counts = f"{number(total['accepted'])} accepted, {told} told, {going} in flight"
    if not ledger["balanced"]:
        return fault(name, f"the ledger does not balance: heraut ledger --recount; {counts}")
    held = held_words(total)
    work = sum(held_of(total, *(set(_WORDS) - _NOBODYS_WORK)).values()) + total["rejected"] + total["exhausted"]
    words = "; ".join(filter(None, (counts, held and f"held: {held}", _left_over(total))))
    return look(name, f"{words}: heraut cohort problems") if work else well(name, words)


def _left_over(total: Mapping[str, Any]) -> str:
    kinds = [(total["rejected"], "rejected"), (total["exhausted"], "refused on every channel")]
    return ", ".join(f"{number(count)} {words}" for count, words in kinds if count)


def held_of(total: Mapping[str, Any], *keys: str) -> dict[str, int]:
    """Return how many of a ledger's row are held, by these reasons' keys; those of nobody are left out."""
    reasons = total["heldReasons"]
    return {key: reasons[key] for key in reasons if key in keys and reasons[key]}


def held_words(total: Mapping[str, Any]) -> str:
    """Return in words why people are held, and how many."""
    return ", ".join(f"{number(count)} {_WORDS[key]}" for key, count in held_of(total, *_WORDS).items())


def age(seconds: float) -> str:
    """Return a time in its two largest units: 3d 4h, 12m 5s."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
