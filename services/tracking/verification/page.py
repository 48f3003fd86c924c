"""The page on which a reader has a reference checked: plain words, no script, nothing loaded. Pure.

It says nothing of incidents or organisations: whoever has no genuine reference learns nothing by it.
"""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from services.tracking.domain import Verdict

__all__ = ["LANGUAGES", "STYLE", "language_of", "render"]

_HERE = Path(__file__).parent
_WORDS: Final[Mapping[str, Mapping[str, Any]]] = json.loads((_HERE / "words.json").read_text(encoding="utf-8"))
LANGUAGES: Final = tuple(_WORDS)  # the first is that of who asks for none of them
STYLE: Final = (_HERE / "page.css").read_text(encoding="utf-8")


def language_of(asked: str, accepted: str) -> str:
    """Return the language that is asked for, else the one of ours that a browser accepts first (RFC 9110, 12.5.4)."""
    if asked in _WORDS:
        return asked
    ranges = [_weighed(one) for one in accepted.split(",")]
    for _, tag in sorted(ranges, key=lambda one: -one[0]):
        primary = tag.split("-", 1)[0].lower()
        if primary in _WORDS:
            return primary
    return LANGUAGES[0]


def _weighed(text: str) -> tuple[float, str]:
    tag, _, weight = text.partition(";")
    try:
        return float(weight.partition("=")[2] or 1), tag.strip()
    except ValueError:
        return 0.0, tag.strip()


def render(language: str, verdict: Verdict | None = None, reference: str = "") -> str:
    """Return the page; `verdict` is None before anything was asked, and `reference` is what was asked about."""
    words = _WORDS[language]
    failed = verdict is Verdict.MISTYPED  # told at its field, and in the title
    title = escape(words["title"])
    before = f"{escape(words['error'])}: " if failed else f"{escape(words[f'{verdict}_heading'])} · " if verdict else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{before}{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<style>{STYLE}</style></head><body>{_languages(language)}<main><h1>{title}</h1>"
        f"<p>{escape(words['lead'])}</p>{_answer(words, verdict, reference) if verdict else ''}"
        f"{_form(words, language, reference if failed else '', failed=failed)}"
        f'<p class="privacy">{escape(words["privacy"])}</p></main></body></html>'
    )


def _languages(language: str) -> str:
    others = (
        f'<a href="?lang={other}" lang="{other}" hreflang="{other}">{escape(words["language"])}</a>'
        for other, words in _WORDS.items()
        if other != language
    )
    return f"<nav>{' '.join(others)}</nav>"


def _answer(words: Mapping[str, Any], verdict: Verdict, reference: str) -> str:
    whole = f"<b>{escape(reference)}</b>"  # never broken over two lines: it is compared with a letter
    said = "".join(f"<p>{escape(text).replace('{reference}', whole)}</p>" for text in words[verdict])
    heading = escape(words[f"{verdict}_heading"])
    role = "alert" if verdict is Verdict.MISTYPED else "status"
    return f'<section id="answer" class="answer {verdict}" role="{role}"><h2>{heading}</h2>{said}</section>'


def _form(words: Mapping[str, Any], language: str, typed: str, *, failed: bool) -> str:
    fault = ' aria-invalid="true"' if failed else ""
    about = "answer hint" if failed else "hint"
    return (
        f'<form method="post" action="/verify?lang={language}"><label for="reference">{escape(words["label"])}</label>'
        f'<p class="hint" id="hint">{escape(words["hint"])}</p>'
        f'<input id="reference" name="reference" value="{escape(typed)}" required maxlength="40" autocomplete="off"'
        f' autocapitalize="characters" spellcheck="false" aria-describedby="{about}"{fault}>'
        f"<button>{escape(words['button'])}</button></form>"
    )
