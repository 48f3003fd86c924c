"""The incident document as JSON: checked whole, all faults at once, and brought to one normal form."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import orjson

from services.core.channel import CHANNEL_NAMES, Channel, channel_named
from services.core.incident import Controller, Incident, KeyVersions
from services.core.mailbox import mailbox
from services.core.numbers import whole
from services.core.policy import (
    KEYS,
    MOST_DAYS_UNREAD,
    OF_AGE,
    RULES,
    CallCentre,
    Cascade,
    Minors,
    Pace,
    Policy,
    Rule,
    Stop,
)
from services.wire.incident_schema import INCIDENT_SCHEMAS
from services.wire.incident_words import WordsCheck

__all__ = ["InvalidDocument", "normal_form", "parse_incident"]

_MOST = 10**9  # more than there are people to tell in a day: a larger number is a mistake
_YEARS = range(1970, 2200)  # of breaches that somebody is told of
_CASCADE = ("bounced", "returned", "unread")
_CHANNEL_NAMES = ", ".join(CHANNEL_NAMES.values())
_KEYS = INCIDENT_SCHEMAS["IncidentDocument"]["properties"]
_CONTROLLER_KEYS = INCIDENT_SCHEMAS["Controller"]["properties"]
_MOST_EXCEPTIONS = 1000  # each is one text that somebody looked at


class InvalidDocument(ValueError):  # noqa: N818 - says what it is
    """The document cannot be taken; `problems` has {field, problem} for every fault."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{p['field']}: {p['problem']}" for p in problems))
        self.problems = problems


def normal_form(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a document, so that two that say the same are the same bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def parse_incident(
    incident_id: str,
    version: int,
    document: Any,
    key_versions: KeyVersions = KeyVersions(),  # noqa: B008 - frozen
) -> Incident:
    """Read an incident document. Raises InvalidDocument with every fault in it."""
    check = _Check()
    if not isinstance(document, dict):
        raise InvalidDocument([{"field": "", "problem": "must be a JSON object"}])
    for key in sorted(set(document) - set(_KEYS)):
        check.fail(key[:64], "is not a field of the incident document")
    languages = check.languages(document.get("languages"))
    incident = Incident(
        incident_id=incident_id,
        version=version,
        title=check.title(document.get("title"), "title", languages),
        aware_at=check.time(document, "awareAt") or datetime.min,  # noqa: DTZ901 - never leaves: a problem is raised
        occurred_at=check.time(document, "occurredAt", required=False),
        controller=check.controller(document.get("controller")),
        languages=languages,
        channels=check.channels(document.get("channels"), "channels", required=True),
        compromised=frozenset(check.channels(document.get("compromisedChannels", []), "compromisedChannels")),
        categories=check.categories(document.get("dataCategories"), languages),
        content=check.content(document.get("content"), languages),
        policy=check.policy(document.get("policy", {})),
        key_versions=key_versions,
        four_eyes=check.yes_no(document, "fourEyes"),
        variants=check.variants(document.get("variants", []), languages),
        exceptions=check.exceptions(document.get("exceptions", [])),
    )
    if check.problems:
        raise InvalidDocument(check.problems)
    return incident


class _Check(WordsCheck):
    """Reads the parts of a document and gathers their faults.

    A faulty part is read as a harmless value: `parse_incident` raises at the end, so that nobody sees it.
    """

    def email(self, source: Mapping[str, Any], key: str, path: str) -> str:
        """Read the address that mails are written from: one plain address, as it stands in their headers."""
        value = self.text(source, key, path)
        if value and mailbox(value) is None:
            self.fail(path + key, "must be an e-mail address, such as info@example.nl, and nothing else")
        return value

    def time(self, source: Mapping[str, Any], key: str, *, required: bool = True) -> datetime | None:
        value = source.get(key)
        if value is None and not required:
            return None
        try:
            read = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            read = None
        if read is None or read.tzinfo is None:
            self.fail(key, "must be a time of RFC 3339 with its offset")
            return None
        if read.year not in _YEARS:
            self.fail(key, f"must be a time from {_YEARS[0]} to {_YEARS[-1]}")
            return None
        return read

    def controller(self, value: Any) -> Controller:
        if not isinstance(value, dict):
            self.fail("controller", "must be an object with name, address, phone and email")
            return Controller("", (), "", "")
        for key in sorted(set(value) - set(_CONTROLLER_KEYS)):
            self.fail(f"controller.{key[:64]}", "is not a field of the controller")
        address = value.get("address")
        if not (isinstance(address, list) and address and all(isinstance(a, str) and a for a in address)):
            self.fail("controller.address", "must be a list of lines")
            address = []
        return Controller(
            name=self.text(value, "name", "controller."),
            address=tuple(address),
            phone=self.text(value, "phone", "controller."),
            email=self.email(value, "email", "controller."),
            website=self.text(value, "website", "controller.", required=False) or None,
            phone_abroad=self.text(value, "phoneAbroad", "controller.", required=False) or None,
            signatory=self.text(value, "signatory", "controller.", required=False) or None,
        )

    def yes_no(self, source: Mapping[str, Any], key: str) -> bool:
        """Read what is false where it is left out."""
        value = source.get(key, False)
        if not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return value is True

    def channels(self, value: Any, field: str, *, required: bool = False) -> tuple[Channel, ...]:
        found: list[Channel] = []
        if not isinstance(value, list) or (required and not value):
            self.fail(field, f"must be a list of {_CHANNEL_NAMES}")
            return ()
        for at, name in enumerate(value):
            try:
                found.append(channel_named(name))
            except (KeyError, TypeError):
                self.fail(f"{field}[{at}]", f"must be one of {_CHANNEL_NAMES}")
        if len(set(found)) != len(found):
            self.fail(field, "names a channel twice")
        return tuple(found)

    def exceptions(self, value: Any) -> frozenset[tuple[str, str]]:
        """Read what the linter finds and is meant so; each has a reason, which stays with the document."""
        if not isinstance(value, list) or len(value) > _MOST_EXCEPTIONS:
            self.fail("exceptions", "must be a list of {rule, field, reason}")
            return frozenset()
        return frozenset(self.exception(one, f"exceptions[{at}]") for at, one in enumerate(value))

    def exception(self, value: Any, place: str) -> tuple[str, str]:
        if not isinstance(value, dict) or set(value) != {"rule", "field", "reason"}:
            self.fail(place, "must be an object with rule, field and reason")
            return "", ""
        rule, field, _ = (self.text(value, key, f"{place}.") for key in ("rule", "field", "reason"))
        return rule, field

    def policy(self, value: Any) -> Policy:
        """Read the rules that are given; each that is left out is the default."""
        if not isinstance(value, dict):
            self.fail("policy", "must be an object with rules")
            return Policy()
        for key in sorted(set(value) - KEYS):
            self.fail(f"policy.{key[:64]}", "is not a rule of the policy")
        given = {key: rule for key, rule in RULES.items() if key in value}
        words = {rule.attribute: self.word(value[key], f"policy.{key}", rule) for key, rule in given.items()}
        return Policy(
            **words,
            pace=self.pace(value.get("pace", {})),
            stop=self.stop(value.get("stop", {})),
            minors=self.minors(value.get("minors", {})),
            cascade=self.cascade(value.get("cascade")),
        )

    def minors(self, value: Any) -> Minors:
        """Read below which age parents or carers are written to; what is left out is the default."""
        age = self.fields(value, "policy.minors", {"underAge"}).get("underAge")
        if age is None:
            return Minors()
        if type(age) is not int or not 0 <= age <= OF_AGE:
            self.fail("policy.minors.underAge", f"must be a whole number, 0 to {OF_AGE}")
            return Minors()
        return Minors(age)

    def cascade(self, value: Any) -> Cascade:
        """Read what leads to the next channel after a hand-over; a list that is left out is the default."""
        if value is None:
            return Cascade()
        if not isinstance(value, list):
            self.fail("policy.cascade", "must be a list of what leads to the next channel")
            return Cascade()
        found: dict[str, int | None] = {}
        for at, rule in enumerate(value[: len(_CASCADE) + 1]):  # one more is there twice
            place = f"policy.cascade[{at}]"
            when = self.fields(rule, place, {"when", "afterDays"}).get("when")
            if when not in _CASCADE or when in found:
                self.fail(f"{place}.when", f"must be {', '.join(_CASCADE)}, each once")
            else:
                found[when] = self.days_unread(rule, place, asked=when == "unread")
        return Cascade("bounced" in found, "returned" in found, found.get("unread"))

    def days_unread(self, rule: Mapping[str, Any], place: str, *, asked: bool) -> int | None:
        """Read after how many days something follows: told where it is `asked` for, and nowhere else."""
        days = whole(rule.get("afterDays"))
        if not asked and "afterDays" in rule:
            self.fail(f"{place}.afterDays", "is for unread alone")
        elif asked and not (type(days) is int and 0 < days <= MOST_DAYS_UNREAD):
            self.fail(f"{place}.afterDays", f"must be a whole number, 1 to {MOST_DAYS_UNREAD}")
            return None
        return days if asked else None

    def stop(self, value: Any) -> Stop:
        """Read above which shares a cohort stops; each that is left out is the default."""
        value = self.fields(value, "policy.stop", Stop._fields)
        return Stop(
            **{key: self.share(value[key], f"policy.stop.{key}") or 1.0 for key in Stop._fields if key in value}
        )

    def pace(self, value: Any) -> Pace:
        """Read how many may go a day; what is left out limits nothing."""
        value = self.fields(value, "policy.pace", {"perDay", "perChannel", "callCentre"})
        counts = self.fields(value.get("perChannel"), "policy.pace.perChannel", set(CHANNEL_NAMES.values()))
        return Pace(
            per_day=self.count(value, "perDay", "policy.pace."),
            per_channel={
                channel_named(name): self.count(counts, name, "policy.pace.perChannel.") or 1
                for name in counts
                if name in CHANNEL_NAMES.values()
            },
            call_centre=self.call_centre(value.get("callCentre")),
        )

    def call_centre(self, value: Any) -> CallCentre | None:
        """Read how many calls can be answered; a share of callers that is left out is the default."""
        if value is None:
            return None
        place = "policy.pace.callCentre"
        value = self.fields(value, place, {"callsPerDay", "shareOfCallers"})
        calls = self.count(value, "callsPerDay", f"{place}.")
        if calls is None:
            self.fail(f"{place}.callsPerDay", "must be a whole number, 1 or more")
            return None
        share = value.get("shareOfCallers")
        if share is None:
            return CallCentre(calls)
        read = self.share(share, f"{place}.shareOfCallers")
        return None if read is None else CallCentre(calls, read)

    def share(self, value: Any, field: str) -> float | None:
        """Read a share, None where it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            self.fail(field, "must be a share: more than 0, at most 1")
            return None
        return value

    def fields(self, value: Any, field: str, known: Collection[str]) -> Mapping[str, Any]:
        """Read an object that has these fields and no others; None is one without any."""
        if value is not None and not isinstance(value, dict):
            self.fail(field, f"must be an object with {', '.join(sorted(known))}")
        found = value if isinstance(value, dict) else {}
        for key in sorted(set(found) - set(known)):
            self.fail(f"{field}.{key[:64]}", "is not a field of it")
        return found

    def count(self, source: Mapping[str, Any], key: str, path: str) -> int | None:
        """Read how many; None where it is left out."""
        value = whole(source.get(key))
        if value is not None and not (type(value) is int and 0 < value <= _MOST):
            self.fail(path + key, f"must be a whole number, 1 to {_MOST}")
            return None
        return value

    def word(self, value: Any, field: str, rule: Rule) -> Any:
        """Read one of the words of a rule."""
        words = {word.value: word for word in rule.words}
        if not isinstance(value, str) or value not in words:
            self.fail(field, f"must be {' or '.join(words)}")
            return getattr(Policy(), rule.attribute)
        return words[value]
