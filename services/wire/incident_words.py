"""The words of an incident document: texts by language, blocks, categories, and variants of them, checked whole."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from services.core.addressee import AddresseeRole
from services.core.facts import MAX_CATEGORIES
from services.core.incident import CONTENT_BLOCKS, MORE_BLOCKS, PHRASED_LANGUAGES, DataCategory
from services.core.variants import Certainty, Kind, Text, Variant, When, special_first
from services.wire.advice_library import advice_codes, advice_in

__all__ = ["CATEGORY_CODE", "GROUP", "LANGUAGE", "MOST_VARIANTS", "WordsCheck"]

GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)  # of cohorts
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
CATEGORY_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_BLOCKS = (*CONTENT_BLOCKS, *MORE_BLOCKS)
MOST_VARIANTS = 200  # three certainties, three kinds, and groups as the case had them: more is a mistake

E = TypeVar("E", bound=Enum)


class WordsCheck:
    """Reads the parts of a document that people read, and gathers their faults.

    A faulty part is read as a harmless value: whoever uses this raises at the end, so that nobody sees it.
    """

    def __init__(self) -> None:
        self.problems: list[dict[str, str]] = []

    def fail(self, field: str, problem: str) -> None:
        """Take note of a fault."""
        self.problems.append({"field": field, "problem": problem})

    def text(self, source: Mapping[str, Any], key: str, path: str = "", *, required: bool = True) -> str:
        """Read a text."""
        value = source.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.fail(path + key, "must be a text that is not empty")
            return ""
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in value):
            self.fail(path + key, "must hold no control characters")
        return value

    def languages(self, value: Any) -> tuple[str, ...]:
        """Read the languages that are offered; in each of them Heraut has sentences of its own."""
        if not isinstance(value, list) or not value:
            self.fail("languages", "must be a list of language tags, the default first")
            return ()
        wrong = [at for at, tag in enumerate(value) if not (isinstance(tag, str) and LANGUAGE.fullmatch(tag))]
        for at in wrong:
            self.fail(f"languages[{at}]", "must be a language tag such as nl or en")
        if wrong:
            return ()
        for at, tag in enumerate(value):
            if tag.split("-", 1)[0].lower() not in PHRASED_LANGUAGES:
                known = ", ".join(sorted(PHRASED_LANGUAGES))
                self.fail(f"languages[{at}]", f"is a language in which Heraut has no sentences of its own ({known})")
        if len({tag.lower() for tag in value}) != len(value):
            self.fail("languages", "names a language twice")
        return tuple(value)

    def words(self, value: Any, field: str, languages: Sequence[str]) -> Text:
        """Read a text by language; every language of the incident must be there."""
        if not isinstance(value, dict):
            self.fail(field, "must be an object with a text for each language")
            return {}
        for language in languages:
            self.text(value, language, f"{field}.")
        for tag in sorted(set(value) - set(languages)):
            if LANGUAGE.fullmatch(tag):
                self.text(value, tag, f"{field}.")
            else:
                self.fail(f"{field}.{tag[:64]}", "must be a language tag such as nl or en")
        return {tag: text for tag, text in value.items() if isinstance(text, str)}

    def title(self, value: Any, field: str, languages: Sequence[str]) -> Text:
        """Read a title by language; a plain text is the title in the first one."""
        if isinstance(value, dict):
            return self.words(value, field, languages)
        return dict.fromkeys(languages[:1], self.text({field: value}, field))

    def categories(self, value: Any, languages: Sequence[str]) -> tuple[DataCategory, ...]:
        """Read the kinds of data."""
        if not isinstance(value, list) or not 0 < len(value) <= MAX_CATEGORIES:
            self.fail("dataCategories", f"must be a list of 1 to {MAX_CATEGORIES} categories")
            return ()
        found = [self._category(item, f"dataCategories[{at}]", languages) for at, item in enumerate(value)]
        codes = [category.code for category in found]
        for code in sorted({code for code in codes if code and codes.count(code) > 1}):
            self.fail("dataCategories", f"has the code {code} twice")
        return tuple(found)

    def _category(self, value: Any, field: str, languages: Sequence[str]) -> DataCategory:
        if not isinstance(value, dict):
            self.fail(field, "must be an object with code and label")
            return DataCategory("", {})
        for key in sorted(set(value) - {"code", "label", "advice", "adviceFor"}):
            self.fail(f"{field}.{key[:64]}", "is not a field of a category")
        code = value.get("code")
        if not isinstance(code, str) or not CATEGORY_CODE.fullmatch(code):
            self.fail(f"{field}.code", "must be a word of letters, digits, - and _")
            code = ""
        label = self.words(value.get("label"), f"{field}.label", languages)
        advice = self._advice(value.get("advice"), f"{field}.advice", languages)
        others = self._advice_for(value.get("adviceFor"), f"{field}.adviceFor", languages)
        if isinstance(named := value.get("advice"), str):
            others = {role: text for role in AddresseeRole if (text := _library(languages, named, role))} | others
        return DataCategory(code, label, advice, others)

    def _advice_for(self, value: Any, field: str, languages: Sequence[str]) -> dict[AddresseeRole, Text]:
        """Read advice to those who read on somebody's behalf."""
        others = {role.value: role for role in AddresseeRole if role is not AddresseeRole.SELF}
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fail(field, f"must be an object with advice for {', '.join(others)}")
            return {}
        for key in sorted(set(value) - set(others)):
            self.fail(f"{field}.{key[:64]}", f"must be {', '.join(others)}")
        read = {role: self._advice(value.get(key), f"{field}.{key}", languages) for key, role in others.items()}
        return {role: text for role, text in read.items() if text}

    def _advice(self, value: Any, field: str, languages: Sequence[str]) -> Text | None:
        """Read advice: words of the document's own, or the code of advice in the library."""
        if value is None:
            return None
        if not isinstance(value, str):
            return self.words(value, field, languages)
        found = {language: advice_in(language, value) for language in languages}
        if value not in advice_codes():
            self.fail(field, f"is no code of the library of advice: {', '.join(advice_codes())}")
        for language in [language for language, text in found.items() if text is None and value in advice_codes()]:
            self.fail(f"{field}.{language}", "is a language in which the library has no advice")
        return {language: text for language, text in found.items() if text is not None}

    def content(self, value: Any, languages: Sequence[str]) -> Mapping[str, Text]:
        """Read the blocks that everybody is told."""
        if not isinstance(value, dict):
            self.fail("content", f"must be an object with {', '.join(CONTENT_BLOCKS)} (art. 34 GDPR)")
            return {}
        there = [*CONTENT_BLOCKS, *(block for block in MORE_BLOCKS if block in value)]
        self._check_blocks(value, "content")
        return {block: self.words(value.get(block), f"content.{block}", languages) for block in there}

    def _check_blocks(self, value: Mapping[str, Any], field: str) -> None:
        for key in sorted(set(value) - set(_BLOCKS)):
            self.fail(f"{field}.{key[:64]}", "is not a block of the content")

    def variants(self, value: Any, languages: Sequence[str]) -> tuple[Variant, ...]:
        """Read what is said otherwise to some; each text is there in all languages that the variant is for."""
        if not isinstance(value, list) or len(value) > MOST_VARIANTS:
            self.fail("variants", f"must be a list of at most {MOST_VARIANTS} variants")
            return ()
        found = [self._variant(item, f"variants[{at}]", languages) for at, item in enumerate(value)]
        seen = [variant.when for variant in found]
        for at, when in enumerate(seen):
            if when in seen[:at] and when != When():
                self.fail(f"variants[{at}].when", "has the conditions of another variant")
        return special_first(found)

    def _variant(self, value: Any, field: str, languages: Sequence[str]) -> Variant:
        if not isinstance(value, dict):
            self.fail(field, "must be an object with when, and title or content")
            return Variant(When(), None, {})
        for key in sorted(set(value) - {"when", "title", "content"}):
            self.fail(f"{field}.{key[:64]}", "is not a field of a variant")
        when = self._when(value.get("when"), f"{field}.when", languages)
        content = value.get("content", {})
        if not isinstance(content, dict) or ("title" not in value and not content):
            self.fail(field, "must have a title, or an object with blocks as content")
            content = {}
        self._check_blocks(content, f"{field}.content")
        meant = (when.language,) if when.language else languages
        return Variant(
            when,
            self._said(value["title"], f"{field}.title", meant) if "title" in value else None,
            {
                block: self._said(content[block], f"{field}.content.{block}", meant)
                for block in _BLOCKS
                if block in content
            },
            field,
        )

    def _said(self, value: Any, field: str, languages: Sequence[str]) -> Text:
        """Read a text of a variant; one that is for a single language may be plain."""
        if isinstance(value, str) and len(languages) == 1:
            return {languages[0]: self.text({field: value}, field)}
        words = self.words(value, field, languages)
        for language in sorted(set(words) - set(languages)):
            self.fail(f"{field}.{language[:64]}", "is a language that the variant is not for")
        return words

    def _when(self, value: Any, field: str, languages: Sequence[str]) -> When:
        if not isinstance(value, dict) or not value:
            self.fail(field, "must be an object with certainty, kind, group, reader or language")
            return When()
        for key in sorted(set(value) - {"certainty", "kind", "group", "language", "reader"}):
            self.fail(f"{field}.{key[:64]}", "is not a condition of a variant")
        group, language = value.get("group"), value.get("language")
        if group is not None and not (isinstance(group, str) and GROUP.fullmatch(group)):
            self.fail(f"{field}.group", "must be 1 to 64 letters, digits, dots, hyphens or underscores")
            group = None
        if language is not None and language not in languages:
            self.fail(f"{field}.language", "must be one of the languages of the incident")
            language = None
        return When(
            self._one_of(value, "certainty", field, Certainty),
            self._one_of(value, "kind", field, Kind),
            group,
            language,
            self._one_of(value, "reader", field, AddresseeRole),
        )

    def _one_of(self, source: Mapping[str, Any], key: str, path: str, words: type[E]) -> E | None:
        value = source.get(key)
        known = {word.value: word for word in words}
        if value is None:
            return None
        if not isinstance(value, str) or value not in known:
            self.fail(f"{path}.{key}", f"must be {', '.join(known)}")
            return None
        return known[value]


def _library(languages: Sequence[str], code: str, reader: AddresseeRole) -> Text:
    """Return what the library has for a reader alone, in all languages or not at all."""
    found = {language: advice_in(language, code, reader) for language in languages}
    whole = {language: text for language, text in found.items() if text is not None}
    return whole if len(whole) == len(found) else {}
