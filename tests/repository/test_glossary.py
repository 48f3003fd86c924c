"""The glossary has every word that names a module or a public class, so that no word has to be guessed."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "services" / "README.md").read_text(encoding="utf-8").partition("## Glossary")[2].lower()
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Words that are used in their plain sense: of English; of Python and of programs that run as services; of standards and
# formats; rooms, and names that two words of the glossary make.
PLAIN = frozenset(
    re.findall(
        "[a-z]+",
        """
        affected bad book broken builder changed changes changing check choose classified copy countries empty
        failures flawed found header headers heard holding interrupted invalid item keeper listening lost
        mailbox meanwhile message options ownership payloads position prepare progress reading ready reason
        request retry retryable run sending severity shared splitter throttled transport unnumbered user
        validation validator verifier verifying view watch writer yet

        admin api app broker checker child children client clock closing codec config conflict console demo doctor down
        domain environment error errors fake fenced folder formatter handle main migrate migration migrations pool
        programs queries serve service setting settings status store testing text texts

        csv dlq email gunzip health json jwt ndjson oidc openapi otel pdf postgres put refs typesetter

        globaltable routing takeover tracking unsealing
        """,
    )
)


def _singulars(word: str) -> Iterator[str]:
    """Return the word, and what it may be the plural of."""
    yield word
    for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending):
            yield word.removesuffix(ending) + singular


def _names(path: Path) -> Iterator[str]:
    """Return what a module gives a name to: itself, and its public classes."""
    yield path.stem.strip("_")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def _words() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "services/*.py"],  # noqa: S607 - git is found on the path
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    names = [named for name in listed if (ROOT / name).exists() for named in _names(ROOT / name)]
    return {word.lower() for named in names for word in _WORD.findall(named)}


def test_every_word_of_a_public_name_is_explained() -> None:
    """A newcomer finds in one place what the words mean that the code is made of."""
    known = PLAIN | set(re.findall(r"[a-z]+", GLOSSARY))

    assert [] == sorted(word for word in _words() if known.isdisjoint(_singulars(word)))


def test_no_plain_word_is_left_over() -> None:
    """The words that need no explanation are those in use, so that a new one is a decision."""
    used = {singular for word in _words() for singular in _singulars(word)}

    assert [] == sorted(PLAIN - used)
