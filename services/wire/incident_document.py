"""The incident document as JSON: checked whole, all faults at once, and brought to one normal form."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from services.core.channel import CHANNEL_NAMES, Channel, channel_named
from services.core.facts import MAX_CATEGORIES
from services.core.incident import (
    CONTENT_BLOCKS,
    Controller,
    DataCategory,
    Incident,
    KeyVersions,
)
from services.core.mailbox import mailbox
from services.core.policy import RULES, Policy, Rule

__all__ = ["InvalidDocument", "normal_form", "parse_incident"]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_CHANNEL_NAMES = ", ".join(CHANNEL_NAMES.values())
_KEYS = {
    "title", "awareAt", "occurredAt", "controller", "languages", "channels", "compromisedChannels",
    "dataCategories", "content", "fourEyes", "policy",
}  # fmt: skip


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
    for key in sorted(set(document) - _KEYS):
        check.fail(key[:64], "is not a field of the incident document")
    languages = check.languages(document.get("languages"))
    incident = Incident(
        incident_id=incident_id,
        version=version,
        title=check.text(document, "title"),
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
    )
    if check.problems:
        raise InvalidDocument(check.problems)
    return incident


class _Check:
    """Reads the parts of a document and gathers their faults.

    A faulty part is read as a harmless value: `parse_incident` raises at the end, so that nobody sees it.
    """

    def __init__(self) -> None:
        self.problems: list[dict[str, str]] = []

    def fail(self, field: str, problem: str) -> None:
        self.problems.append({"field": field, "problem": problem})

    def text(self, source: Mapping[str, Any], key: str, path: str = "", *, required: bool = True) -> str:
        value = source.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.fail(path + key, "must be a text that is not empty")
            return ""
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in value):
            self.fail(path + key, "must hold no control characters")
        return value

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
        return read

    def controller(self, value: Any) -> Controller:
        if not isinstance(value, dict):
            self.fail("controller", "must be an object with name, address, phone and email")
            return Controller("", (), "", "")
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
        )

    def yes_no(self, source: Mapping[str, Any], key: str) -> bool:
        """Read what is false where it is left out."""
        value = source.get(key, False)
        if not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return value is True

    def languages(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self.fail("languages", "must be a list of language tags, the default first")
            return ()
        wrong = [at for at, tag in enumerate(value) if not (isinstance(tag, str) and _LANGUAGE.fullmatch(tag))]
        for at in wrong:
            self.fail(f"languages[{at}]", "must be a language tag such as nl or en")
        return () if wrong else tuple(value)

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

    def words(self, value: Any, field: str, languages: Sequence[str]) -> Mapping[str, str]:
        """Read a text by language; every language of the incident must be there."""
        if not isinstance(value, dict):
            self.fail(field, "must be an object with a text for each language")
            return {}
        for language in languages:
            self.text(value, language, f"{field}.")
        for tag in sorted(set(value) - set(languages)):
            if not _LANGUAGE.fullmatch(tag):
                self.fail(f"{field}.{tag[:64]}", "must be a language tag such as nl or en")
        return {tag: text for tag, text in value.items() if isinstance(text, str)}

    def categories(self, value: Any, languages: Sequence[str]) -> tuple[DataCategory, ...]:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_CATEGORIES:
            self.fail("dataCategories", f"must be a list of 1 to {MAX_CATEGORIES} categories")
            return ()
        found = [self.category(item, f"dataCategories[{at}]", languages) for at, item in enumerate(value)]
        codes = [category.code for category in found]
        for code in sorted({code for code in codes if code and codes.count(code) > 1}):
            self.fail("dataCategories", f"has the code {code} twice")
        return tuple(found)

    def category(self, value: Any, field: str, languages: Sequence[str]) -> DataCategory:
        if not isinstance(value, dict):
            self.fail(field, "must be an object with code and label")
            return DataCategory("", {})
        code = value.get("code")
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            self.fail(f"{field}.code", "must be a word of letters, digits, - and _")
            code = ""
        label = self.words(value.get("label"), f"{field}.label", languages)
        advice = value.get("advice")
        return DataCategory(code, label, self.words(advice, f"{field}.advice", languages) if advice else None)

    def content(self, value: Any, languages: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        if not isinstance(value, dict):
            self.fail("content", f"must be an object with {', '.join(CONTENT_BLOCKS)} (art. 34 GDPR)")
            return {}
        for key in sorted(set(value) - set(CONTENT_BLOCKS)):
            self.fail(f"content.{key[:64]}", "is not a block of the content")
        return {block: self.words(value.get(block), f"content.{block}", languages) for block in CONTENT_BLOCKS}

    def policy(self, value: Any) -> Policy:
        """Read the rules that are given; each that is left out is the default."""
        if not isinstance(value, dict):
            self.fail("policy", "must be an object with rules")
            return Policy()
        for key in sorted(set(value) - set(RULES)):
            self.fail(f"policy.{key[:64]}", "is not a rule of the policy")
        given = {key: rule for key, rule in RULES.items() if key in value}
        return Policy(**{rule.attribute: self.word(value[key], f"policy.{key}", rule) for key, rule in given.items()})

    def word(self, value: Any, field: str, rule: Rule) -> Any:
        """Read one of the words of a rule."""
        words = {word.value: word for word in rule.words}
        if not isinstance(value, str) or value not in words:
            self.fail(field, f"must be {' or '.join(words)}")
            return getattr(Policy(), rule.attribute)
        return words[value]
